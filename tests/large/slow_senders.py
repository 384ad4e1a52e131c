"""Clients that send a byte now and then: of their headers, or of their body."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Literal, cast

CONNECT_EVERY_S = 0.001
"""A thousand come within a second or two: faster than any crowd of people, slower than a test's own queue."""
DRIP_EVERY_S = 1.0

Part = Literal["headers", "body"]

HEAD = b"POST /v1/chat/completions HTTP/1.1\r\nhost: wall\r\ncontent-type: application/json\r\n"
BEGINNINGS: dict[Part, bytes] = {
    "headers": HEAD + b"x-slow: ",
    "body": HEAD + b'content-length: 100000\r\n\r\n{"model": "',
}


class SlowSender(asyncio.Protocol):
    """One of them. Reads what it is told, and closes when the other side has."""

    def __init__(self, part: Part) -> None:
        self._part = part
        self._transport: asyncio.Transport | None = None
        self.began = 0.0
        """When the deadline began to run, by the loop's clock."""
        self.ended: float | None = None
        self.heard = b""
        self.over = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transport.write(BEGINNINGS[self._part])
        self.began = asyncio.get_running_loop().time()

    def data_received(self, data: bytes) -> None:
        self.heard += data

    def eof_received(self) -> bool:
        self._end()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self._end()
        self._transport = None

    def _end(self) -> None:
        if self.ended is None:
            self.ended = asyncio.get_running_loop().time()
        self.over.set()

    def drip(self) -> None:
        if self._transport is not None and self.ended is None:
            self._transport.write(b"a")

    def leave(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    @property
    def status(self) -> int:
        """What it was answered; 0: nothing."""
        return int(self.heard[9:12]) if self.heard.startswith(b"HTTP/1.1 ") else 0

    @property
    def lasted_s(self) -> float | None:
        """None while it is not closed."""
        return None if self.ended is None else self.ended - self.began


async def come_and_drip(part: Part, count: int, port: int, *, until_s: float) -> list[SlowSender]:
    """So many of them, for so many seconds at most; who is still connected then leaves."""
    loop = asyncio.get_running_loop()
    senders: list[SlowSender] = []
    end = loop.time() + until_s
    async with asyncio.TaskGroup() as group:
        dripping = group.create_task(_drip(senders))
        for number in range(count):
            with contextlib.suppress(OSError):
                _, sender = await loop.create_connection(lambda: SlowSender(part), "127.0.0.1", port)
                senders.append(sender)
            if number % 10 == 9:
                await asyncio.sleep(10 * CONNECT_EVERY_S)
        for sender in senders:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(end):
                    await sender.over.wait()
        dripping.cancel()
    for sender in senders:
        sender.leave()
    return senders


async def _drip(senders: list[SlowSender]) -> None:
    """Each sends a byte every second, spread over it."""
    slices = 50
    while True:
        for start in range(slices):
            for sender in senders[start::slices]:
                sender.drip()
            await asyncio.sleep(DRIP_EVERY_S / slices)
