"""What a gateway holds: after every fault it must be what it was before."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path

from tests.fault.asks import assert_healthy
from tests.wall.gateway import RunningGateway
from tests.wall.upstream import PATIENCE_S

_DESCRIPTORS = Path("/proc/self/fd")


@dataclass(frozen=True, slots=True)
class Held:
    """Of this whole process: the gateway, and the wall around it."""

    descriptors: int
    tasks: int
    in_flight: int
    connections: int
    """From clients."""
    buffered_bytes: int
    """Of request bodies."""


def held(running: RunningGateway) -> Held:
    server = running.worker.server
    return Held(
        descriptors=len(list(_DESCRIPTORS.iterdir())),
        tasks=len(asyncio.all_tasks()),
        in_flight=running.worker.in_flight.count,
        connections=len(server.connections),
        buffered_bytes=server.buffered_bytes,
    )


async def until(claim: Callable[[], object], *, within_s: float = PATIENCE_S) -> None:
    """Let the loop go round until the claim holds: for what no event tells of."""
    async with asyncio.timeout(within_s):
        while not claim():
            await turns(1)


async def turns(count: int = 50) -> None:
    """Let the loop go round: what loopback has taken is read by then."""
    for _ in range(count):
        await asyncio.sleep(0)


@contextlib.asynccontextmanager
async def unharmed(running: RunningGateway, *headers: str) -> AsyncIterator[Held]:
    """Whatever happens inside, an ordinary request (with these header lines) succeeds afterwards, and
    nothing more is held than before. The upstream must answer an ordinary request in both places."""
    await assert_healthy(running.port, *headers)
    await until(lambda: held(running).connections == 0)
    before = held(running)
    yield before
    await assert_healthy(running.port, *headers)
    try:
        await until(lambda: held(running) == before)
    except TimeoutError:
        assert held(running) == before
