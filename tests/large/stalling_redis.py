"""A Redis that takes everything and never says what it has."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Self, cast

from tests.wall.upstream import PATIENCE_S, Connection


class StallingRedis:
    """Says `OK` to every command but the one by which pins are read."""

    def __init__(self) -> None:
        self._asked: asyncio.Queue[Connection] = asyncio.Queue()
        self._peers: set[_Peer] = set()
        self._server: asyncio.Server | None = None
        self.port = 0

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}"

    async def asked(self) -> Connection:
        """The connection on which somebody asks for a pin, as soon as it does."""
        async with asyncio.timeout(PATIENCE_S):
            return await self._asked.get()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.get_running_loop().create_server(lambda: _Peer(self), "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        for peer in list(self._peers):
            peer.transport.abort()
        await self._server.wait_closed()

    def met(self, peer: _Peer) -> None:
        self._peers.add(peer)

    def lost(self, peer: _Peer) -> None:
        self._peers.discard(peer)

    def heard_a_question(self, connection: Connection) -> None:
        self._asked.put_nowait(connection)


class _Peer(asyncio.Protocol):
    """One connection; each read is taken for one command, as its sender waits for the answer."""

    def __init__(self, redis: StallingRedis) -> None:
        self._redis = redis
        self.connection = Connection(0)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self._redis.met(self)

    def data_received(self, data: bytes) -> None:
        if b"GETRANGE" in data:
            self._redis.heard_a_question(self.connection)
        else:
            self.transport.write(b"+OK\r\n")

    def connection_lost(self, exc: Exception | None) -> None:
        self.connection.gone.set()
        self._redis.lost(self)
