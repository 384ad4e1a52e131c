"""The barest relay that httptools on asyncio allows: what a Python gateway cannot go below.

Callbacks on both sides, a pool of kept-alive connections, no task a request, nothing read and
nothing rewritten but the request head. The answer passes as the bytes it came in; a parser only
watches for its end. It is correct for what the benchmark sends (sized requests on HTTP/1.1, one
at a time on a connection) and is a reference for measuring, not a gateway.

    python -m benchmarks.floor PORT UPSTREAM_PORT
"""

from __future__ import annotations

import asyncio
import sys

import httptools
import uvloop

HOST = "127.0.0.1"


class Side(asyncio.Protocol):
    """One connection, and the one it is joined to while a request is answered."""

    __slots__ = ("peer", "transport")

    def __init__(self) -> None:
        self.peer: Side | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: asyncio.Transport = transport  # type: ignore[assignment]  # TCP gives a Transport

    def pause_writing(self) -> None:
        if self.peer is not None:
            self.peer.transport.pause_reading()

    def resume_writing(self) -> None:
        if self.peer is not None:
            self.peer.transport.resume_reading()


class UpstreamSide(Side):
    """A connection to the upstream: in the pool, or answering one client."""

    __slots__ = ("_parser", "_pool")

    def __init__(self, pool: Pool) -> None:
        super().__init__()
        self._pool = pool
        self._parser = httptools.HttpResponseParser(self)

    def data_received(self, data: bytes) -> None:
        if self.peer is None:
            self.transport.abort()
            return
        self.peer.transport.write(data)
        self._parser.feed_data(data)

    def on_message_complete(self) -> None:
        client, self.peer = self.peer, None
        if client is not None:
            client.peer = None
        if self._parser.should_keep_alive():
            self._pool.idle.append(self)
        else:
            self.transport.close()

    def connection_lost(self, _error: Exception | None) -> None:
        if self.peer is not None:
            self.peer.transport.close()
        elif self in self._pool.idle:
            self._pool.idle.remove(self)


class Pool:
    """Connections waiting for work; the newest is used first."""

    def __init__(self, port: int) -> None:
        self.idle: list[UpstreamSide] = []
        self._port = port
        self._connecting: set[asyncio.Task[None]] = set()

    def send(self, client: ClientSide, pieces: list[bytes]) -> None:
        if self.idle:
            self._join(self.idle.pop(), client, pieces)
            return
        task = asyncio.get_running_loop().create_task(self._connect(client, pieces))
        self._connecting.add(task)
        task.add_done_callback(self._connecting.discard)

    async def _connect(self, client: ClientSide, pieces: list[bytes]) -> None:
        loop = asyncio.get_running_loop()
        try:
            _, upstream = await loop.create_connection(lambda: UpstreamSide(self), HOST, self._port)
        except OSError:
            client.transport.close()
        else:
            self._join(upstream, client, pieces)

    def _join(self, upstream: UpstreamSide, client: ClientSide, pieces: list[bytes]) -> None:
        upstream.peer, client.peer = client, upstream
        if len(pieces) == 2:
            upstream.transport.write(pieces[0] + pieces[1])
        else:
            upstream.transport.writelines(pieces)


class ClientSide(Side):
    """A connection from a client."""

    __slots__ = ("_head", "_parser", "_pieces", "_pool", "_size")

    def __init__(self, pool: Pool, head: bytes) -> None:
        super().__init__()
        self._pool = pool
        self._head = head
        self._parser = httptools.HttpRequestParser(self)

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_message_begin(self) -> None:
        self._pieces: list[bytes] = [b""]
        self._size = 0

    def on_body(self, piece: bytes) -> None:
        self._pieces.append(piece)
        self._size += len(piece)

    def on_message_complete(self) -> None:
        if self.peer is not None:
            self.transport.abort()  # one at a time: a pipelined request would have to wait its turn
            return
        self._pieces[0] = self._head % self._size
        self._pool.send(self, self._pieces)

    def connection_lost(self, _error: Exception | None) -> None:
        if self.peer is not None:
            self.peer.peer = None
            self.peer.transport.abort()


async def serve(port: int, upstream_port: int) -> None:
    head = (
        f"POST /v1/chat/completions HTTP/1.1\r\nHost: {HOST}:{upstream_port}\r\n"
        "Authorization: Bearer sk-bench\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
    ).encode()
    pool, loop = Pool(upstream_port), asyncio.get_running_loop()
    server = await loop.create_server(lambda: ClientSide(pool, head), HOST, port, backlog=4096)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1]), int(sys.argv[2])))
