"""Whatever Redis says, or whoever answers in its place, as clients of the gateway see it: not at all."""

from __future__ import annotations

import asyncio
import json
import pickle
from typing import Any

import pytest

from plano.chat.dialect import Dialect
from tests.fault.asks import answered, request
from tests.fault.baseline import until
from tests.fault.cuts import STREAMS, Cuts
from tests.fault.told import Told
from tests.fault.watched import gateway
from tests.wall.answers import PLAIN
from tests.wall.gateway import ANTHROPIC_MODEL, OPENAI_MODEL, RunningGateway, config_at
from tests.wall.raw_client import RawClient
from tests.wall.resp import SILENCE, TROUBLES, RespStub
from tests.wall.script import Script
from tests.wall.upstream import ScriptedUpstream

PASSWORD = "wall-redis-canary-password"
SESSION = "x-model-affinity: s-1"
KEY = b"plano:affinity:s-1"
DEFAULT = dict.fromkeys(Dialect, OPENAI_MODEL) | {Dialect.ANTHROPIC_MESSAGES: ANTHROPIC_MODEL}
OTHER = {dialect: f"{model}-other" for dialect, model in DEFAULT.items()}
DIALECTS = pytest.mark.parametrize("dialect", list(Dialect))
BOTH = pytest.mark.parametrize("stream", [False, True])
AT_MOST_S = 1.0
"""50 ms and an answer, on a machine that is busy; a second wait for Redis would be seen in its commands."""


def config(upstream: ScriptedUpstream, redis: RespStub, dialect: Dialect) -> dict[str, Any]:
    """Two models of the dialect; the first is the default."""
    rows: list[dict[str, Any]] = [
        {"model": model, "base_url": upstream.url, "access_key": "sk-wall-upstream-canary"}
        for model in (DEFAULT[dialect], OTHER[dialect])
    ]
    rows[0]["default"] = True
    cache = {"type": "redis", "url": redis.url}
    return {**config_at(upstream), "model_providers": rows, "routing": {"session_cache": cache}}


def wire(dialect: Dialect, *, stream: bool) -> bytes:
    """A request of the session that names no model."""
    turns = "input" if dialect is Dialect.OPENAI_RESPONSES else "messages"
    document = {turns: [{"role": "user", "content": "words of a session"}], "max_tokens": 9, "stream": stream}
    return request(dialect, "connection: close", SESSION, body=json.dumps(document).encode())


def answer(reply: Told) -> tuple[object, ...]:
    return reply.status, reply.body, reply.whole, reply.headers.get("x-plano-model")


def good(dialect: Dialect, model: str, *, stream: bool) -> tuple[object, ...]:
    return 200, STREAMS[dialect] if stream else PLAIN[dialect], True, model


async def asked_of(running: RunningGateway, dialect: Dialect, *, stream: bool) -> tuple[object, ...]:
    return answer(await answered(running.port, wire(dialect, stream=stream)))


@DIALECTS
@BOTH
@pytest.mark.parametrize("trouble", TROUBLES)
async def test_whatever_redis_says_costs_a_request_its_affinity_and_nothing_else(
    trouble: str, stream: bool, dialect: Dialect
) -> None:
    """The default answers, in time, however often; when Redis is well the pin is honoured, by itself. Nobody
    hears its password."""
    loop = asyncio.get_running_loop()
    async with (
        Cuts() as upstream,
        RespStub(always=TROUBLES[trouble], password=PASSWORD) as redis,
        gateway(config(upstream, redis, dialect)) as running,
    ):
        began = loop.time()
        during = [await asked_of(running, dialect, stream=stream) for _ in range(3)]
        took = (loop.time() - began) / 3
        redis.texts[KEY] = json.dumps({"model_name": OTHER[dialect], "route_name": "x"}).encode()
        redis.play(None)
        await until(lambda: running.worker.affinity.status == "ok")
        after = await asked_of(running, dialect, stream=stream)

    assert during == [good(dialect, DEFAULT[dialect], stream=stream)] * 3
    assert (took < AT_MOST_S, after) == (True, good(dialect, OTHER[dialect], stream=stream))


@DIALECTS
@BOTH
async def test_a_pin_that_cannot_be_kept_costs_the_client_nothing(stream: bool, dialect: Dialect) -> None:
    """Reading works, writing does not: the disk is full, or it is a replica."""
    troubles: dict[str, Script] = {"SET": TROUBLES["OOM"]}
    async with (
        Cuts() as upstream,
        RespStub(troubles) as redis,
        gateway(config(upstream, redis, dialect)) as running,
    ):
        replies = [await asked_of(running, dialect, stream=stream) for _ in range(3)]

    assert replies == [good(dialect, DEFAULT[dialect], stream=stream)] * 3
    assert KEY not in redis.texts


FOREIGN = {
    "a pickle": pickle.dumps({"model_name": "openai/gpt-wall-other"}),
    "a pickle that runs": b"cos\nabort\n(tR.",
    "YAML that runs": b"!!python/object/apply:os.abort []",
    "a page": b"<html></html>",
    "JSON of another shape": b'{"model_name": ["openai/gpt-wall-other"]}',
    "invalid UTF-8": b'{"model_name": "\xff"}',
    "more than 4 KiB": b'{"model_name": "openai/gpt-wall-other", "x": "%b"}' % (b"x" * 4096),
}


@BOTH
@pytest.mark.parametrize("name", FOREIGN)
async def test_a_value_is_read_as_a_pin_or_not_at_all(name: str, stream: bool) -> None:
    """Whoever can write to Redis must not run anything here; 4 KiB are read and no more."""
    dialect = Dialect.OPENAI_CHAT
    async with Cuts() as upstream, RespStub() as redis:
        redis.texts[KEY] = FOREIGN[name]
        async with gateway(config(upstream, redis, dialect)) as running:
            reply = await asked_of(running, dialect, stream=stream)
        read = [said.words[2:] for said in redis.named("GETRANGE")]

    assert reply == good(dialect, DEFAULT[dialect], stream=stream)
    assert {(start, int(end) <= 4096) for start, end in read} == {(b"0", True)}


@DIALECTS
@BOTH
async def test_a_client_that_leaves_while_redis_is_silent_is_gone(stream: bool, dialect: Dialect) -> None:
    """No provider is left with a request of it, wherever it stood when the end was seen."""
    async with (
        Cuts() as upstream,
        RespStub() as redis,
        gateway(config(upstream, redis, dialect)) as running,
    ):
        await asked_of(running, dialect, stream=stream)
        redis.answers = {"GETRANGE": SILENCE}
        count = len(redis.named("GETRANGE"))
        async with RawClient(running.port) as client:
            await client.send(wire(dialect, stream=stream))
            await redis.heard("GETRANGE", count + 1)
            client.close()
            await until(lambda: running.worker.in_flight.count == 0)
        (_, line) = await running.logged(2)
        redis.play(None)

    assert (line["status"], line["ending"]) == (499, "client_left")


@DIALECTS
async def test_redis_that_dies_and_returns_is_found_again(dialect: Dialect) -> None:
    """Connections are reset, then refused, then there again; nobody has to do anything."""
    async with (
        Cuts() as upstream,
        RespStub() as redis,
        gateway(config(upstream, redis, dialect)) as running,
    ):
        replies = [await asked_of(running, dialect, stream=True)]
        await redis.go()
        replies += [await asked_of(running, dialect, stream=True) for _ in range(3)]
        redis.texts[KEY] = json.dumps({"model_name": OTHER[dialect], "route_name": "x"}).encode()
        await redis.listen()
        await until(lambda: running.worker.affinity.status == "ok")
        replies.append(await asked_of(running, dialect, stream=True))

    models = [reply[3] for reply in replies]
    assert [reply[0] for reply in replies] == [200] * 5
    assert (models[0], models[-1]) == (DEFAULT[dialect], OTHER[dialect])
