"""An upstream whose streams never end, as a process of its own: `python -m tests.large.flood`.

Prints its port, and ends when its standard input does. It never has more on the way than the kernel
takes, so what stops it is the gateway.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import sys
from collections.abc import AsyncIterator

from tests.wall.answers import CHAT_EVENTS
from tests.wall.script import EVENT_STREAM, Chunk, Head

PIECE = b"".join(Chunk(event).wire() for event in [CHAT_EVENTS[1]] * 64)
"""Events a chunk each, as providers send them; written together."""
BEGINNING = Head(200, EVENT_STREAM).wire() + Chunk(CHAT_EVENTS[0]).wire()


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError, asyncio.IncompleteReadError):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(BEGINNING)
        sock: socket.socket = writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 64 * 1024)
        writer.transport.set_write_buffer_limits(high=0)
        while True:
            writer.write(PIECE)
            await writer.drain()
    writer.close()


async def _serve() -> None:
    server = await asyncio.start_server(_answer, "127.0.0.1", 0, backlog=2048)
    print(server.sockets[0].getsockname()[1], flush=True)
    async with server:
        await asyncio.to_thread(sys.stdin.read)


@contextlib.asynccontextmanager
async def flood() -> AsyncIterator[int]:
    """Its port."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.large.flood"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    try:
        yield int(await process.stdout.readline())
    finally:
        process.kill()
        await process.wait()


if __name__ == "__main__":
    asyncio.run(_serve())
