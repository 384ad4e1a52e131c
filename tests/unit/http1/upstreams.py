"""Scripted upstreams on loopback, and a sink that writes down what it is told."""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager

from plano.http1.alarms import Alarms
from plano.http1.failures import Failure, TookTooLong
from plano.http1.limits import ClientLimits
from plano.http1.origin import Origin
from plano.http1.pool import Pool
from plano.http1.proxies import Proxies
from plano.http1.resolve import Resolver
from plano.http1.sink import Buffer, Flow

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"
HEAD = b"POST /v1/chat/completions HTTP/1.1\r\nHost: upstream\r\nContent-Length: %d\r\n\r\n"

Event = tuple[object, ...]


class RecordingSink:
    """Joins body pieces, so that two recordings can be compared whatever the cuts were."""

    def __init__(self) -> None:
        self.flow: Flow | None = None
        self.events: list[Event] = []
        self.told = asyncio.Event()
        """Set by every call; clear it to wait for the next."""

    def head(self, status: int, headers: list[tuple[bytes, bytes]]) -> None:
        self._note("head", status, tuple(headers))

    def body(self, data: bytes) -> None:
        if self.events[-1][0] == "body":
            data = bytes(self.events.pop()[1]) + data  # type: ignore[call-overload]  # it is bytes
        self._note("body", data)

    def end(self) -> None:
        self._note("end")

    def broke(self, error: Failure) -> None:
        self._note("broke", type(error).__name__)
        self.failure = error

    def flush(self) -> None:
        pass

    def _note(self, *event: object) -> None:
        self.events.append(event)
        self.told.set()

    @property
    def names(self) -> list[object]:
        return [event[0] for event in self.events]

    @property
    def content(self) -> bytes:
        return b"".join(
            event[1] for event in self.events if event[0] == "body" and isinstance(event[1], bytes)
        )


def timeout_of(sink: RecordingSink) -> tuple[str, str]:
    failure = sink.failure
    assert isinstance(failure, TookTooLong)
    return type(failure).__name__, failure.phase


class Peer:
    """The upstream's side of one connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def request(self) -> bytes:
        """The next request, head and sized body."""
        head = await self._reader.readuntil(b"\r\n\r\n")
        for line in head.lower().split(b"\r\n"):
            if line.startswith(b"content-length:"):
                return head + await self._reader.readexactly(int(line.split(b":")[1]))
        return head

    async def send(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()

    async def answer(self, data: bytes = OK) -> bytes:
        request = await self.request()
        await self.send(data)
        return request

    def stop_reading(self) -> None:
        self._writer.transport.pause_reading()  # type: ignore[attr-defined]  # a WriteTransport by its type, a Transport in truth

    async def read(self, size: int) -> bytes:
        return await self._reader.read(size)

    def close(self) -> None:
        self._writer.close()

    def reset(self) -> None:
        """RST instead of FIN."""
        sock = self._writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._writer.transport.abort()

    async def gone(self) -> None:
        """Returns when the other side has closed."""
        try:
            while await self._reader.read(65536):
                pass
        except (ConnectionError, ssl.SSLError):
            pass


Script = Callable[[Peer], Awaitable[None]]


class Upstream:
    """Runs one script a connection, in the order of connecting; the last serves all further ones."""

    def __init__(self, scripts: Sequence[Script]) -> None:
        self._scripts = scripts
        self.connections = 0
        self.left = asyncio.Event()
        """Set when any script has ended."""
        self.origin = Origin("http", "127.0.0.1", 1)
        self._peers: list[asyncio.Task[None]] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        script = self._scripts[min(self.connections, len(self._scripts) - 1)]
        self.connections += 1
        try:
            await script(Peer(reader, writer))
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # the other side left, which is what many tests are about
        except asyncio.CancelledError:
            pass  # the test is over
        finally:
            writer.transport.abort()
            self.left.set()


@asynccontextmanager
async def upstream(*scripts: Script, tls: ssl.SSLContext | None = None) -> AsyncIterator[Upstream]:
    served = Upstream(scripts)
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        await served.serve(reader, writer)

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    port = server.sockets[0].getsockname()[1]
    served.origin = Origin("https" if tls else "http", "127.0.0.1", port)
    try:
        yield served
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        await server.wait_closed()


@asynccontextmanager
async def pool(
    limits: ClientLimits | None = None,
    *,
    tls: ssl.SSLContext | None = None,
    proxies: Proxies | None = None,
    resolver: Resolver | None = None,
) -> AsyncIterator[Pool]:
    loop = asyncio.get_running_loop()
    alarms = Alarms(loop, tick_s=0.005)
    made = Pool(
        loop,
        limits or ClientLimits(),
        alarms,
        tls=lambda: tls or ssl.create_default_context(),
        proxies=proxies,
        resolver=resolver,
    )
    try:
        yield made
    finally:
        await made.close()
        alarms.close()
        assert made.sockets == 0


async def ask(
    pool: Pool,
    origin: Origin,
    body: Sequence[Buffer] = (b"{}",),
    *,
    sink: RecordingSink | None = None,
    first_byte_s: float = 20.0,
    within_s: float = 30.0,
) -> RecordingSink:
    """One POST; returns what was recorded."""
    sink = sink or RecordingSink()
    head = HEAD % sum(map(len, body))
    deadline = asyncio.get_running_loop().time() + within_s
    await pool.send(origin, head, body, sink, first_byte_s=first_byte_s, deadline=deadline)
    return sink


async def forever(peer: Peer) -> None:
    """Answers every request on the connection."""
    while True:
        await peer.answer()


async def until(is_so: Callable[[], bool]) -> None:
    """Lets everything else run until something holds that nobody announces."""
    async with asyncio.timeout(5):
        while not is_so():  # noqa: ASYNC110 - the state of sockets sets no event
            await asyncio.sleep(0)
