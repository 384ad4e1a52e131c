"""A client that sends bytes and sees bytes: for broken requests, and for how an answer ends.

It reads only when it is told to, so that it can also be the client that reads slowly. Answers are
parsed by h11, which the gateway does not use.
"""

from __future__ import annotations

import asyncio
import socket
from dataclasses import dataclass
from types import TracebackType
from typing import Literal, Self

import h11

from tests.wall.canary import WITNESS
from tests.wall.upstream import PATIENCE_S, linger_no_more

READ_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class RawReply:
    """One answer."""

    status: int
    headers: list[tuple[str, str]]
    """In order; names in lower case."""
    body: bytes
    whole: bool
    """False when the connection ended before the framing said so: the loud ending."""

    def header(self, name: str) -> str | None:
        """The only value of a header, None when absent; two of them are a failure of the test."""
        values = [value for each, value in self.headers if each == name]
        assert len(values) < 2, f"expected one {name}; got {values}"
        return values[0] if values else None


class RawClient:
    """One connection to `port` of loopback."""

    def __init__(self, port: int, *, receive_buffer: int | None = None) -> None:
        """`receive_buffer` in bytes makes a client that fills up soon when it does not read."""
        self._port = port
        self._socket = socket.socket()
        if receive_buffer is not None:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self._parser = h11.Connection(h11.CLIENT, max_incomplete_event_size=1 << 20)
        self._ended: Literal["fin", "rst"] | None = None
        self._heard = bytearray()
        self._sent = bytearray()

    async def __aenter__(self) -> Self:
        self._socket.setblocking(False)
        try:
            async with asyncio.timeout(PATIENCE_S):
                await asyncio.get_running_loop().sock_connect(self._socket, ("127.0.0.1", self._port))
        except BaseException:
            self._socket.close()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.close()
        WITNESS.guard_prompts(self._sent)
        WITNESS.hear_answers("an answer to the raw client", bytes(self._heard))

    async def send(self, data: bytes) -> None:
        self._sent += data
        async with asyncio.timeout(PATIENCE_S):
            await asyncio.get_running_loop().sock_sendall(self._socket, data)

    async def post(self, path: str, body: bytes, *headers: str) -> None:
        """A well-formed request with JSON in it; `headers` are lines like `x-request-id: a`."""
        lines = [f"POST {path} HTTP/1.1", "host: wall", "content-type: application/json"]
        lines += [f"content-length: {len(body)}", *headers, "", ""]
        await self.send("\r\n".join(lines).encode("latin-1") + body)

    async def get(self, path: str, *headers: str) -> None:
        await self.send(
            "\r\n".join([f"GET {path} HTTP/1.1", "host: wall", *headers, "", ""]).encode("latin-1")
        )

    async def read(self, *, within_s: float = PATIENCE_S) -> bytes:
        """What is there, at least one byte; empty when the connection has ended."""
        if self._ended:
            return b""
        try:
            async with asyncio.timeout(within_s):
                data = await asyncio.get_running_loop().sock_recv(self._socket, READ_BYTES)
        except ConnectionResetError:
            self._ended = "rst"
            return b""
        if not data:
            self._ended = "fin"
        self._heard += data
        return data

    async def read_until(self, mark: bytes, *, within_s: float = PATIENCE_S) -> bytes:
        """Everything up to the read that brought `mark`; AssertionError if the connection ends first."""
        received, searched = bytearray(), 0
        while received.find(mark, searched) < 0:
            searched = max(0, len(received) - len(mark))
            data = await self.read(within_s=within_s)
            assert data, f"expected {mark!r} before the end ({self._ended}); got {bytes(received)!r}"
            received += data
        return bytes(received)

    async def read_to_end(self, *, within_s: float = PATIENCE_S) -> tuple[bytes, Literal["fin", "rst"]]:
        """Everything that still comes, and how the connection ended."""
        received = bytearray()
        async with asyncio.timeout(within_s):
            while data := await self.read(within_s=within_s):
                received += data
        assert self._ended is not None
        return bytes(received), self._ended

    async def reply(self, *, to: str = "POST", within_s: float = PATIENCE_S) -> RawReply:
        """The next answer on this connection, whole or cut short. Not to be mixed with `read*`
        on the same answer. A connection that ends before any answer is an AssertionError."""
        self._expect(to)
        status, headers, body = 0, list[tuple[str, str]](), bytearray()
        while True:
            try:
                event = self._parser.next_event()
            except h11.RemoteProtocolError:
                assert status, f"expected an answer; the connection ended ({self._ended})"
                return RawReply(status, headers, bytes(body), whole=False)
            match event:
                case h11.Response():
                    status = event.status_code
                    headers = [
                        (name.decode("latin-1"), value.decode("latin-1")) for name, value in event.headers
                    ]
                case h11.Data():
                    body += event.data
                case h11.EndOfMessage():
                    return RawReply(status, headers, bytes(body), whole=True)
                case h11.NEED_DATA:
                    self._parser.receive_data(await self.read(within_s=within_s))
                case h11.ConnectionClosed():
                    raise AssertionError(f"expected an answer; the connection ended ({self._ended})")

    def half_close(self) -> None:
        """FIN: nothing more will be sent, answers are still read."""
        self._socket.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        self._socket.close()

    def reset(self) -> None:
        linger_no_more(self._socket)
        self._socket.close()

    def _expect(self, method: str) -> None:
        """Tell the parser what was asked: it must know for HEAD, and goes by turns."""
        if self._parser.our_state is h11.DONE and self._parser.their_state is h11.DONE:
            self._parser.start_next_cycle()
        if self._parser.our_state is h11.IDLE:
            self._parser.send(h11.Request(method=method, target="/", headers=[("host", "wall")]))
            self._parser.send(h11.EndOfMessage())
