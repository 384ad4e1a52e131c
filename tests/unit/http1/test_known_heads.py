"""A head that is known by its bytes means what it meant when it was parsed, and nothing else is known."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plano.http1.limits import ServerLimits
from tests.unit.http1.clients import chunked, get, post
from tests.unit.http1.pages import Page, Read

FIELDS = ("User-Agent: sdk/1", "Authorization: Bearer own", "X-Odd:  spaced \t", "Connection: keep-alive")


def ask(body: bytes, *fields: str, path: str = "/v1/chat/completions?beta=true") -> bytes:
    return post(path, body, *(fields or FIELDS))


def knows(page: Page) -> bool:
    return page.requests[-1].known is not None


def told(page: Page) -> list[tuple[Read, bool]]:
    """All that is handed on, but for the length, which a known head does not repeat."""
    plain = [
        replace(read, fields=tuple(field for field in read.fields if field[0] != b"content-length"))
        for read in page.read
    ]
    return list(zip(plain, page.kept_alive, strict=True))


BODIES = st.lists(st.binary(min_size=1, max_size=120), min_size=1, max_size=6)


@given(BODIES, st.lists(st.integers(0, 2000), max_size=4))
def test_it_makes_no_difference_whether_a_head_is_known(bodies: list[bytes], cuts: list[int]) -> None:
    """Read one by one, where heads are known, or cut anywhere, where the parser reads: the same requests."""
    stream = b"".join(map(ask, bodies))
    places = sorted({0, *(cut % (len(stream) + 1) for cut in cuts), len(stream)})

    one_by_one, cut_anywhere = Page(), Page()
    for body in bodies:
        one_by_one.feed(ask(body))
    for start, end in pairwise(places):
        cut_anywhere.feed(stream[start:end])

    assert [request.known is not None for request in one_by_one.requests] == [False] + [True] * (
        len(bodies) - 1
    )
    assert told(one_by_one) == told(cut_anywhere)
    assert one_by_one.buffered_bytes == cut_anywhere.buffered_bytes == 0


BODY = b'{"model":"a"}'
KNOWN = ask(BODY)


@given(st.data())
def test_a_byte_more_less_or_other_is_read_as_it_would_be_without_memory(data: st.DataObject) -> None:
    """Whatever is not the known head to the byte goes to the parser, which is as strict as ever."""
    at = data.draw(st.integers(0, len(KNOWN) - 1))
    byte = data.draw(st.binary(max_size=2))
    altered = KNOWN[:at] + byte + KNOWN[at + data.draw(st.integers(0, 1)) :]
    with_memory, without = Page().feed(KNOWN), Page()

    with_memory.feed(altered).feed(KNOWN)
    without.feed(altered).feed(KNOWN)

    assert (told(with_memory)[1:], with_memory.kinds) == (told(without), without.kinds)
    assert with_memory.buffered_bytes == without.buffered_bytes


@pytest.mark.parametrize(
    "length",
    ["013", "+13", "13 ", "0x0d", "1_3", "13, 13", "12", "14", "-13", "99999999999999999999", "\u0661\u0663"],
)
def test_only_the_plain_digits_of_the_length_are_taken(length: str) -> None:
    """Another way to write a length is where two readers begin to differ about where a body ends."""
    altered = KNOWN.replace(b"Content-Length: 13", f"Content-Length: {length}".encode())
    with_memory, without = Page().feed(KNOWN), Page()

    with_memory.feed(altered)
    without.feed(altered)

    assert (told(with_memory)[1:], with_memory.kinds) == (told(without), without.kinds)
    assert all(request.known is None for request in with_memory.requests)


@pytest.mark.parametrize(
    "request_bytes",
    [
        pytest.param(chunked("/", b"abc"), id="chunked"),
        pytest.param(get("/"), id="no body"),
        pytest.param(ask(BODY, "Expect: 100-continue"), id="expects an invitation"),
        pytest.param(ask(BODY, "Expect: something"), id="expects something"),
        pytest.param(ask(BODY, "Accept: a", "Accept: b"), id="a field twice"),
        pytest.param(ask(BODY, "Connection: keep-alive, x-hop"), id="names fields of the connection"),
        pytest.param(ask(BODY, "TE: trailers"), id="wants trailers"),
        pytest.param(ask(BODY, "X-Long: " + "x" * 4096), id="a long head"),
        pytest.param(b"\r\n" + ask(BODY), id="an empty line before"),
        pytest.param(ask(BODY) + ask(BODY), id="two in one read"),
        pytest.param(ask(b"0" * 13).replace(b"POST", b"PUT"), id="another method"),
    ],
)
def test_what_is_not_a_plain_whole_request_is_never_known(request_bytes: bytes) -> None:
    page = Page()

    for _ in range(3):
        page.feed(request_bytes)

    assert len(page.requests) >= 3
    assert all(request.known is None for request in page.requests)


def test_limits_hold_for_known_heads_too() -> None:
    """The body that is over the limit is refused by the parser's way, in the same words."""
    page = Page(ServerLimits(body_bytes=20)).feed(ask(BODY)).feed(ask(BODY))
    assert knows(page)

    page.feed(ask(b"x" * 21))

    assert page.kinds == ["body_too_large"]


def test_a_head_is_kept_once_and_as_long_as_a_connection_knows_it() -> None:
    """Ten thousand connections of one SDK keep one head; what has gone takes its credentials along."""
    first = Page().feed(KNOWN).feed(KNOWN)
    second = Page()
    second.known_heads = first.known_heads
    second.feed(KNOWN).feed(KNOWN)

    shared = first.requests[1].known is second.requests[1].known
    heads = first.known_heads
    held = len(heads)
    for page in (first, second):
        page.requests.clear()
        page.reader.close()

    assert (shared, held, len(heads)) == (True, 1, 0)


def test_a_client_whose_heads_all_differ_is_soon_left_to_the_parser() -> None:
    """Learning in vain would cost every request of a client that traces."""
    page = Page()
    for number in range(20):
        page.feed(ask(BODY, f"traceparent: 00-{number:032x}-{number:016x}-01"))
    last = ask(BODY, "traceparent: the same")

    page.feed(last).feed(last)

    assert not knows(page)
