"""What a gateway holds: after every fault it must be what it was before."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import astuple, dataclass
from pathlib import Path

from plano.http1.pool import Pool
from tests.fault.asks import assert_healthy
from tests.wall.gateway import RunningGateway
from tests.wall.upstream import PATIENCE_S

_DESCRIPTORS = Path("/proc/self/fd")


@dataclass(frozen=True, slots=True)
class Held:
    """By a gateway; the first two by this whole process, the wall around it included."""

    descriptors: int
    tasks: int
    in_flight: int
    connections: int
    """From clients."""
    buffered_bytes: int
    """Of request bodies."""
    upstream_in_use: int
    """Connections to providers that carry a request, or are being opened."""
    upstream_idle: int


def of_process() -> tuple[int, int]:
    """Descriptors and tasks."""
    return len(list(_DESCRIPTORS.iterdir())), len(asyncio.all_tasks())


def pool_of(running: RunningGateway) -> Pool:
    """The connections to providers."""
    return running.worker._serving._outward.pool


def held(running: RunningGateway) -> Held:
    server = running.worker.server
    stations = pool_of(running)._stations.values()
    idle = sum(len(station.idle) for station in stations)
    descriptors, tasks = of_process()
    return Held(
        descriptors=descriptors,
        tasks=tasks,
        in_flight=running.worker.in_flight.count,
        connections=len(server.connections),
        buffered_bytes=server.buffered_bytes,
        upstream_in_use=sum(station.taken for station in stations) - idle,
        upstream_idle=idle,
    )


async def comes_to(now: Callable[[], object], expected: object, *, within_s: float = PATIENCE_S) -> None:
    """Let the loop go round until it is so; AssertionError with what there is instead."""
    try:
        await until(lambda: now() == expected, within_s=within_s)
    except TimeoutError:
        found = now()
        assert found == expected, f"expected {expected}; after {within_s:g} s there is {found}"


async def until(claim: Callable[[], object], *, within_s: float = PATIENCE_S) -> None:
    """Let the loop go round until the claim holds: for what no event tells of."""
    async with asyncio.timeout(within_s):
        while not claim():
            await turns(1)


async def turns(count: int = 50) -> None:
    """Let the loop go round: what loopback has taken is read by then."""
    for _ in range(count):
        await asyncio.sleep(0)


def no_less(found: Held, than: Held) -> Held:
    """What is held, or `than` where that is more."""
    return Held(*map(max, astuple(found), astuple(than)))


@contextlib.asynccontextmanager
async def unharmed(running: RunningGateway, *headers: str) -> AsyncIterator[Held]:
    """Whatever happens inside, an ordinary request (with these header lines) succeeds afterwards, and
    nothing more is held than before. The upstream must answer an ordinary request in both places."""
    await assert_healthy(running.port, *headers)
    await until(lambda: held(running).connections == 0)
    before = held(running)
    yield before
    await assert_healthy(running.port, *headers)
    # Less is no harm: what looks after a store may have been at it when `before` was taken.
    await comes_to(lambda: no_less(held(running), before), before)
