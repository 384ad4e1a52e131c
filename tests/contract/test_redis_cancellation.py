"""A reply belongs to whoever asked (CVE-2023-28858, CVE-2023-28859).

By hand with PLANO_CANCELLATIONS=100000 in the environment, and `--timeout 0`.
"""

from __future__ import annotations

import asyncio
import os
import random
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from plano.routing.affinity import NoPin, Pin, Unavailable
from plano.stores.redis.guard import RedisLimits
from plano.stores.redis.store import RedisStore
from tests.contract.redis_server import RedisServer, saying

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


@asynccontextmanager
async def late() -> AsyncIterator[str]:
    """The url of a server that answers the question about `one` when it hears the one about `another`."""
    writers: list[asyncio.StreamWriter] = []
    asked_about_one: list[asyncio.StreamWriter] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        while heard := await reader.read(65536):
            if b"one" in heard:
                asked_about_one.append(writer)
            elif b"another" in heard:
                for waiting in asked_about_one:
                    waiting.write(b'$23\r\n{"model_name":"of/one"}\r\n')
                writer.write(b"$0\r\n\r\n")
            else:
                writer.write(b"+OK\r\n")

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    try:
        yield f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        for writer in writers:
            writer.close()


async def test_a_reply_that_comes_too_late_reaches_nobody() -> None:
    """The caller has gone on; the next one asks about another session."""
    async with late() as url:
        store = RedisStore.at(url)
        await store.start()

        answers = await store.read("one"), await store.read("another")

        await store.close()
    assert answers == (Unavailable("no answer from Redis in 50 ms"), NoPin())


@pytest.mark.parametrize("moment_s", [0.0, 0.001, 0.02])
async def test_a_caller_who_leaves_says_nothing_about_redis(moment_s: float) -> None:
    """People hang up; that is no failure of anybody's."""
    async with saying(b"+OK\r\n") as url:
        store = RedisStore.at(url, RedisLimits(operation_s=5.0))
        await store.start()

        for _ in range(10):
            task = asyncio.create_task(store.read("s"))
            await asyncio.sleep(moment_s)
            task.cancel()
            await asyncio.wait([task])

        assert store.state.status == "ok"
        await store.close()
