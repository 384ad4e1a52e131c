"""A provider that is back after an outage is tried by one request; when that request's client leaves, or its
gateway drains, nothing is learnt, and the next request tries at once."""

from __future__ import annotations

import time

from plano.chat.dialect import Dialect
from plano.routing.health import REST_S, Health
from tests.fault.asks import asked, request
from tests.fault.test_departure import WAYS
from tests.fault.watched import gateway
from tests.wall.answers import refusal
from tests.wall.gateway import OPENAI_MODEL, UPSTREAM_KEY, RunningGateway, config_at
from tests.wall.raw_client import RawClient
from tests.wall.scraping import samples, scraped
from tests.wall.script import EVENT_STREAM, Chunk, Head, Script, Stall
from tests.wall.upstream import ScriptedUpstream

CHAT = Dialect.OPENAI_CHAT
SECOND = "openai/gpt-second"
DOWN: Script = refusal(503, CHAT)


class Later:
    """The clock of the health, which may be put forward."""

    def __init__(self) -> None:
        self.by_s = 0.0

    def __call__(self) -> float:
        return time.monotonic() + self.by_s


def clock_of(running: RunningGateway) -> Later:
    """From now on the gateway's health goes by it."""
    health: Health = running.worker._serving.deciding.health
    health._now = clock = Later()
    return clock


def two(first: ScriptedUpstream, second: ScriptedUpstream) -> dict[str, object]:
    config = config_at(first)
    config["model_providers"][0]["fallbacks"] = [SECOND]
    config["model_providers"].append({"model": SECOND, "base_url": second.url, "access_key": UPSTREAM_KEY})
    return config


async def answered_by(running: RunningGateway) -> str | None:
    return (await asked(running.port, CHAT, stream=False)).headers.get("x-plano-model")


async def resting(running: RunningGateway) -> float:
    return sum(samples(await scraped(running), "plano_candidates_resting").values())


async def test_a_departing_client_lets_the_next_request_try() -> None:
    """In each way to leave, before an answer and in the middle of one; each time the rest is over, and one
    request has the candidate to itself until it ends."""
    silent: Script = [Stall()]
    begun: Script = [Head(200, EVENT_STREAM), Chunk(b": wait\n\n"), Stall()]
    scripts = [DOWN] * 5 + [silent, begun] * len(WAYS)
    meanwhile = []
    async with (
        ScriptedUpstream(scripts) as first,
        ScriptedUpstream() as second,
        gateway(two(first, second)) as running,
    ):
        clock = clock_of(running)
        outage = [await answered_by(running) for _ in range(6)]
        counts = [await resting(running)]
        clock.by_s += REST_S
        counts.append(await resting(running))
        for number, leave in enumerate(leave for leave in WAYS.values() for _ in range(2)):
            async with RawClient(running.port) as client:
                await client.send(request(CHAT, stream=True))
                attempt = await first.attempt(5 + number)
                meanwhile.append(await answered_by(running))
                leave(client)
                await attempt.gone()
        back = [await answered_by(running) for _ in range(2)]
        counts.append(await resting(running))

    assert outage == [SECOND] * 6
    assert meanwhile == [SECOND] * 2 * len(WAYS)
    assert back == [OPENAI_MODEL] * 2
    assert (counts, len(first.attempts)) == ([1, 0, 0], 5 + 2 * len(WAYS) + 2)


async def test_a_drain_lets_nobody_wait() -> None:
    """The request that tries is cut short with the others, and what is known is what was known before."""
    async with (
        ScriptedUpstream([*[DOWN] * 5, [Stall()]]) as first,
        ScriptedUpstream() as second,
        gateway(two(first, second)) as running,
        RawClient(running.port) as client,
    ):
        clock = clock_of(running)
        for _ in range(5):
            await answered_by(running)
        clock.by_s += REST_S
        await client.send(request(CHAT))
        await first.attempt(5)
        health: Health = running.worker._serving.deciding.health
        before = health.resting
        running.worker.server.cancel_active()
        reply = await client.reply()

        assert (reply.status, before, health.resting, health.is_troubled) == (503, 1, 0, True)
