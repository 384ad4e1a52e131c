"""Events out of bytes that were cut anywhere."""

from __future__ import annotations

import itertools
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plano.errors import UpstreamInvalid
from plano.wire.sse import Events, events

LINE_ENDS = st.sampled_from(["\n", "\r\n", "\r"])
LINES = st.sampled_from(
    [
        "data: {}",
        "data:x",
        "data",
        "data:  y",
        "event: ping",
        "event:",
        ": comment",
        "id: 7",
        "retry: 5",
        "é😀: z",
    ]
)


@st.composite
def streams(draw: st.DrawFn) -> bytes:
    """Lines and empty lines with any line ends, possibly ending within an event."""
    lines = draw(st.lists(st.one_of(LINES, st.just("")), max_size=12))
    return "".join(line + draw(LINE_ENDS) for line in lines).encode() + draw(
        st.sampled_from([b"", b"data: cut"])
    )


def cut(data: bytes, places: Iterable[int]) -> list[bytes]:
    bounds = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[start:end] for start, end in itertools.pairwise(bounds) if end > start]


def by_the_standard(data: bytes) -> list[tuple[bytes, bytes]]:
    """A line-by-line reader, as the HTML standard words it; an unfinished event counts."""
    found: list[tuple[bytes, bytes]] = []
    name = b""
    payload: list[bytes] = []
    for line in [*data.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n"), b""]:
        field, _, value = line.partition(b":")
        value = value[1:] if value.startswith(b" ") else value
        if not line:
            if name or payload:
                found.append((name, b"\n".join(payload)))
            name, payload = b"", []
        elif field == b"data":
            payload.append(value)
        elif field == b"event":
            name = value
    return found


@given(stream=streams(), places=st.lists(st.integers(0, 400), max_size=8))
def test_events_do_not_depend_on_where_the_bytes_were_cut(stream: bytes, places: list[int]) -> None:
    """TCP cuts where it likes, also between CR and LF."""
    splitter = Events()

    wholes = [splitter.feed(piece) for piece in cut(stream, places)]
    rest = splitter.rest()

    assert b"".join(wholes) + rest == stream
    assert [event for whole in (*wholes, rest) for event in events(whole)] == by_the_standard(stream)


@given(stream=streams())
def test_what_is_kept_holds_no_whole_event(stream: bytes) -> None:
    """An event goes out with the byte that ends it."""
    splitter = Events()
    splitter.feed(stream)

    assert len(by_the_standard(splitter.rest())) <= 1
    assert splitter.pending == 0


@pytest.mark.parametrize("end", [b"\n\n", b"\r\n\r\n", b"\r\r", b"\n\r\n", b"\r\n\n", b"\n\r"])
def test_an_event_goes_out_with_the_byte_that_ends_it(end: bytes) -> None:
    """Holding it until the next one comes would delay every token by one."""
    splitter = Events()
    data = b"data: x" + end
    pieces = [data[at : at + 1] for at in range(len(data))]

    wholes = [splitter.feed(piece) for piece in pieces]

    assert list(events(b"".join(wholes))) == [(b"", b"x")]
    assert list(events(splitter.rest())) == []


@pytest.mark.parametrize("end", [b"\n\n", b"\r\n\r\n", b"\r\r", b"\n\r\n", b"\r\r\n", b"\n\r"])
def test_a_whole_event_leaves_nothing_behind(end: bytes) -> None:
    """Also the LF that belongs to the CR before it."""
    splitter = Events()

    assert (splitter.feed(b"data: x" + end), splitter.pending) == (b"data: x" + end, 0)


def test_whole_events_pass_as_the_same_object() -> None:
    """The commonest read is one whole event: nothing is copied."""
    data = b"data: x\n\n"

    assert Events().feed(data) is data


def test_an_event_over_the_limit_is_refused() -> None:
    """A provider that never ends an event must not fill the memory."""
    splitter = Events(limit_bytes=20)
    splitter.feed(b"data: 0123456789")

    with pytest.raises(UpstreamInvalid, match="larger than 20 bytes"):
        splitter.feed(b"0123456789")


def test_many_events_may_be_longer_than_the_limit_of_one() -> None:
    """Only what is incomplete is held."""
    splitter = Events(limit_bytes=20)

    assert [splitter.feed(b"data: x\n\ndata: ") for _ in range(9)][-1] == b"data: data: x\n\n"


@pytest.mark.parametrize(
    ("block", "event"),
    [
        (b"data: x", [(b"", b"x")]),
        (b"data:x", [(b"", b"x")]),
        (b"data:  x", [(b"", b" x")]),
        (b"event: a\ndata: x", [(b"a", b"x")]),
        (b"data: x\nevent: a", [(b"a", b"x")]),
        (b"event: a\ndata: x\nid: 1", [(b"a", b"x")]),
        (b"data: x\ndata: y", [(b"", b"x\ny")]),
        (b"event: a", [(b"a", b"")]),
        (b": comment", []),
        (b"id: 1", []),
        (b"", []),
    ],
)
def test_fields_are_read_as_the_standard_says(block: bytes, event: list[tuple[bytes, bytes]]) -> None:
    """Providers differ in spacing and order."""
    assert list(events(block + b"\n\n")) == event
