"""What the connections of one listener share: limits, the clock, who answers, and how it ends.

Draining: every further answer announces `connection: close`; idle connections are closed when
the owner says so; what is still running after the drain limit is cancelled, and its handler
tells the client why.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from email.utils import formatdate
from typing import Any, Protocol
from weakref import WeakValueDictionary

from plano.http1.alarms import Alarms
from plano.http1.connection import Connection
from plano.http1.known_heads import KnownHeads
from plano.http1.limits import ServerLimits
from plano.http1.outbox import Outbox
from plano.http1.reply import Reply
from plano.http1.request import Refusal, Request, Screen


class Errand(Protocol):
    """An answer that was begun and needs no task: whoever brings it says `Reply.done` at its end."""

    def cancel(self) -> None:
        """The client has left, or the time for draining is over: end it now. Nothing is said after that."""


Handler = Callable[[Request, Reply], Coroutine[Any, Any, None] | Errand]
"""Answers a request: a coroutine is run in a task, an errand is under way and is not over yet."""
Refuser = Callable[[Refusal], tuple[int, bytes, bytes]]
"""Turns a refusal into status, field lines and body, in the caller's dialect."""
Defect = Callable[[Request, Reply, Exception], None]
"""Answers a request whose handler raised: that is a bug, and still nobody may be left waiting."""


@dataclass(frozen=True, slots=True)
class Face:
    """Who answers what is read."""

    handle: Handler
    refuse: Refuser
    defect: Defect
    screen: Screen | None = None
    """None: every body is waited for."""


class InFlight(Protocol):
    """How many requests are being answered; `count` is kept here and read elsewhere."""

    count: int


class UnderWay:
    """The requests that one handler has been given and that have not ended."""

    __slots__ = ("count", "none")

    def __init__(self) -> None:
        self.count = 0
        self.none = asyncio.Event()
        """Set when the last has ended, once the handler was replaced."""


class Server:
    """What all connections of one listener share."""

    def __init__(
        self,
        face: Face,
        *,
        limits: ServerLimits,
        in_flight: InFlight,
        alarms: Alarms,
        loop: asyncio.AbstractEventLoop,
        now: Callable[[], float] = time.monotonic,
        today: Callable[[], float] = time.time,
        under_way: UnderWay | None = None,
    ) -> None:
        """`under_way` counts what this face is given, until another replaces it."""
        self._put_on(face)
        self.limits = limits
        self.alarms = alarms
        self.loop = loop
        self.outbox = Outbox(loop)
        self.now = now
        self._today = today
        self.connections: set[Connection] = set()
        self.in_flight = in_flight
        self.under_way = under_way or UnderWay()
        self.known_heads: KnownHeads = WeakValueDictionary()
        self.buffered_bytes = 0
        """Request bodies held, all connections together."""
        self.is_short_of_memory = False
        """Whether larger bodies are shed; the owner looks at the memory."""
        self.draining = False
        self.closing = False
        """Connections are closed as soon as they are idle."""
        self.idle = asyncio.Event()
        """Set while no connection is open; who drains waits for it."""
        self.idle.set()
        self._date = b""
        self._date_until = 0.0

    def protocol(self) -> Connection:
        return Connection(self)

    def date(self) -> bytes:
        """The `date` line, rendered once a second."""
        now = self.now()
        if now >= self._date_until:
            today = self._today()
            self._date = b"date: %b\r\n" % formatdate(today, usegmt=True).encode()
            self._date_until = now + 1.0 - today % 1.0
        return self._date

    def replace(self, face: Face, *, limits: ServerLimits, under_way: UnderWay) -> None:
        """Every further request is answered by `face`; what is under way stays with whom it is, and
        connections stay open."""
        before, self.under_way = self.under_way, under_way
        self._put_on(face)
        self.limits = limits
        if not before.count:
            before.none.set()

    def _put_on(self, face: Face) -> None:
        """Each where it is looked up at once: that happens with every request."""
        self.handler = face.handle
        self.refuse = face.refuse
        self.defect = face.defect
        self.screen = face.screen

    def drain(self) -> None:
        """From now on every answer says `connection: close`."""
        self.draining = True

    def close_idle(self) -> None:
        """Close the connections that wait for nothing, and the others when they come to rest."""
        self.closing = True
        for connection in tuple(self.connections):
            connection.close_if_idle()

    def cancel_active(self) -> None:
        """End what is still being answered; its handler sees a cancellation and says why."""
        for connection in tuple(self.connections):
            connection.cancel_active()

    def abort(self) -> None:
        for connection in tuple(self.connections):
            connection.abort()
