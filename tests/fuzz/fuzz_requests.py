"""Coverage-guided fuzzing of what is read as a request; by hand, never part of the suite.

    pip install atheris
    python -m tests.fuzz.fuzz_requests [CORPUS…] [-max_total_time=600]

Needs atheris, which is no dependency of the project: the property tests of
`tests/unit/http1/test_request_opinions.py` say the same on made-up examples.
"""

from __future__ import annotations

import importlib
import sys

from tests.unit.http1.pages import Page, as_h11_likes_it, as_h11_says_it, read_by_h11

MANY_ZEROS = b"\r\n" + b"0" * 15


def check(data: bytes) -> None:
    """Whatever comes: no exception, one outcome wherever it is cut, an account that comes back to
    nothing, and h11 reads alike what we read of the first request."""
    if not data:
        return
    cut = data[0] % len(data)
    data = data[1:]
    whole, pieces = Page(), Page()
    whole.feed(data)
    for piece in (data[:cut], data[cut:]):
        if piece:
            pieces.feed(piece)
    for page in (whole, pieces):
        page.reader.release()
    assert (pieces.read, pieces.kinds) == (whole.read, whole.kinds), data
    assert (pieces.buffered_bytes, whole.buffered_bytes) == (0, 0), data
    if MANY_ZEROS in data:
        return  # Either a chunk size that h11 does not read, or content that must not be changed for it.
    first = as_h11_says_it(whole.read[:1])
    assert first == read_by_h11(as_h11_likes_it(data))[: len(first)], data


def main() -> None:
    try:
        atheris = importlib.import_module("atheris")
    except ImportError:
        sys.exit("This needs atheris: pip install atheris")
    atheris.instrument_all()
    atheris.Setup(sys.argv, check)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
