"""Compression that nobody asked for, cut anywhere, and bombs."""

from __future__ import annotations

import gzip
import zlib

import pytest

from plano.errors import UpstreamInvalid
from plano.exchange.inflating import MOST_PER_READ, Inflater

TEXT = b'{"text": "' + b"hello " * 500 + b'"}'
PACKED = [
    pytest.param(b"gzip", gzip.compress(TEXT), id="gzip"),
    pytest.param(b"X-GZIP ", gzip.compress(TEXT), id="x-gzip"),
    pytest.param(b"deflate", zlib.compress(TEXT), id="deflate"),
]


@pytest.mark.parametrize(("coding", "packed"), PACKED)
def test_the_text_does_not_depend_on_the_cuts(coding: bytes, packed: bytes) -> None:
    """And the end of the compression is seen with its last byte, not before."""
    found = set()
    for size in (1, 2, 3, 17, len(packed)):
        inflater = Inflater(coding, limit_bytes=float("inf"))
        pieces = [packed[at : at + size] for at in range(0, len(packed), size)]
        plain = b"".join(map(inflater.feed, pieces[:-1]))
        early = inflater.whole
        plain += inflater.feed(pieces[-1])
        found.add((plain, early, inflater.whole))

    assert found == {(TEXT, False, True)}


@pytest.mark.parametrize("coding", [b"br", b"zstd", b"gzip, br", b"\xff"])
def test_an_unknown_coding_is_told_by_its_name(coding: bytes) -> None:
    with pytest.raises(UpstreamInvalid, match="content-encoding"):
        Inflater(coding, limit_bytes=1000)


def test_what_is_not_compressed_is_invalid() -> None:
    with pytest.raises(UpstreamInvalid, match="cannot be read"):
        Inflater(b"gzip", limit_bytes=1000).feed(TEXT)


@pytest.mark.parametrize("limit", [1_000_000, float("inf")])
def test_a_bomb_is_dropped(limit: float) -> None:
    """By its whole, or, in a stream that may be of any length, by what one read grows to."""
    bomb = zlib.compress(b" " * (MOST_PER_READ + 1))

    with pytest.raises(UpstreamInvalid, match="beyond every limit"):
        Inflater(b"deflate", limit_bytes=limit).feed(bomb)
