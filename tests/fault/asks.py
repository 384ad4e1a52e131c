"""Requests in the three dialects, and the raw clients that send them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Coroutine

from plano.chat.dialect import Dialect
from plano.wire.dialects import DIALECTS
from tests.fault.told import Told, told
from tests.wall.answers import PLAIN
from tests.wall.canary import PROMPT
from tests.wall.gateway import ANTHROPIC_MODEL, OPENAI_MODEL
from tests.wall.raw_client import RawClient

PATHS = {dialect: codec.path for dialect, codec in DIALECTS.items()}
MODELS = {
    Dialect.OPENAI_CHAT: OPENAI_MODEL,
    Dialect.ANTHROPIC_MESSAGES: ANTHROPIC_MODEL,
    Dialect.OPENAI_RESPONSES: OPENAI_MODEL,
}
_ASKED: list[object] = [{"role": "user", "content": PROMPT}]
_BODIES: dict[Dialect, dict[str, object]] = {
    Dialect.OPENAI_CHAT: {"messages": _ASKED},
    Dialect.ANTHROPIC_MESSAGES: {"max_tokens": 64, "messages": _ASKED},
    Dialect.OPENAI_RESPONSES: {"input": PROMPT},
}
WELL_WITHIN_S = 1.0
"""After any fault, an ordinary request."""
GLANCES = 50
"""Each is a fiftieth of that time, however long the machine takes over it."""


def ask(dialect: Dialect, *, stream: bool) -> bytes:
    """The body of a request that any provider of the dialect would answer."""
    return json.dumps({"model": MODELS[dialect], "stream": stream, **_BODIES[dialect]}).encode()


def request(dialect: Dialect, *headers: str, stream: bool = False, body: bytes | None = None) -> bytes:
    """A whole request as bytes; `headers` are lines like `connection: close`."""
    body = ask(dialect, stream=stream) if body is None else body
    lines = [f"POST {PATHS[dialect]} HTTP/1.1", "host: wall", "content-type: application/json"]
    lines += [f"content-length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode("latin-1") + body


async def answered(port: int, wire: bytes) -> Told:
    """Everything that comes back for these bytes on a connection of their own."""
    async with RawClient(port) as client:
        await client.send(wire)
        return told(*await client.read_to_end())


async def asked(port: int, dialect: Dialect, *headers: str, stream: bool) -> Told:
    """One request on a connection of its own."""
    return await answered(port, request(dialect, "connection: close", *headers, stream=stream))


async def soon(answering: Coroutine[None, None, Told]) -> Told:
    """The answer, if it comes within a second in which this process ran: while it is not let run, nobody
    is slow."""
    async with asyncio.TaskGroup() as group:
        task = group.create_task(answering)
        for _ in range(GLANCES):
            if task.done():
                break
            await asyncio.wait([task], timeout=WELL_WITHIN_S / GLANCES)
        assert task.done(), f"expected an answer within {WELL_WITHIN_S:g} s"
    return task.result()


async def assert_healthy(port: int, *headers: str) -> None:
    """A good answer to an ordinary request, with these header lines, within a second: whatever went before
    has done no harm."""
    reply = await soon(asked(port, Dialect.OPENAI_CHAT, *headers, stream=False))
    assert (reply.status, reply.body, reply.whole) == (200, PLAIN[Dialect.OPENAI_CHAT], True)
