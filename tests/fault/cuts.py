"""Where an answer is cut, and how an upstream ends one that is not whole.

What must come of it follows from one number a dialect: behind which event the answer itself has
begun, and with which one it is whole. Nothing but that event makes a stream a success.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator
from itertools import accumulate

from plano.chat.dialect import Dialect
from tests.wall.answers import EVENTS, PLAIN
from tests.wall.framing import RawRequest
from tests.wall.script import EVENT_STREAM, JSON, Fin, Head, Headers, LastChunk, Raw, Rst, Script
from tests.wall.upstream import ScriptedUpstream, good_for

FIRST_CONTENT = {
    Dialect.OPENAI_CHAT: 1,
    Dialect.ANTHROPIC_MESSAGES: 3,
    Dialect.OPENAI_RESPONSES: 4,
}
"""The first event of the canned streams that is more than prelude, to which what is opened empty belongs."""
ASKED_AGAIN = frozenset((408, 500, 502, 503, 504, 529))
"""After an error of one of these the only candidate is asked once more."""
TERMINAL = {
    Dialect.OPENAI_CHAT: 4,
    Dialect.ANTHROPIC_MESSAGES: 7,
    Dialect.OPENAI_RESPONSES: 9,
}
"""The event with which they are whole: the finish reason, `message_stop`, `response.completed`."""
STREAMS = {dialect: b"".join(events) for dialect, events in EVENTS.items()}
BOUNDARIES = {dialect: list(accumulate(map(len, events))) for dialect, events in EVENTS.items()}
"""Behind each event."""

GARBAGE = b'oops\ndata: {"oops\n\n'
"""Spoils the event that was cut, or is a spoilt one by itself."""


def whole_events(dialect: Dialect, length: int) -> int:
    """How many events of the stream are whole in its first `length` bytes."""
    return sum(boundary <= length for boundary in BOUNDARIES[dialect])


def _chunk(data: bytes) -> Raw:
    return Raw(b"%x\r\n%b\r\n" % (len(data), data) if data else b"")


def _short_of_length(data: bytes, headers: Headers) -> Script:
    return [Head(200, [*headers, ("content-length", str(len(data) + 1))]), Raw(data), Fin()]


def _without_last_chunk(data: bytes, headers: Headers) -> Script:
    return [Head(200, headers), _chunk(data), Fin()]


def _inside_a_chunk(data: bytes, headers: Headers) -> Script:
    return [Head(200, headers), Raw(b"%x\r\n%b" % (len(data) + 1, data)), Fin()]


def _clean(data: bytes, headers: Headers) -> Script:
    return [Head(200, headers), _chunk(data), LastChunk()]


def _reset(data: bytes, headers: Headers) -> Script:
    return [Head(200, headers), _chunk(data), Rst()]


def _closed(data: bytes, headers: Headers) -> Script:
    return [Head(200, headers, framed=False), Raw(data), Fin()]


def _framing_garbage(data: bytes, headers: Headers) -> Script:
    return [Head(200, headers), _chunk(data), Raw(b"oops\r\n")]


def _event_garbage(data: bytes, headers: Headers) -> Script:
    return [Head(200, headers), _chunk(data + GARBAGE), LastChunk()]


Ending = Callable[[bytes, Headers], Script]

ENDINGS: dict[str, Ending] = {
    "FIN without the last chunk": _without_last_chunk,
    "reset": _reset,
    "clean end": _clean,
    "garbage in an event": _event_garbage,
    "FIN inside a chunk": _inside_a_chunk,
    "FIN short of the length": _short_of_length,
    "closed, and delimited by that": _closed,
    "garbage in the framing": _framing_garbage,
}
LOOKS_COMPLETE = frozenset(("clean end", "closed, and delimited by that"))
"""Endings that HTTP itself takes for the end of the answer."""


class Cuts(ScriptedUpstream):
    """Plays `script` once it is set, for `times` requests (one unless told otherwise); good answers
    otherwise."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        super().__init__(otherwise=self._next, tls=tls)
        self.script: Script | None = None
        self.times = 1

    def _next(self, request: RawRequest) -> Script:
        script = self.script
        if script is None:
            return good_for(request)
        self.times -= 1
        if self.times <= 0:
            self.script, self.times = None, 1
        return script


def events_told(dialect: Dialect, ending: str, length: int) -> int:
    """How many events a client gets to see of a stream that is cut and ended like this; with more of
    them than `TERMINAL` it is a whole one."""
    whole = whole_events(dialect, length)
    if ending == "garbage in an event":
        return whole
    # The end of a stream also ends its last event, which can be read two bytes short of its empty line.
    # Where the framing says that something is missing, that takes an answer which is whole already.
    if ending in LOOKS_COMPLETE or whole > TERMINAL[dialect]:
        readable = whole_events(dialect, length + 2)
        return readable if readable > TERMINAL[dialect] else whole
    return whole


def cut_stream(dialect: Dialect, ending: str, length: int) -> Script:
    """The first `length` bytes of the good stream, ended in this way."""
    return ENDINGS[ending](STREAMS[dialect][:length], EVENT_STREAM)


def cut_plain(dialect: Dialect, ending: str, length: int) -> Script:
    return ENDINGS[ending](PLAIN[dialect][:length], JSON)


def telling_lengths(dialect: Dialect) -> Iterator[int]:
    """In the middle of each event but the last, just short of its end, and behind it."""
    before = 0
    for boundary in BOUNDARIES[dialect][:-1]:
        yield from (before + 1, (before + boundary) // 2, boundary - 3, boundary)
        before = boundary
