"""A reply belongs to whoever asked (CVE-2023-28858, CVE-2023-28859).

By hand with PLANO_CANCELLATIONS=100000 in the environment, and `--timeout 0`.
"""

from __future__ import annotations

import asyncio
import os
import random
from collections import Counter

import pytest

from plano.routing.affinity import NoPin, Pin, Unavailable
from plano.stores.redis.guard import RedisLimits
from plano.stores.redis.store import RedisStore
from tests.contract.redis_server import RedisServer
from tests.wall.resp import WELL, CommandWords, RespStub, value
from tests.wall.script import Pause, Script

CANCELLATIONS = int(os.environ.get("PLANO_CANCELLATIONS", "2000"))
AT_ONCE = 24
"""Three times the connections there are: some wait for one when they are cancelled."""


def pin_of(session: int) -> Pin:
    return Pin(f"model-of/{session}")


async def test_no_reply_reaches_the_wrong_caller(shared_redis: RedisServer) -> None:
    """Every session has a model of its own; operations are cancelled before they begin, while they wait for a
    connection, after the command is sent, and as the reply arrives."""
    chance = random.Random(1)
    store = RedisStore.at(shared_redis.url, RedisLimits(operation_s=5.0))
    await store.start()
    sessions = range(200)
    for session in sessions:
        await store.pin_first(f"s{session}", pin_of(session), 600)
    ended: Counter[str] = Counter()

    async def ask(session: int) -> None:
        match await store.read(f"s{session}"):
            case Pin() as pin if pin == pin_of(session):
                ended["answered"] += 1
            case answer:
                ended[f"wrong: {answer}"] += 1

    async def cancelled_at_random() -> None:
        while ended["cancelled"] < CANCELLATIONS:
            task = asyncio.create_task(ask(chance.choice(sessions)))
            await asyncio.sleep(chance.choice((0.0, 0.0, chance.random() * 0.002)))
            if task.cancel():
                ended["cancelled"] += 1
            await asyncio.wait([task])

    async with asyncio.TaskGroup() as group:
        for _ in range(AT_ONCE):
            group.create_task(cancelled_at_random())
    afterwards = [await store.read(f"s{session}") for session in sessions]
    await store.close()

    assert [found for found in ended if found.startswith("wrong")] == []
    assert ended["answered"] > 0
    assert afterwards == [pin_of(session) for session in sessions]


async def test_a_reply_that_comes_too_late_reaches_nobody() -> None:
    """The caller has gone on; the next one asks about another session."""

    def about(words: CommandWords) -> Script:
        """The question about `one` is answered when the one about `another` is."""
        if words[1] == b"one":
            return [Pause(), *value(b'{"model_name":"of/one"}')]
        redis.release()
        return value(b"")

    async with RespStub({"GETRANGE": about}) as redis:
        store = RedisStore.at(redis.url)
        await store.start()

        answers = await store.read("one"), await store.read("another")

        await store.close()
    assert answers == (Unavailable("no answer from Redis in 50 ms"), NoPin())


@pytest.mark.parametrize("moment_s", [0.0, 0.001, 0.02])
async def test_a_caller_who_leaves_says_nothing_about_redis(moment_s: float) -> None:
    """People hang up; that is no failure of anybody's."""
    async with RespStub(always=WELL) as redis:
        store = RedisStore.at(redis.url, RedisLimits(operation_s=5.0))
        await store.start()

        for _ in range(10):
            task = asyncio.create_task(store.read("s"))
            await asyncio.sleep(moment_s)
            task.cancel()
            await asyncio.wait([task])

        assert store.state.status == "ok"
        await store.close()
