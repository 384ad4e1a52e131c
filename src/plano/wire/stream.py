"""What the stream readers of all dialects share: whole events out, facts kept.

A reader relays every byte it is given in whole events and learns from them as they pass. That
a stream is whole is for the dialect's terminal event to say; the end of the bytes says nothing.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from typing import ClassVar

from plano.chat.usage import Usage
from plano.errors import UpstreamInvalid
from plano.wire.facts import Complaint
from plano.wire.sse import EVENT_LIMIT_BYTES, Events, events

_EVENT_END = re.compile(rb"(?>\r\n|\r|\n)(?>\r\n|\r|\n)")


class StreamReader(ABC):
    """Reads one stream of one dialect."""

    __slots__ = (
        "_events",
        "closed",
        "content",
        "ended",
        "error",
        "finish_reason",
        "goes_on",
        "id",
        "last_words",
        "readable",
        "served",
    )

    counts_behind: ClassVar[bool] = False
    """Whether the dialect tells its counts behind the terminal event; if not, that event is the last word."""

    def __init__(self, limit_bytes: int = EVENT_LIMIT_BYTES) -> None:
        self._events = Events(limit_bytes)
        self.ended = False
        """The terminal event was seen: the answer is whole."""
        self.closed = False
        """It is whole, and the dialect has nothing that could come behind it."""
        self.goes_on = False
        """More of the answer came behind its end. Whoever has taken note of that sets it back."""
        self.content = False
        """Something of the answer itself was seen, not only its prelude."""
        self.error: Complaint | None = None
        """The first error event; the official clients raise at it, and nothing is read behind it."""
        self.last_words = b""
        """That event as it came, with its empty line; `feed` does not give it out."""
        self.served: str | None = None
        self.finish_reason: str | None = None
        self.id: str | None = None
        self.readable = b""
        """When `feed` has raised: the events to relay that came before the fault."""

    @property
    @abstractmethod
    def usage(self) -> Usage | None:
        """The tokens counted so far; worked out when asked for."""

    @property
    def has_failed(self) -> bool:
        return self.error is not None

    def feed(self, data: bytes) -> bytes:
        """The whole events to relay, up to an error event. Raises UpstreamInvalid for an event that is over
        the limit or whose data is not a JSON object, and for an error behind the end; what came before it is
        then `readable`."""
        if self.error is not None:
            return b""
        whole = self._events.feed(data)
        if whole:
            was_whole = False
            try:
                for name, payload in events(whole):
                    was_whole = self.ended
                    self._learn(name, payload)
                    if self.has_failed:
                        break
            except UpstreamInvalid:
                self.readable = self._before_fault(whole)
                raise
            if self.has_failed:
                return self._up_to_error(whole, was_whole=was_whole)
        return whole

    def finish(self) -> bytes:
        """The upstream has ended: what is left to relay of a whole stream. A last event without its
        empty line counts when it can be read, and gets one: clients drop it otherwise. Half of one
        is dropped."""
        rest = self._events.rest()
        is_event = False
        is_final = self.ended and not self.counts_behind and not self.has_failed
        try:
            for name, payload in events(rest):
                self._learn(name, payload)
                is_event = is_event or bool(payload)
        except UpstreamInvalid:
            return b""
        closed = rest.rstrip(b"\r\n") + b"\n\n"
        if self.error is not None and is_final:
            self.error = None
            return b""
        if self.error is not None:
            self.last_words = self.last_words or closed
            return b""
        return closed if is_event and self.ended else b""

    def _before_fault(self, whole: bytes) -> bytes:
        """The events before the one that cannot be read. Learning from an event twice changes nothing."""
        good = 0
        try:
            for found in _EVENT_END.finditer(whole):
                for name, payload in events(whole[good : found.end()]):
                    self._learn(name, payload)
                good = found.end()
        except UpstreamInvalid:
            pass
        return whole[:good]

    def _up_to_error(self, whole: bytes, *, was_whole: bool) -> bytes:
        """Behind an end that is the dialect's last word an error is none: it cannot undo the answer."""
        good = self._before_error(whole)
        if was_whole and not self.counts_behind:
            self.error, self.last_words, self.readable = None, b"", good
            raise UpstreamInvalid("The provider's stream went on with an error behind its end.")
        return good

    def _before_error(self, whole: bytes) -> bytes:
        """The events before the first error, which is kept. It stands in the first piece that brings one when
        each is learnt from again."""
        good = 0
        for found in _EVENT_END.finditer(whole):
            self.error = None
            self.last_words = whole[good : found.end()]
            for name, payload in events(self.last_words):
                self._learn(name, payload)
            if self.has_failed:
                break
            good = found.end()
        return whole[:good]

    @abstractmethod
    def _learn(self, name: bytes, data: bytes) -> None:
        """Take note of one event; `name` is empty when it has none."""
