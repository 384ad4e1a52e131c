"""The other end of a server's connection: a client in one's hands, a handler that is told when to
answer, and what h11 makes of the bytes that came back."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Literal, cast

import h11

from plano.http1.alarms import Alarms
from plano.http1.connection import Connection
from plano.http1.limits import ServerLimits
from plano.http1.reply import Reply
from plano.http1.request import Refusal, RefusalKind, Request
from plano.http1.server import Face, Handler, Server
from tests.unit.http1.hands import HandLoop

STATUSES: dict[RefusalKind, int] = {
    "malformed": 400,
    "headers_too_large": 431,
    "target_too_long": 414,
    "body_too_large": 413,
    "unsupported_encoding": 415,
    "timeout": 408,
    "overloaded": 503,
    "unauthenticated": 401,
    "left": 499,
}
EDGE_LIMITS = ServerLimits(
    request_headers_s=10.0,
    request_body_s=60.0,
    keep_alive_s=75.0,
    client_stall_s=60.0,
    pipelined_bytes=10_000,
    held_reply_bytes=10_000,
)
TODAY = 784_111_777.0
"""Sun, 06 Nov 1994 08:49:37 GMT, the date that the RFCs use."""
TURNS = 8
"""Turns of the loop after which nothing is left to do: a cancellation needs four."""


def get(path: str = "/", *lines: str) -> bytes:
    return "\r\n".join([f"GET {path} HTTP/1.1", "Host: a", *lines, "", ""]).encode("latin-1")


def post(path: str, body: bytes, *lines: str) -> bytes:
    head = [f"POST {path} HTTP/1.1", "Host: a", f"Content-Length: {len(body)}", *lines, "", ""]
    return "\r\n".join(head).encode("latin-1") + body


def chunked(path: str, *pieces: bytes, trailer: bytes = b"") -> bytes:
    head = f"POST {path} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n".encode("latin-1")
    return (
        head
        + b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces)
        + b"0\r\n"
        + trailer
        + b"\r\n"
    )


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer as a client reads it."""

    status: int
    body: bytes
    closes: bool = False
    """Whether it announces the end of the connection."""
    whole: bool = True


def answers(received: bytes, *methods: str) -> list[Answer]:
    """What h11 reads from a connection that has ended: one answer a method, GET where none is said."""
    client = h11.Connection(h11.CLIENT, max_incomplete_event_size=1 << 24)
    client.receive_data(received)
    client.receive_data(b"")
    found: list[Answer] = []
    for number in range(100):
        method = methods[number] if number < len(methods) else "GET"
        client.send(h11.Request(method=method, target="/", headers=[("host", "a")]))
        client.send(h11.EndOfMessage())
        answer = _next_answer(client)
        if answer is None:
            return found
        found.append(answer)
        if client.our_state is not h11.DONE or client.their_state is not h11.DONE:
            return found
        client.start_next_cycle()
    raise AssertionError("expected fewer than a hundred answers")


def _next_answer(client: h11.Connection) -> Answer | None:
    status, body, closes = 0, b"", False
    while True:
        try:
            event = client.next_event()
        except h11.RemoteProtocolError:
            return Answer(status, body, closes, whole=False) if status else None
        match event:
            case h11.Response():
                status = event.status_code
                closes = (b"connection", b"close") in event.headers
            case h11.Data():
                body += bytes(event.data)
            case h11.EndOfMessage():
                return Answer(status, body, closes)
            case h11.InformationalResponse():
                pass
            case _:
                return None


class HandClient(asyncio.Transport):
    """The transport of a server's connection. Takes `room` bytes, and more when told to `take`."""

    def __init__(self, loop: asyncio.AbstractEventLoop, room: float = float("inf")) -> None:
        super().__init__()
        self._loop = loop
        self._room = room
        self._buffer = bytearray()
        self._high = 64 * 1024
        self._paused = False
        self._closing = False
        self._eof = False
        self._resets = False
        self.received = bytearray()
        self.ended: Literal["fin", "rst", "aborted"] | None = None
        """What the client sees: `aborted` is an end that drops what was still to be written."""
        self.lost = False
        """Whether the connection is gone on the server's side too."""
        self.protocol: Connection | None = None

    # -- the client's acts

    def send(self, data: bytes) -> None:
        if not self._closing:
            assert self.protocol is not None
            self.protocol.data_received(data)

    def leave(self, *, reset: bool = False) -> None:
        """FIN, or RST."""
        if self.lost or self._closing:
            return
        assert self.protocol is not None
        if reset:
            self._lose(ConnectionResetError())
        elif not self.protocol.eof_received():
            self.close()

    def take(self, size: float = float("inf")) -> None:
        self._room = size
        waiting, self._buffer = bytes(self._buffer), bytearray()
        self._put(waiting)
        assert self.protocol is not None
        if self._paused and len(self._buffer) <= self._high // 4:
            self._paused = False
            self.protocol.resume_writing()

    # -- the transport's

    def _put(self, data: bytes) -> None:
        taken = int(min(self._room, len(data)))
        self._room -= taken
        self.received += data[:taken]
        self._buffer += data[taken:]
        self._settle()

    def _settle(self) -> None:
        if self._buffer or self.ended == "aborted":
            return
        if self._eof:
            self.ended = "fin"
        if self._closing:
            self.ended = "rst" if self._resets else "fin"
            self._lose(None)

    def _lose(self, error: Exception | None) -> None:
        self._closing = True
        if not self.lost:
            self.lost = True
            assert self.protocol is not None
            self._loop.call_soon(self.protocol.connection_lost, error)

    def write(self, data: bytes | bytearray | memoryview[Any]) -> None:
        if self._eof:
            raise RuntimeError("write after write_eof")
        self._put(bytes(data))
        if len(self._buffer) > self._high and not self._paused:
            self._paused = True
            assert self.protocol is not None
            self.protocol.pause_writing()

    def write_eof(self) -> None:
        self._eof = True
        self._settle()

    def close(self) -> None:
        self._closing = True
        self._settle()

    def abort(self) -> None:
        if not self.lost:
            self.ended = self.ended or "aborted"
            self._buffer.clear()
            self._lose(None)

    def is_closing(self) -> bool:
        return self._closing

    def get_write_buffer_size(self) -> int:
        return len(self._buffer)

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        assert high is not None
        self._high = high

    def get_extra_info(self, name: str, default: object = None) -> object:
        return {"peername": ("127.0.0.1", 50_000), "socket": self}.get(name, default)

    def setsockopt(self, level: int, option: int, value: bytes) -> None:
        self._resets = (level, option) == (socket.SOL_SOCKET, socket.SO_LINGER)


class Desk:
    """Answers with `METHOD path body`: at once, or, when `held`, as told."""

    def __init__(self, *, held: bool = False) -> None:
        self._held = held
        self._told: list[asyncio.Event] = []
        self.asked: list[Request] = []
        self.replies: list[Reply] = []
        self.cancelled: list[str] = []
        self.finished: list[str] = []

    async def __call__(self, request: Request, reply: Reply) -> None:
        told = asyncio.Event()
        self.asked.append(request)
        self.replies.append(reply)
        self._told.append(told)
        try:
            if self._held:
                await told.wait()
        except asyncio.CancelledError:
            self.cancelled.append(request.path)
            raise
        if not reply.ended:
            reply.send(200, b"", echo(request))
        self.finished.append(request.path)

    def tell(self, number: int = -1) -> None:
        self._told[number].set()


def echo(request: Request) -> bytes:
    return f"{request.method} {request.path} ".encode() + request.body


class Faucet:
    """Where an answer comes from: writes down what it is told."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def pause(self) -> None:
        self.told.append("pause")

    def resume(self) -> None:
        self.told.append("resume")


class Counter:
    """Requests in flight."""

    def __init__(self) -> None:
        self.count = 0


class ServerLoop(HandLoop):
    """A clock that is set; what is due at once goes to the loop that runs."""

    def create_task(self, coroutine: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        return asyncio.get_running_loop().create_task(coroutine)

    def call_soon(self, call: Callable[..., object], *arguments: object) -> asyncio.Handle:
        return asyncio.get_running_loop().call_soon(call, *arguments)


class Edge:
    """A server without a socket, and who it turns to."""

    def __init__(self, handler: Handler | None = None, limits: ServerLimits | None = None) -> None:
        self.clock = ServerLoop()
        self.today = TODAY
        self.loop = cast("asyncio.AbstractEventLoop", self.clock)
        self.desk = Desk()
        self.refusals: list[Refusal] = []
        self.defects: list[Exception] = []
        self.in_flight = Counter()
        self.alarms = Alarms(self.loop)
        self.server = Server(
            Face(handler or self.desk, self._refuse, self._defect),
            limits=limits or EDGE_LIMITS,
            in_flight=self.in_flight,
            alarms=self.alarms,
            loop=self.loop,
            now=self.clock.time,
            today=lambda: self.today,
        )

    def hold(self) -> None:
        """From here on answers wait to be told."""
        self.desk = Desk(held=True)
        self.server.handler = self.desk

    def connect(self, *, room: float = float("inf")) -> HandClient:
        client = HandClient(self.loop, room)
        client.protocol = self.server.protocol()
        client.protocol.connection_made(client)
        return client

    async def elapse(self, seconds: float) -> None:
        """Time passes, and what is due happens."""
        self.clock.advance(seconds)
        await settle()

    async def exchange(self, data: bytes) -> HandClient:
        """A client that sends `data` and waits until nothing more happens."""
        client = self.connect()
        client.send(data)
        await settle()
        return client

    def _refuse(self, refusal: Refusal) -> tuple[int, bytes, bytes]:
        self.refusals.append(refusal)
        return STATUSES[refusal.kind], b"", refusal.kind.encode()

    def _defect(self, request: Request, reply: Reply, error: Exception) -> None:
        self.defects.append(error)
        if reply.started:
            reply.end_loudly()
        else:
            reply.send(500, b"", b"defect")


async def settle() -> None:
    """Until the loop has nothing left to do."""
    for _ in range(TURNS):
        await asyncio.sleep(0)


def _end_loudly(request: Request, reply: Reply, error: Exception) -> None:
    reply.end_loudly()


@asynccontextmanager
async def serving(handler: Handler, limits: ServerLimits | None = None) -> AsyncIterator[tuple[Server, int]]:
    """A server on a real socket of loopback; its port."""
    loop = asyncio.get_running_loop()
    alarms = Alarms(loop)
    server = Server(
        Face(handler, lambda refusal: (STATUSES[refusal.kind], b"", refusal.kind.encode()), _end_loudly),
        limits=limits or ServerLimits(),
        in_flight=Counter(),
        alarms=alarms,
        loop=loop,
    )
    listener = await loop.create_server(server.protocol, "127.0.0.1", 0)
    try:
        yield server, listener.sockets[0].getsockname()[1]
    finally:
        listener.close()
        server.abort()
        async with asyncio.timeout(5):
            await server.idle.wait()
        alarms.close()
