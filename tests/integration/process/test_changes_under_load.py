"""Reloads and rolling restarts while everybody is busy: nobody is refused, cut off, or asked for twice."""

from __future__ import annotations

import asyncio
import json
import signal
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import pytest

from tests.integration.process.asking import CHAT
from tests.integration.process.launch import write
from tests.integration.process.reloading import (
    INVALID,
    REFUSED,
    RELOADED,
    aliased,
    edited,
    replace,
    said_again,
)
from tests.wall.gateway import OPENAI_MODEL
from tests.wall.process import GatewayProcess
from tests.wall.raw_client import RawClient
from tests.wall.upstream import ScriptedUpstream

CLIENTS = 16
RELOADS = 30
RESTARTS = 20
ROLLED = "plano: restarted: 2 of 2 workers"


@dataclass(slots=True)
class Load:
    """Clients that ask without a break, every other one for a stream; each request has a number."""

    port: int
    answered: int = 0
    troubles: list[str] = field(default_factory=list)
    done: bool = False
    _numbers: count[int] = field(default_factory=count)

    async def run(self, *, stream: bool) -> None:
        while not self.done:
            async with RawClient(self.port) as client:
                while await self._ask(client, stream=stream) and not self.done:
                    pass

    async def _ask(self, client: RawClient, *, stream: bool) -> bool:
        """Whether another may follow on this connection."""
        number = next(self._numbers)
        words = [{"role": "user", "content": f"request {number}."}]
        request = {"model": OPENAI_MODEL, "stream": stream, "messages": words}
        try:
            await client.post(CHAT, json.dumps(request).encode())
            reply = await client.reply(within_s=20)
        except (OSError, AssertionError, TimeoutError) as trouble:
            self.troubles.append(f"{number}: {trouble!r}")
            return False
        if reply.status != 200 or not reply.whole or (stream and b"[DONE]" not in reply.body):
            self.troubles.append(f"{number}: {reply}")
        self.answered += 1
        return reply.header("connection") != "close"


@pytest.mark.timeout(300)
async def test_nothing_is_lost_and_nothing_is_doubled(tmp_path: Path) -> None:
    """What providers are asked for is paid for; what clients do not get is asked for again."""
    async with ScriptedUpstream() as upstream, edited(upstream, tmp_path, "2") as running:
        load = Load(running.port)

        async def change() -> None:
            try:
                await _reload(upstream, running, tmp_path)
                for time in range(1, RESTARTS + 1):
                    running.signal(signal.SIGUSR2)
                    await said_again(running, ROLLED, time)
            finally:
                load.done = True

        async with asyncio.TaskGroup() as group:
            for number in range(CLIENTS):
                group.create_task(load.run(stream=number % 2 == 0))
            group.create_task(change())

        asked = [json.loads(attempt.body)["messages"][0]["content"] for attempt in upstream.attempts]
        assert (load.troubles, len(asked), len(set(asked))) == ([], load.answered, load.answered)
        assert "Traceback" not in running.output


async def _reload(upstream: ScriptedUpstream, running: GatewayProcess, folder: Path) -> None:
    """Every third is invalid."""
    taken = refused = 0
    for number in range(RELOADS):
        if number % 3 == 2:
            replace(folder / "config.yaml", INVALID)
            refused += 1
        else:
            write(folder, aliased(upstream, f"alias-{number}"))
            taken += 1
        running.signal(signal.SIGHUP)
        await said_again(running, RELOADED, taken)
        await said_again(running, REFUSED, refused)
