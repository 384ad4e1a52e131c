"""What holds for the streams of all three dialects: byte for byte, cut anywhere, whole or not."""

from __future__ import annotations

import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plano.chat.dialect import Dialect
from plano.chat.usage import Usage
from plano.errors import UpstreamInvalid
from plano.wire.dialects import DIALECTS
from plano.wire.sse import EVENT_LIMIT_BYTES
from plano.wire.stream import StreamReader
from tests.unit.wire.streams import CHAT, DONE, MESSAGES, RESPONSES, facts, relayed

USAGE = Usage(
    input_tokens=20, output_tokens=9, cache_read_tokens=12, cache_creation_tokens=None, reasoning_tokens=4
)
STREAMS = [
    pytest.param(
        Dialect.OPENAI_CHAT,
        CHAT,
        (True, True, None, "gpt-4o-2024-08-06", "stop", USAGE, "chatcmpl-1"),
        id="chat",
    ),
    pytest.param(
        Dialect.ANTHROPIC_MESSAGES,
        MESSAGES,
        (True, True, None, "claude-sonnet-4-5-20250929", "end_turn", Usage(115, 12, 100, 10, 3), "msg_1"),
        id="messages",
    ),
    pytest.param(
        Dialect.OPENAI_RESPONSES,
        RESPONSES,
        (True, True, None, "gpt-5-2025-08-07", "completed", USAGE, "resp_1"),
        id="responses",
    ),
]
JUST_STREAMS = [pytest.param(*case.values[:2], id=case.id) for case in STREAMS]
DIALECTS_ALONE = [pytest.param(case.values[0], id=case.id) for case in STREAMS]


def reader_of(dialect: Dialect, limit_bytes: int = EVENT_LIMIT_BYTES) -> StreamReader:
    return DIALECTS[dialect].stream_reader(1, limit_bytes)


@pytest.mark.parametrize(("dialect", "stream", "known"), STREAMS)
def test_a_stream_passes_byte_for_byte_and_is_learnt_from(
    dialect: Dialect, stream: list[bytes], known: tuple[object, ...]
) -> None:
    """The client gets the provider's bytes, the record its facts."""
    reader = reader_of(dialect)

    passed = relayed(reader, stream)

    assert (passed, facts(reader)) == (b"".join(stream), known)


@pytest.mark.parametrize(("dialect", "stream", "known"), STREAMS)
@given(line_end=st.sampled_from([b"\n", b"\r\n", b"\r"]), places=st.lists(st.integers(0, 1500), max_size=9))
def test_nothing_depends_on_where_a_stream_was_cut(
    dialect: Dialect, stream: list[bytes], known: tuple[object, ...], line_end: bytes, places: list[int]
) -> None:
    """Chunks of TCP, TLS and HTTP have nothing to do with events."""
    whole = b"".join(stream).replace(b"\n", line_end)
    bounds = [0, *sorted(min(place, len(whole)) for place in places), len(whole)]
    reader = reader_of(dialect)

    passed = relayed(reader, [whole[start:end] for start, end in pairwise(bounds)])

    assert (passed, facts(reader)) == (whole, known)


@pytest.mark.parametrize(("dialect", "stream"), JUST_STREAMS)
def test_a_stream_that_ends_early_has_not_ended(dialect: Dialect, stream: list[bytes]) -> None:
    """A clean end is success to every official client: only the terminal event makes it one. Every
    cut before the terminal event's last brace is seen, and none behind it is a false alarm."""
    whole = b"".join(stream)
    terminal = next(
        at
        for at, event in enumerate(stream)
        if any(mark in event for mark in (b'"stop"', b'"message_stop"', b'"response.completed"'))
    )
    last_brace = len(b"".join(stream[: terminal + 1])) - 2

    ended = []
    for at in range(len(whole) + 1):
        reader = reader_of(dialect)
        relayed(reader, [whole[:at]])
        ended.append(reader.ended)

    assert ended == [at >= last_brace for at in range(len(whole) + 1)]


@pytest.mark.parametrize(("dialect", "stream"), JUST_STREAMS)
def test_no_half_event_ever_goes_out(dialect: Dialect, stream: list[bytes]) -> None:
    """An error event must not be glued to half a line."""
    whole = b"".join(stream)
    boundaries = {sum(map(len, stream[:count])) for count in range(len(stream) + 1)}

    for at in range(len(whole)):
        assert len(reader_of(dialect).feed(whole[:at])) in boundaries


@pytest.mark.parametrize(("dialect", "stream"), JUST_STREAMS)
def test_the_rest_of_a_stream_that_broke_is_dropped(dialect: Dialect, stream: list[bytes]) -> None:
    """Also when it could be read: our error event must begin on a line of its own."""
    rests = [relayed(reader_of(dialect), [stream[0], stream[1][:-cut]]) for cut in (1, 2, 5)]

    assert rests == [stream[0]] * 3


@pytest.mark.parametrize(("dialect", "stream"), JUST_STREAMS)
def test_a_last_event_without_its_empty_line_counts(dialect: Dialect, stream: list[bytes]) -> None:
    """Some servers close right behind the last brace. Clients drop an event that no empty line ends, so it
    gets one: else they would never see the terminal event, and take the clean end for a success."""
    whole = b"".join(event for event in stream if event != DONE)
    reader = reader_of(dialect)

    passed = relayed(reader, [whole.rstrip(b"\n")])

    assert (passed, reader.ended) == (whole, True)


@pytest.mark.parametrize("dialect", DIALECTS_ALONE)
@pytest.mark.parametrize("garbage", [b"data: <html>\n\n", b'data: {"a":\n\n', b"data: 12\n\n"])
def test_an_event_that_is_no_json_object_is_an_invalid_answer(dialect: Dialect, garbage: bytes) -> None:
    """The clients would fail at it, and in no way that helps."""
    with pytest.raises(UpstreamInvalid, match="not a JSON object"):
        reader_of(dialect).feed(garbage)


@pytest.mark.parametrize("dialect", DIALECTS_ALONE)
def test_an_event_that_never_ends_is_an_invalid_answer(dialect: Dialect) -> None:
    """The limit is the reader's to set."""
    with pytest.raises(UpstreamInvalid, match="larger than 100 bytes"):
        reader_of(dialect, 100).feed(b"data: " + b"x" * 100)


@pytest.mark.parametrize("dialect", DIALECTS_ALONE)
@given(
    document=st.dictionaries(
        st.sampled_from(["type", "id", "model", "choices", "usage", "error", "message", "delta", "response"]),
        st.recursive(
            st.one_of(
                st.none(),
                st.booleans(),
                st.integers(),
                st.floats(allow_nan=False, allow_infinity=False),
                st.text(max_size=4),
            ),
            lambda inner: st.one_of(
                st.lists(inner, max_size=2),
                st.dictionaries(
                    st.sampled_from(
                        ["index", "delta", "finish_reason", "usage", "id", "model", "status", "input_tokens"]
                    ),
                    inner,
                    max_size=3,
                ),
            ),
            max_leaves=6,
        ),
    ),
    kind=st.sampled_from(
        ["message_start", "message_delta", "error", "response.created", "response.completed", "x"]
    ),
)
def test_odd_types_are_unknown_and_never_a_failure(
    dialect: Dialect, document: dict[str, object], kind: str
) -> None:
    """Answers are relayed, not judged: a provider's slip must not end a stream that clients can read."""
    reader = reader_of(dialect)
    stream = b"".join(
        b"data: " + json.dumps(each).encode() + b"\n\n" for each in (document, {**document, "type": kind})
    )

    passed = reader.feed(stream)

    is_all = passed == stream or reader.has_failed
    assert (stream.startswith(passed + reader.last_words), is_all) == (True, True)
    assert reader.usage is None or isinstance(reader.usage, Usage)


ERRORS = {
    Dialect.OPENAI_CHAT: b'data: {"error":{"message":"no"}}\n\n',
    Dialect.ANTHROPIC_MESSAGES: b'event: error\ndata: {"type":"error","error":{"type":"api_error"}}\n\n',
    Dialect.OPENAI_RESPONSES: b'event: error\ndata: {"type":"error","message":"no"}\n\n',
}


@pytest.mark.parametrize(("dialect", "stream"), JUST_STREAMS)
@given(line_end=st.sampled_from([b"\n", b"\r\n", b"\r"]), places=st.lists(st.integers(0, 1500), max_size=9))
def test_an_error_ends_a_stream_wherever_it_was_cut(
    dialect: Dialect, stream: list[bytes], line_end: bytes, places: list[int]
) -> None:
    """What comes before it goes out, it is kept apart, and nothing behind it is read."""
    *before, error, behind = [
        event.replace(b"\n", line_end) for event in (*stream[:3], ERRORS[dialect], stream[-1])
    ]
    whole = b"".join([*before, error, behind])
    bounds = [0, *sorted(min(place, len(whole)) for place in places), len(whole)]
    reader = reader_of(dialect)

    passed = relayed(reader, [whole[start:end] for start, end in pairwise(bounds)])

    assert (passed, reader.last_words) == (b"".join(before), error)
    assert (reader.error is None, reader.ended) == (False, False)


@pytest.mark.parametrize("dialect", DIALECTS_ALONE)
def test_an_error_without_its_empty_line_is_one(dialect: Dialect) -> None:
    """Some servers close right behind it."""
    reader = reader_of(dialect)

    passed = relayed(reader, [ERRORS[dialect].rstrip(b"\n")])

    assert (passed, reader.last_words) == (b"", ERRORS[dialect])
