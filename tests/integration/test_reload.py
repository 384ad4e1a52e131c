"""What one configuration takes over from another, and what it leaves behind: nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from plano.catalog.build import load_catalog
from plano.http1.alarms import Alarms
from plano.serving import Serving
from tests.wall.gateway import OPENAI_MODEL, RunningGateway, config_at, gateway, listener, written
from tests.wall.raw_client import RawClient
from tests.wall.script import EVENT_STREAM, Head, Pause
from tests.wall.upstream import PATIENCE_S, ScriptedUpstream

CHAT = "/v1/chat/completions"
PROVIDER = {"model": OPENAI_MODEL, "base_url": "http://127.0.0.1:1", "access_key": "k", "default": True}
BEFORE: dict[str, Any] = {"version": "v0.4.0", "model_providers": [PROVIDER]}
ALL = ("pins", "quoting", "reading", "health")


def read(config: dict[str, Any]) -> Any:
    with written(config) as file:
        return load_catalog(file, {})


@asynccontextmanager
async def two(after: dict[str, Any]) -> AsyncIterator[tuple[Serving, Serving]]:
    """A configuration, and one that replaces it."""
    alarms = Alarms(asyncio.get_running_loop())
    first = Serving(*read(BEFORE), alarms=alarms, environment=None)
    second = Serving(*read(after), alarms=alarms, environment=None, before=first)
    yield first, second
    await first.close([second])
    await second.close()
    alarms.close()


@pytest.mark.parametrize(
    ("change", "made_anew"),
    [
        pytest.param({}, [], id="nothing"),
        pytest.param(listener(drain_s="1s"), [], id="a limit of clients"),
        pytest.param(listener(silence_s="1s"), ["quoting"], id="a limit of providers"),
        pytest.param(
            {"model_providers": [{**PROVIDER, "access_key": "another"}]},
            ["quoting", "health"],
            id="a provider",
        ),
        pytest.param({"routing": {"session_max_entries": 5}}, ["pins"], id="where pins are kept"),
        pytest.param({"routing": {"embedded_threshold": 0.5}}, ["reading"], id="when a route fits"),
    ],
)
async def test_what_would_be_made_in_the_same_way_is_taken_over(
    change: dict[str, Any], made_anew: list[str]
) -> None:
    """Pins would be lost, latencies learned again, an outage met anew; what was edited starts afresh."""
    async with two({**BEFORE, **change}) as (first, second):
        before, after = first.deciding.lasting, second.deciding.lasting

        assert [name for name in ALL if getattr(before, name) is not getattr(after, name)] == made_anew


async def test_the_encoder_is_shared_even_by_two_embedded_routers() -> None:
    """It takes more memory than all the rest."""
    async with two({**BEFORE, "routing": {"embedded_threshold": 0.5}}) as (first, second):
        before, after = first.deciding.lasting.reading, second.deciding.lasting.reading

        assert before.load_encoder is after.load_encoder


async def ask(running: RunningGateway) -> int:
    async with RawClient(running.port) as client:
        await client.post(CHAT, b'{"model": "%b", "messages": []}' % OPENAI_MODEL.encode())
        return (await client.reply()).status


def held() -> tuple[int, int]:
    """Descriptors and tasks of this process."""
    return len(list(Path("/proc/self/fd").iterdir())), len(asyncio.all_tasks())


async def test_nothing_is_left_of_what_was_replaced() -> None:
    """Somebody reloads every minute, for a year."""
    async with ScriptedUpstream() as upstream:
        configs = [config_at(upstream, **listener(silence_s=f"{number + 10}s")) for number in range(2)]
        async with gateway(configs[0]) as running:
            seen = []
            for number in range(1, 13):
                await running.worker.reload(*read(configs[number % 2]))
                await ask(running)
                await until_closed()
                seen.append(held())

            descriptors, tasks = zip(*seen, strict=True)
            assert max(descriptors[6:]) <= max(descriptors[:6])
            assert max(tasks[6:]) <= max(tasks[:6])
            assert running.worker.replaced == 0


async def until_closed() -> None:
    """Until whoever waits for the end of a replaced configuration has seen it."""
    waiting = [task for task in asyncio.all_tasks() if task.get_name() == "replaced configuration"]
    if waiting:
        _, late = await asyncio.wait(waiting, timeout=PATIENCE_S)
        assert not late


async def test_a_gateway_that_ends_ends_what_was_replaced() -> None:
    """With a stream of each configuration under way, both upstreams see that nobody listens any more."""
    async with ScriptedUpstream(otherwise=lambda _: [Head(200, EVENT_STREAM), Pause()]) as upstream:
        async with (
            gateway(config_at(upstream)) as running,
            RawClient(running.port) as one,
            RawClient(running.port) as two,
        ):
            for number, client in enumerate((one, two)):
                await client.post(
                    CHAT, b'{"model": "%b", "stream": true, "messages": []}' % OPENAI_MODEL.encode()
                )
                await upstream.attempt(number)
                await running.worker.reload(*read(config_at(upstream)))
            under_way = running.worker.replaced
            await running.worker.stop(grace_s=0, hurry=_set())

            left = [await attempt.gone() for attempt in upstream.attempts]
        assert (under_way, len(left)) == (2, 2)


def _set() -> asyncio.Event:
    event = asyncio.Event()
    event.set()
    return event
