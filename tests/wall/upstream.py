"""A provider on loopback that plays scripts and takes note of everything.

    async with ScriptedUpstream([good(Dialect.OPENAI_CHAT, stream=False)]) as upstream:
        ...
        attempt = await upstream.attempt(0)
        await attempt.gone()

The first request gets the first script, whatever connection it comes on; when the scripts have
been used up, `otherwise` answers (a good answer in the request's dialect unless told otherwise).
"""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
import struct
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Literal, Self, cast

from tests.wall.answers import dialect_of, good
from tests.wall.canary import WITNESS
from tests.wall.framing import RawRequest, take_request
from tests.wall.script import Chunk, Fin, Head, LastChunk, Pause, Raw, Rst, Script, Stall, Step

PATIENCE_S = 5.0
"""How long a wait of the wall may last before the test fails: far beyond what loopback needs."""

Ending = Literal["fin", "rst"]


def good_for(request: RawRequest) -> Script:
    """A good answer in the dialect of the request's path, streaming if its body asks for it."""
    return good(dialect_of(request.target), stream=bool(json.loads(request.body).get("stream")))


class Connection:
    """One accepted connection, from the side of the upstream."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.peer: tuple[str, int] = ("", 0)
        self.closed_by_peer: Ending | None = None
        self.closed_at: float | None = None
        """When the peer closed, by the loop's clock."""
        self.gone = asyncio.Event()
        """The peer has closed, or the connection is lost."""


class Attempt:
    """One request that came in, and what became of it."""

    def __init__(self, number: int, request: RawRequest, connection: Connection) -> None:
        self.number = number
        self.request = request
        self.connection = connection
        self.finished = asyncio.Event()
        """The script has been played to its end; never set after a stall."""

    @property
    def body(self) -> bytes:
        return self.request.body

    async def gone(self, *, within_s: float = PATIENCE_S) -> Ending:
        """Wait until the peer has closed this attempt's connection, and say how."""
        async with asyncio.timeout(within_s):
            await self.connection.gone.wait()
        return self.connection.closed_by_peer or "fin"

    async def done(self, *, within_s: float = PATIENCE_S) -> None:
        async with asyncio.timeout(within_s):
            await self.finished.wait()


class ScriptedUpstream:
    """Listens on a free port of loopback between `async with` and its end."""

    def __init__(
        self,
        scripts: Sequence[Script] = (),
        *,
        otherwise: Callable[[RawRequest], Script] = good_for,
        on_connect: Script = (),
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.attempts: list[Attempt] = []
        self.connections: list[Connection] = []
        self._scripts = list(scripts)
        self._otherwise = otherwise
        self._on_connect = on_connect
        self._tls = tls
        self._arrived = asyncio.Condition()
        self._released = asyncio.Semaphore(0)
        self._failures: list[Exception] = []
        self._players: set[_Player] = set()
        self._server: asyncio.Server | None = None
        self.port = 0

    @property
    def url(self) -> str:
        """Scheme, host and port, without a path."""
        return f"{'https' if self._tls else 'http'}://{self.host}:{self.port}"

    @property
    def host(self) -> str:
        """By name under TLS, since that is what certificates are about."""
        return "localhost" if self._tls else "127.0.0.1"

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Player(self), "127.0.0.1", 0, ssl=self._tls)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        for player in list(self._players):
            await player.stop()
        await self._server.wait_closed()
        if self._failures and error is None:
            raise self._failures[0]

    async def attempt(self, number: int, *, within_s: float = PATIENCE_S) -> Attempt:
        """The attempt with this number, counted from 0, as soon as its request is all there."""
        async with asyncio.timeout(within_s), self._arrived:
            await self._arrived.wait_for(lambda: len(self.attempts) > number)
        return self.attempts[number]

    def release(self) -> None:
        """Let one `Pause` go on, now or when it comes."""
        self._released.release()

    async def stop_listening(self) -> None:
        """From now on connecting is refused; what is open stays."""
        assert self._server is not None
        self._server.close()

    def close_idle(self) -> None:
        """FIN on every connection on which nothing is being answered."""
        for player in self._players:
            player.close_if_idle()

    def started(self, player: _Player) -> Connection:
        self._players.add(player)
        self.connections.append(Connection(len(self.connections)))
        return self.connections[-1]

    def ended(self, player: _Player) -> None:
        self._players.discard(player)

    async def arrived(self, request: RawRequest, connection: Connection) -> tuple[Attempt, Script]:
        WITNESS.guard_prompts(request.body)
        attempt = Attempt(len(self.attempts), request, connection)
        self.attempts.append(attempt)
        script = self._scripts.pop(0) if self._scripts else self._otherwise(request)
        async with self._arrived:
            self._arrived.notify_all()
        return attempt, script

    def failed(self, error: Exception) -> None:
        """What a connection could not make sense of fails the test when the upstream is left."""
        self._failures.append(error)

    async def released(self) -> None:
        await self._released.acquire()

    @property
    def greeting(self) -> Script:
        return self._on_connect


class _Player(asyncio.Protocol):
    """Reads requests of one connection and plays their scripts, one after the other. Every step
    has left for the kernel before the next begins."""

    def __init__(self, upstream: ScriptedUpstream) -> None:
        self._upstream = upstream
        self._received = bytearray()
        self._more = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()
        self._busy = False
        self._left = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        # The event loops' TLS takes 0 for "always full".
        self._transport.set_write_buffer_limits(
            high=1 if transport.get_extra_info("ssl_object") else 0, low=0
        )
        self._connection = self._upstream.started(self)
        self._connection.peer = transport.get_extra_info("peername")[:2]
        self._task = asyncio.get_running_loop().create_task(self._play_all())

    def data_received(self, data: bytes) -> None:
        self._received += data
        self._more.set()

    def eof_received(self) -> bool:
        self._note_end("fin")
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._left:
            self._note_end("rst" if isinstance(exc, ConnectionError) else "fin")
        self._connection.gone.set()
        self._room.set()
        self._upstream.ended(self)
        self._task.cancel()

    def pause_writing(self) -> None:
        self._room.clear()

    def resume_writing(self) -> None:
        self._room.set()

    def close_if_idle(self) -> None:
        if not self._busy:
            self._leave()

    async def stop(self) -> None:
        self._left = True
        self._transport.abort()
        self._task.cancel()
        await asyncio.wait([self._task])

    def _note_end(self, ending: Ending) -> None:
        if self._connection.closed_by_peer is None:
            self._connection.closed_by_peer = ending
            self._connection.closed_at = asyncio.get_running_loop().time()
        self._connection.gone.set()
        self._more.set()

    async def _play_all(self) -> None:
        try:
            await self._converse()
        except Exception as error:  # noqa: BLE001 - whatever it was, the test is told
            self._upstream.failed(error)
            self._transport.abort()

    async def _converse(self) -> None:
        await self._play(self._upstream.greeting)
        while (request := await self._next_request()) is not None:
            self._busy = True
            attempt, script = await self._upstream.arrived(request, self._connection)
            await self._play(script)
            attempt.finished.set()
            self._busy = False
        self._leave()

    async def _next_request(self) -> RawRequest | None:
        """None once the peer has closed and nothing whole is left."""
        while (request := take_request(self._received)) is None:
            if self._connection.closed_by_peer or self._left:
                return None
            self._more.clear()
            await self._more.wait()
        return request

    async def _play(self, script: Script) -> None:
        for step in script:
            await self._step(step)

    async def _step(self, step: Step) -> None:
        match step:
            case Head() | Chunk() | LastChunk() | Raw():
                self._transport.write(step.wire())
                await self._room.wait()
            case Pause():
                await self._upstream.released()
            case Stall():
                await self._connection.gone.wait()
                self._leave()
                await asyncio.Event().wait()
            case Fin():
                self._leave()
            case Rst():
                self._reset()

    def _leave(self) -> None:
        self._left = True
        self._transport.close()

    def _reset(self) -> None:
        self._left = True
        linger_no_more(self._transport.get_extra_info("socket"))
        self._transport.abort()


def linger_no_more(sock: socket.socket) -> None:
    """From now on closing this socket is a reset."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def refusing_port() -> int:
    """A port of loopback on which nobody listens."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
    return port
