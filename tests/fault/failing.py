"""The faults of a provider, as data: what it does in each dialect, for streams and plain answers, and what
must come of it where there is a second candidate.

Where nothing had been sent to the client, the second candidate answers; where content had been, the client is
told by its dialect's error event and an end that is none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import pytest

from plano.chat.dialect import Dialect
from tests.fault.cuts import BOUNDARIES, FIRST_CONTENT, cut_plain, cut_stream
from tests.fault.test_upstream_errors import ERROR_EVENTS
from tests.wall.answers import EVENTS, PLAIN, refusal
from tests.wall.script import EVENT_STREAM, JSON, Chunk, Head, Raw, Rst, Script, Stall, chunked, sized

CHAT = Dialect.OPENAI_CHAT
MESSAGES = Dialect.ANTHROPIC_MESSAGES

SHORT = "150ms"
LONG = "20s"
"""Not reached in any test that passes."""

Told = Literal["the second's answer", "an error event", "the refusal", "its answer"]
Play = Callable[[Dialect, bool], Script | None]
"""What the provider does; None: nobody listens there."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One row of the table, for streams, plain answers or both."""

    name: str
    play: Play
    told: Told = "the second's answer"
    code: str | None = None
    """What the log says, where the client is not answered by a model."""
    streams: tuple[bool, ...] = (False, True)
    dialects: tuple[Dialect, ...] = tuple(Dialect)
    requests: int = 1
    """What the first provider gets to see."""
    breaks_off: bool = True
    """The gateway, or the provider itself, closes the connection."""
    limits: tuple[tuple[str, str], ...] = ()
    status: int = 400
    """Of the refusal, where there is one."""


def _prelude(dialect: Dialect) -> int:
    return BOUNDARIES[dialect][FIRST_CONTENT[dialect] - 1]


def begun(dialect: Dialect) -> list[bytes]:
    """The events up to the first content."""
    return EVENTS[dialect][: FIRST_CONTENT[dialect] + 1]


def error_document(dialect: Dialect) -> bytes:
    """A 200 that is none."""
    if dialect is MESSAGES:
        return b'{"type": "error", "error": {"type": "overloaded_error", "message": "x"}}'
    return b'{"error": {"message": "x", "type": "server_error", "code": "overloaded"}}'


def too_long(dialect: Dialect) -> bytes:
    """A context that the model has no room for, as providers say it."""
    if dialect is MESSAGES:
        message = "prompt is too long: 210000 tokens > 200000 maximum"
        return b'{"type":"error","error":{"type":"invalid_request_error","message":"%b"}}' % message.encode()
    return b'{"error":{"message":"too long","type":"invalid_request_error","code":"context_length_exceeded"}}'


def _same(script: Script | None, dialect: Dialect, stream: bool) -> Script | None:
    return script


def _cut(ending: str, dialect: Dialect, stream: bool) -> Script:
    """In the middle of a plain answer; behind the prelude of a stream."""
    if stream:
        return cut_stream(dialect, ending, _prelude(dialect))
    return cut_plain(dialect, ending, len(PLAIN[dialect]) // 2)


def _cut_late(ending: str, dialect: Dialect, stream: bool) -> Script:
    return cut_stream(dialect, ending, BOUNDARIES[dialect][FIRST_CONTENT[dialect]])


def _stalled(dialect: Dialect, stream: bool) -> Script:
    """A head, and half of the answer or the prelude."""
    if stream:
        return [Head(200, EVENT_STREAM), *map(Chunk, begun(dialect)[:-1]), Stall()]
    body = PLAIN[dialect]
    return [Head(200, [*JSON, ("content-length", str(len(body)))]), Raw(body[:99]), Stall()]


def _stalled_late(dialect: Dialect, stream: bool) -> Script:
    return [Head(200, EVENT_STREAM), *map(Chunk, begun(dialect)), Stall()]


def _garbage(dialect: Dialect, stream: bool) -> Script:
    return cut_stream(dialect, "garbage in an event", _prelude(dialect)) if stream else sized(b"<html>")


def _error_first(dialect: Dialect, stream: bool) -> Script:
    if stream:
        return chunked([*begun(dialect)[:-1], ERROR_EVENTS[dialect]])
    return sized(error_document(dialect))


def _error_late(dialect: Dialect, stream: bool) -> Script:
    return chunked([*begun(dialect), ERROR_EVENTS[dialect]])


def _refused(status: int, dialect: Dialect, stream: bool, **headers: str) -> Script:
    fields = tuple((name.replace("_", "-"), value) for name, value in headers.items())
    return refusal(status, dialect, headers=fields)


def _too_long(dialect: Dialect, stream: bool) -> Script:
    return sized(too_long(dialect), status=400)


def _undone(dialect: Dialect, stream: bool) -> Script:
    return chunked(EVENTS[dialect][:-1])


WAITS = (("first_byte_with_another_s", SHORT), ("first_byte_s", LONG), ("silence_s", LONG))
HUSH = (("silence_s", SHORT), ("first_byte_s", LONG))
LATE: dict[str, Any] = {"told": "an error event", "streams": (True,)}

FAULTS = [
    Fault("refused", partial(_same, None), requests=0),
    # A reset on a connection that was used before is replayed over a fresh one, which is reset as well.
    Fault("reset before headers", partial(_same, [Rst()]), requests=2),
    Fault("reset in the headers", partial(_same, [Raw(b"HTTP/1.1 200 OK\r\nco"), Rst()])),
    Fault("slow headers", partial(_same, [Stall()]), limits=WAITS),
    Fault("slow first token", _stalled, limits=WAITS, streams=(True,)),
    Fault("stall before any content", _stalled, limits=HUSH),
    Fault("FIN before any content", partial(_cut, "FIN without the last chunk")),
    Fault("RST before any content", partial(_cut, "reset")),
    Fault("clean end before any content", partial(_cut, "clean end"), breaks_off=False),
    Fault("garbage before any content", _garbage, breaks_off=False),
    Fault("error event first", _error_first, breaks_off=False),
    Fault(
        "FIN in mid-stream", partial(_cut_late, "FIN without the last chunk"), code="upstream_broke", **LATE
    ),
    Fault("RST in mid-stream", partial(_cut_late, "reset"), code="upstream_broke", **LATE),
    Fault("stall in mid-stream", _stalled_late, code="upstream_timeout", limits=HUSH, **LATE),
    Fault(
        "clean end without terminal event",
        partial(_cut_late, "clean end"),
        code="upstream_broke",
        breaks_off=False,
        **LATE,
    ),
    Fault("garbage event", partial(_cut_late, "garbage in an event"), code="upstream_invalid", **LATE),
    Fault("error event late", _error_late, code="upstream_error", **LATE),
    Fault("429 with Retry-After", partial(_refused, 429, retry_after="7"), breaks_off=False),
    Fault("429 without Retry-After", partial(_refused, 429), breaks_off=False),
    Fault("500", partial(_refused, 500), breaks_off=False),
    Fault("529", partial(_refused, 529), breaks_off=False),
    Fault("401", partial(_refused, 401), breaks_off=False),
    Fault("400 context length", _too_long, told="the refusal", code="upstream_error", breaks_off=False),
    Fault("missing [DONE]", _undone, told="its answer", streams=(True,), dialects=(CHAT,), breaks_off=False),
]


def rows(faults: Iterable[Fault] = FAULTS) -> Iterator[Any]:
    """Every fault in every dialect, streaming and not, as far as it can happen there."""
    for fault in faults:
        for dialect in fault.dialects:
            for stream in fault.streams:
                kind = "stream" if stream else "plain"
                yield pytest.param(fault, dialect, stream, id=f"{fault.name}-{dialect.value}-{kind}")
