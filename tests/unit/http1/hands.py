"""A connection under test in one's hands: a clock that is set, a transport that only writes down."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import cast

from plano.http1.alarms import Alarms
from plano.http1.client import READ_BYTES, ClientConnection
from plano.http1.failures import Failure
from plano.http1.limits import ClientLimits
from plano.http1.outbox import Outbox
from plano.http1.sink import Buffer
from tests.unit.http1.upstreams import RecordingSink


class HandLoop:
    """As much of an event loop as a connection uses; time passes when `advance` is called."""

    def __init__(self) -> None:
        self.now = 1000.0
        self._timers: list[tuple[float, Callable[[], None]]] = []

    def time(self) -> float:
        return self.now

    def create_future(self) -> asyncio.Future[bool]:
        return asyncio.get_running_loop().create_future()

    def call_soon(self, call: Callable[..., object], *arguments: object) -> object:
        """Here every turn ends at once."""
        return call(*arguments)

    def call_at(self, at: float, call: Callable[[], None]) -> HandTimer:
        self._timers.append((at, call))
        return HandTimer(self._timers, (at, call))

    def advance(self, seconds: float) -> None:
        end = self.now + seconds
        while due := [timer for timer in self._timers if timer[0] <= end]:
            timer = min(due, key=lambda timer: timer[0])
            self._timers.remove(timer)
            self.now = max(self.now, timer[0])
            timer[1]()
        self.now = end


class HandTimer:
    def __init__(
        self, timers: list[tuple[float, Callable[[], None]]], timer: tuple[float, Callable[[], None]]
    ) -> None:
        self._timers = timers
        self._timer = timer

    def cancel(self) -> None:
        if self._timer in self._timers:
            self._timers.remove(self._timer)


class HandTransport(asyncio.Transport):
    """Takes `room` bytes, then fills up until `drain` is called."""

    def __init__(self, room: float = float("inf")) -> None:
        super().__init__()
        self.room = room
        self.written: list[Buffer] = []
        self.waiting = 0
        self.aborted = False
        self.is_read = True
        self.protocol: asyncio.BaseProtocol | None = None

    def write(self, data: Buffer) -> None:  # type: ignore[override]  # typeshed also allows arrays
        self.written.append(data)
        taken = min(self.room, len(data))
        self.room -= taken
        if taken < len(data):
            self.waiting += len(data) - int(taken)
            assert self.protocol is not None
            self.protocol.pause_writing()

    def drain(self, size: int) -> None:
        self.waiting -= size
        if self.waiting == 0:
            assert self.protocol is not None
            self.protocol.resume_writing()

    def get_write_buffer_size(self) -> int:
        return self.waiting

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass

    def abort(self) -> None:
        self.aborted = True

    def is_closing(self) -> bool:
        return self.aborted

    def pause_reading(self) -> None:
        self.is_read = False

    def resume_reading(self) -> None:
        self.is_read = True


class Hands:
    """One connection, what it wrote, and what its keeper heard."""

    def __init__(self, limits: ClientLimits | None = None, *, room: float = float("inf")) -> None:
        self.loop = HandLoop()
        loop = cast("asyncio.AbstractEventLoop", self.loop)
        self.heard: list[str] = []
        self.transport = HandTransport(room)
        self.connection = ClientConnection(
            loop,
            limits or ClientLimits(),
            Alarms(loop),
            Outbox(loop),
            self,
            "upstream:80",
            memoryview(bytearray(READ_BYTES)),
        )
        self.transport.protocol = self.connection
        self.connection.connection_made(self.transport)

    def start(
        self, body: Sequence[Buffer] = (b"{}",), *, first_byte_s: float = 30.0, within_s: float = 300.0
    ) -> tuple[RecordingSink, asyncio.Future[bool]]:
        sink = RecordingSink()
        deadline = self.loop.now + within_s
        head = b"POST / HTTP/1.1\r\nHost: a\r\n\r\n"
        return sink, self.connection.start(head, body, sink, first_byte_s, deadline)

    def told(self, failure: Failure, /) -> Exception:
        return failure

    def is_crowded(self) -> bool:
        return True

    def opened(self, connection: ClientConnection) -> None:
        self.heard.append("opened")

    def freed(self, connection: ClientConnection) -> None:
        self.heard.append("freed")

    def spent(self, connection: ClientConnection) -> None:
        self.heard.append("spent")

    def closed(self, connection: ClientConnection) -> None:
        self.heard.append("closed")
