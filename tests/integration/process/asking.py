"""Clients of a gateway that is about to end: what they ask, and how well they behave."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field

from plano.chat.dialect import Dialect
from tests.wall.answers import EVENTS
from tests.wall.canary import PROMPT
from tests.wall.gateway import ANTHROPIC_MODEL, OPENAI_MODEL
from tests.wall.raw_client import RawClient, RawReply
from tests.wall.script import EVENT_STREAM, Chunk, Head, LastChunk, Pause, Script

PATHS = {
    Dialect.OPENAI_CHAT: "/v1/chat/completions",
    Dialect.ANTHROPIC_MESSAGES: "/v1/messages",
    Dialect.OPENAI_RESPONSES: "/v1/responses",
}
CHAT = PATHS[Dialect.OPENAI_CHAT]


def body(dialect: Dialect = Dialect.OPENAI_CHAT, *, stream: bool = False, model: str | None = None) -> bytes:
    """A small request."""
    own = ANTHROPIC_MODEL if dialect is Dialect.ANTHROPIC_MESSAGES else OPENAI_MODEL
    return json.dumps(
        {
            "model": model or own,
            "stream": stream,
            "max_tokens": 16,
            "messages": [{"role": "user", "content": PROMPT}],
            "input": PROMPT,
        }
    ).encode()


def held_stream(dialect: Dialect = Dialect.OPENAI_CHAT) -> Script:
    """A good stream that stops behind its words until the upstream is told to `release()`."""
    events = EVENTS[dialect]
    return [
        Head(200, EVENT_STREAM),
        *(Chunk(event) for event in events[:-3]),
        Pause(),
        *(Chunk(event) for event in events[-3:]),
        LastChunk(),
    ]


async def ask(port: int, *, model: str | None = None) -> RawReply:
    """One request on a connection of its own."""
    async with RawClient(port) as client:
        await client.post(CHAT, body(model=model))
        return await client.reply()


async def get(port: int, path: str) -> RawReply:
    async with RawClient(port) as client:
        await client.get(path)
        return await client.reply(to="GET")


@dataclass(slots=True)
class KeepAlive:
    """A client that asks without a break, keeps its connection as long as it may, and opens another
    when it was told to. Anything that goes wrong on the way is an exception."""

    port: int
    statuses: list[int] = field(default_factory=list)
    told: int = 0
    """Answers that announced the end of their connection."""
    done: bool = False

    async def run(self) -> None:
        while not self.done:
            async with RawClient(self.port) as client:
                while await self._ask(client):
                    pass

    async def _ask(self, client: RawClient) -> bool:
        """Whether another may follow on this connection."""
        await client.post(CHAT, body())
        reply = await client.reply()
        assert reply.whole
        self.statuses.append(reply.status)
        if reply.header("connection") != "close":
            return not self.done
        self.told += 1
        return False


async def until(condition: asyncio.Event, *clients: KeepAlive) -> None:
    """Let the clients run until the condition holds, and then until each has its answer."""
    async with asyncio.TaskGroup() as group:
        for client in clients:
            group.create_task(client.run())
        await condition.wait()
        for client in clients:
            client.done = True


async def requests_counted(admin_port: int) -> int:
    """The sum of `plano_requests_total` in a scrape."""
    reply = await get(admin_port, "/metrics")
    lines = reply.body.decode().splitlines()
    return int(sum(float(line.split()[-1]) for line in lines if line.startswith("plano_requests_total{")))


async def until_replaced(port: int) -> None:
    """Ask until somebody answers: connections that wait belong to nobody, and are not lost."""
    async with asyncio.timeout(10):
        assert (await ask(port)).status == 200
