"""What providers answer: streams, whole replies and errors in three dialects, compressed bodies, and when
to come back."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable
from functools import partial

from plano.chat.dialect import Dialect
from plano.chat.usage import Usage
from plano.errors import UpstreamError, UpstreamInvalid
from plano.exchange.inflating import Inflater
from plano.exchange.retry_after import LONGEST_S, retry_after_s
from plano.wire.dialects import DIALECTS, Codec
from plano.wire.facts import Complaint
from plano.wire.loose import LARGEST_COUNT
from plano.wire.sse import Events, events
from plano.wire.stream import StreamReader
from tests.fuzz.target import Target, cut, uncut
from tests.unit.wire.streams import CHAT, MESSAGES, RESPONSES, facts

EVENT_LIMIT = 1 << 20

# --- events ---


def check_sse(data: bytes) -> None:
    """Byte for byte, and the same events wherever it is cut; none is held back once it is whole."""
    text, pieces = cut(data)
    splitter = Events()
    whole = [splitter.feed(piece) for piece in pieces]
    assert splitter.pending == len(text) - len(b"".join(whole))
    rest = splitter.rest()
    assert b"".join(whole) + rest == text
    assert [event for run in (*whole, rest) for event in events(run)] == list(events(text))
    assert len(list(events(rest))) <= 1
    assert splitter.pending == 0


# --- streams ---


def check_stream(dialect: Dialect, data: bytes) -> None:
    """The same is relayed and learnt wherever it is cut, and of what cannot be read only what came before."""
    codec = DIALECTS[dialect]
    text, pieces = cut(data)
    whole, cut_up = codec.stream_reader(2, EVENT_LIMIT), codec.stream_reader(2, EVENT_LIMIT)
    passed = _relayed(whole, [text])
    assert _relayed(cut_up, pieces) == passed
    assert facts(cut_up) == facts(whole)
    _check_facts(codec, whole.usage, whole.served, whole.error)


def _relayed(reader: StreamReader, pieces: Iterable[bytes]) -> tuple[list[tuple[bytes, bytes]], bool]:
    """The events that go out, and whether the provider is at fault."""
    out, came = b"", b""
    try:
        for piece in pieces:
            came += piece
            out += reader.feed(piece)
        assert came.startswith(out)
        return list(events(out + reader.finish())), False
    except UpstreamInvalid as problem:
        assert problem.message.isprintable()
        assert came.startswith(out + reader.readable)
        return list(events(out + reader.readable)), True


def _check_facts(codec: Codec, usage: Usage | None, served: str | None, error: Complaint | None) -> None:
    assert served is None or served
    if usage is not None:
        counts = [getattr(usage, name) for name in usage.__struct_fields__]
        # Of Anthropic's input there are three kinds, which are added up.
        assert all(
            count is None or (type(count) is int and 0 <= count <= 3 * LARGEST_COUNT) for count in counts
        )
        assert any(count is not None for count in counts)
    if error is not None:
        problem = codec.error_of(error)
        assert isinstance(problem, UpstreamError)
        assert 400 <= problem.status < 600
        assert isinstance(json.loads(codec.render_error(problem, "an-id")), dict)
        assert len(list(events(codec.error_event(problem, "an-id")))) == 1


# --- whole replies and errors ---


def check_reply(data: bytes) -> None:
    """A reply is a JSON object of which some is known, or invalid, to all dialects alike."""
    outcomes = set()
    for codec in DIALECTS.values():
        try:
            found = codec.read_reply(data)
        except UpstreamInvalid:
            outcomes.add("invalid")
            continue
        outcomes.add("read")
        assert found.id is None or found.id
        assert found.finish_reason is None or found.finish_reason
        _check_facts(codec, found.usage, found.served, found.error)
    assert len(outcomes) == 1


# --- compressed bodies ---

INFLATED_LIMIT = 1 << 16


def check_compressed(data: bytes) -> None:
    """The same plain bytes wherever it is cut, and never more than the limit."""
    text, pieces = cut(data)
    whole = _inflated([text])
    assert _inflated(pieces) == whole
    assert whole is None or len(whole[0]) <= INFLATED_LIMIT


def _inflated(pieces: Iterable[bytes]) -> tuple[bytes, bool] | None:
    inflater = Inflater(b"gzip", limit_bytes=INFLATED_LIMIT)
    try:
        plain = b"".join([inflater.feed(piece) for piece in pieces])
    except UpstreamInvalid:
        return None
    return plain, inflater.whole


# --- when to come back ---

TODAY = 784_111_777.0


def check_retry_after(data: bytes) -> None:
    """A time that makes sense, or none; and no line that belongs to another field."""
    seconds = retry_after_s(data, TODAY)
    assert seconds is None or 0.0 <= seconds <= LONGEST_S
    assert seconds is None or b"retry-after" in data
    digits = data.strip()
    if digits.isdigit() and len(digits) < 5:
        assert retry_after_s(b"retry-after: %b\r\n" % digits, TODAY) == float(digits)


# --- what fuzzing begins with ---

STREAM_WORDS = (
    b"data: ", b"event: ", b"\n\n", b"\r\n\r\n", b"\r", b"\n", b": ping\n\n", b"data: [DONE]\n\n", b"id: 1\n",
    b'{"', b'"error":{"message":"m","type":"overloaded_error"}', b'"finish_reason":"stop"', b'"index":1',
    b'"delta":{', b'"content":"x"', b'"usage":{"', b'prompt_tokens":', b'"type":"message_stop"',
    b'"type":"error"', b"null", b"[]", b'"type":"response.completed"', b'"type":"response.failed"',
    b'"response":{', b'"status":"incomplete"', b"1e400", b"event: error\n", b'"type":"message_start"',
    b'"stop_reason":', b'"input_tokens":-1', b"\xff", b"\\ud800", b"{}",
)  # fmt: skip
REPLIES = (
    {"id": "c", "model": "m", "choices": [{"finish_reason": "stop"}], "usage": {"prompt_tokens": 2}},
    {"type": "message", "id": "m", "model": "m", "stop_reason": "end_turn", "usage": {"input_tokens": 5}},
    {
        "id": "r",
        "status": "incomplete",
        "incomplete_details": {"reason": "max"},
        "usage": {"input_tokens": 1},
    },
    {"error": {"message": "m", "type": "rate_limit_error", "code": 429}},
    {"type": "error", "error": {"type": "overloaded_error", "message": "m"}, "status": "failed"},
)
PACKED = zlib.compressobj(wbits=31)
GZIPPED = PACKED.compress(b'{"id": "chatcmpl-1"}' * 4) + PACKED.flush()

TARGETS = (
    Target(
        "sse",
        check_sse,
        uncut(b"".join(CHAT[2:4]), b"event: a\r\ndata: b\r\ndata: c\r\n\r\n: x\r\rid: 1\n\n"),
        STREAM_WORDS[:9],
        200,
    ),
    *(
        Target(name, partial(check_stream, dialect), uncut(*texts), STREAM_WORDS, 800, holds_json=True)
        for name, dialect, texts in (
            ("chat_stream", Dialect.OPENAI_CHAT, (b"".join(CHAT[1:4]), b"".join(CHAT[4:]))),
            ("messages_stream", Dialect.ANTHROPIC_MESSAGES, (b"".join(MESSAGES[:2]), b"".join(MESSAGES[3:]))),
            (
                "responses_stream",
                Dialect.OPENAI_RESPONSES,
                (b"".join(RESPONSES[:1]), b"".join(RESPONSES[3:])),
            ),
        )
    ),
    Target(
        "reply",
        check_reply,
        tuple(json.dumps(each).encode() for each in REPLIES),
        STREAM_WORDS[9:],
        holds_json=True,
    ),
    Target(
        "compressed",
        check_compressed,
        uncut(GZIPPED, zlib.compress(b"x" * 100)),
        (b"\x1f\x8b\x08", b"\x78\x9c"),
    ),
    Target(
        "retry_after",
        check_retry_after,
        (
            b"12",
            b"retry-after: 7\r\n",
            b"retry-after: Sun, 06 Nov 1994 08:50:37 GMT\r\nretry-after-ms: 1.5\r\n",
        ),
        (b"retry-after: ", b"retry-after-ms: ", b"\r\n", b" GMT", b"Nov", b" -0000", b"99999999999"),
        120,
    ),
)
