"""Redis in trouble, seen from clients of the gateway: sessions lose their affinity, requests are answered."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from plano.stores.redis.guard import RedisLimits
from tests.contract.redis_server import MISSING, REDIS_SERVER, RedisServer, free_port, running
from tests.fault.baseline import until
from tests.fault.watched import gateway
from tests.wall.gateway import RunningGateway
from tests.wall.raw_client import RawClient, RawReply

CONFIG = """
version: v0.4.0
model_providers:
  - {{model: simulated/large}}
  - {{model: simulated/small}}
  - {{model: simulated/any, default: true}}
routing_preferences:
  - name: code generation
    description: writing new code, functions, scripts and programs
    models: [simulated/large]
  - name: translation
    description: translating a text from one human language into another
    models: [simulated/small]
routing: {{session_cache: {{type: redis, url: "{url}"}}}}
"""
CODE = "Write a Python function that parses a CSV file."
TRANSLATION = "Translate this letter into Spanish, please."
SESSION = "x-model-affinity: s-1"

pytestmark = pytest.mark.skipif(REDIS_SERVER is None, reason=MISSING)


def gateway_at(url: str) -> Any:
    return gateway(CONFIG.format(url=url))


def give_time(*places: RunningGateway) -> None:
    """For a test of what is remembered: a busy machine takes more than 50 ms now and then."""
    for place in places:
        store: Any = place.worker._serving.deciding.store
        store._limits = RedisLimits(operation_s=5.0)


async def said(gateway: RunningGateway, text: str, *headers: str) -> RawReply:
    body = json.dumps({"messages": [{"role": "user", "content": text}]}).encode()
    async with RawClient(gateway.port) as client:
        await client.post("/v1/chat/completions", body, "x-plano-debug: true", *headers)
        return await client.reply()


def told(reply: RawReply) -> tuple[str, bool]:
    assert reply.status == 200, reply.body
    decision = json.loads(reply.header("x-plano-debug") or "")
    return decision["models"][0], decision["pinned"]


def because(reply: RawReply) -> str:
    """What the affinity step said."""
    decision = json.loads(reply.header("x-plano-debug") or "")
    (reason,) = [each for each in decision["reasons"] if each["step"] == "affinity"]
    return str(reason["because"])


def in_trouble(reply: RawReply) -> bool:
    return '"redis: ' in (reply.header("x-plano-debug") or "")


async def readiness(gateway: RunningGateway) -> dict[str, str]:
    async with RawClient(gateway.port) as client:
        await client.get("/readyz")
        found: dict[str, str] = json.loads((await client.reply(to="GET")).body)
        return found


@pytest.fixture
async def redis(tmp_path: Path) -> AsyncIterator[RedisServer]:
    with running(tmp_path / "redis") as server:
        yield server


async def test_replicas_share_their_pins(redis: RedisServer) -> None:
    """What one decided, the other honours; the original's clients find it under the documented key."""
    async with gateway_at(redis.url) as one, gateway_at(redis.url) as other:
        give_time(one, other)
        first = await said(one, CODE, SESSION)
        second = await said(other, TRANSLATION, SESSION)
        stored = json.loads(redis.tell("GET", "plano:affinity:s-1"))
        left_s = redis.tell("TTL", "plano:affinity:s-1")

    assert (told(first), told(second)) == (("simulated/large", False), ("simulated/large", True))
    assert (stored["model_name"], stored["route_name"]) == ("simulated/large", "code generation")
    assert 590 <= left_s <= 600


async def test_first_turns_that_race_end_on_one_model(redis: RedisServer) -> None:
    """On two replicas, with conversations that would be routed apart. Where Redis took more than its 50 ms,
    as it may on a busy machine, there is no affinity."""
    async with gateway_at(redis.url) as one, gateway_at(redis.url) as other:
        await said(one, CODE)
        await said(other, TRANSLATION)
        pairs = [await race(one, other, f"x-model-affinity: race-{number}") for number in range(20)]

    kept = [pair for pair in pairs if not any(in_trouble(each) for each in pair)]
    assert {told(one)[0] == told(other)[0] for one, other in kept} <= {True}


async def race(one: RunningGateway, other: RunningGateway, session: str) -> tuple[RawReply, RawReply]:
    async with asyncio.TaskGroup() as group:
        first = group.create_task(said(one, CODE, session))
        second = group.create_task(said(other, TRANSLATION, session))
    return first.result(), second.result()


async def test_a_gateway_starts_and_serves_without_redis(tmp_path: Path) -> None:
    """It stays ready, says that affinity is degraded, and has it back by itself."""
    server = RedisServer(tmp_path / "redis")
    server.stop()
    async with gateway_at(server.url) as running_gateway:
        first = await said(running_gateway, CODE, SESSION)
        second = await said(running_gateway, TRANSLATION, SESSION)
        await until(lambda: running_gateway.worker.affinity.status == "degraded")
        ready = await readiness(running_gateway)
        server.start()
        try:
            await until(lambda: running_gateway.worker.affinity.status == "ok")
            third = await said(running_gateway, CODE, SESSION)
            fourth = await said(running_gateway, TRANSLATION, SESSION)
        finally:
            server.stop()

    assert [told(each) for each in (first, second, third, fourth)] == [
        ("simulated/large", False),
        ("simulated/small", False),
        ("simulated/large", False),
        ("simulated/large", True),
    ]
    assert ready == {"status": "ready", "affinity": "degraded"}
    assert because(first).startswith("redis: ")


@pytest.mark.parametrize("trouble", ["paused", "killed"])
async def test_redis_goes_while_the_gateway_serves(redis: RedisServer, trouble: str) -> None:
    """Nobody is refused; when it is back, so is affinity, and nobody has to do anything."""
    async with gateway_at(redis.url) as running_gateway:
        await said(running_gateway, CODE, SESSION)
        redis.pause() if trouble == "paused" else redis.kill()
        async with asyncio.TaskGroup() as group:
            during = [
                group.create_task(said(running_gateway, TRANSLATION, f"x-model-affinity: s-{number}"))
                for number in range(30)
            ]
        degraded = running_gateway.worker.affinity.status
        redis.resume() if trouble == "paused" else redis.start()
        await until(lambda: running_gateway.worker.affinity.status == "ok")
        await said(running_gateway, CODE, "x-model-affinity: after")
        after = await said(running_gateway, TRANSLATION, "x-model-affinity: after")

    assert {told(each.result()) for each in during} == {("simulated/small", False)}
    assert (degraded, told(after)) == ("degraded", ("simulated/large", True))


@pytest.mark.parametrize(
    ("command", "excuse"),
    [
        pytest.param(("LPUSH", "plano:affinity:s-1", "x"), "redis: ", id="another type"),
        pytest.param(("SET", "plano:affinity:s-1", "not JSON"), "redis: the value is not JSON", id="no JSON"),
        pytest.param(("SETRANGE", "plano:affinity:s-1", 10_000_000, "x"), "redis: ", id="10 MB"),
        pytest.param(
            ("SET", "plano:affinity:s-1", '{"model_name": "openai/gone", "route_name": "x"}'),
            "the session is pinned to a model that is no longer declared",
            id="a model that is gone",
        ),
        pytest.param(
            ("SET", "plano:affinity:s-1", '{"model_name": ["simulated/any"]}'), "redis: ", id="another shape"
        ),
    ],
)
async def test_what_stands_under_the_key_is_not_trusted(
    redis: RedisServer, command: tuple[str | int, ...], excuse: str
) -> None:
    """Somebody else may have written it; the request is decided for itself, and the store stays in use."""
    redis.tell(*command)
    async with gateway_at(redis.url) as running_gateway:
        reply = await said(running_gateway, CODE, SESSION)
        other = await said(running_gateway, CODE, "x-model-affinity: s-2")
        again = await said(running_gateway, TRANSLATION, "x-model-affinity: s-2")

    assert (told(reply), excuse in because(reply)) == (("simulated/large", False), True)
    assert (told(other), told(again)) == (("simulated/large", False), ("simulated/large", True))


async def test_a_pin_of_the_original_is_honoured(redis: RedisServer) -> None:
    """A Redis filled by it serves here."""
    redis.tell("SET", "plano:affinity:s-1", '{"model_name":"simulated/any","route_name":"code generation"}')
    async with gateway_at(redis.url) as running_gateway:
        assert told(await said(running_gateway, TRANSLATION, SESSION)) == ("simulated/any", True)


async def test_a_wrong_password_costs_the_affinity_and_is_never_shown(tmp_path: Path) -> None:
    """The excuse says what is wrong; no byte of either password is in an answer or the log."""
    port = free_port()
    with running(tmp_path / "redis", "--requirepass", "sk-right-canary", port=port):
        async with gateway_at(f"redis://:sk-wrong-canary@127.0.0.1:{port}") as running_gateway:
            reply = await said(running_gateway, CODE, SESSION)
            await running_gateway.logged(1)
            shown = running_gateway.log_text

    assert (told(reply), because(reply).startswith("redis: ")) == (("simulated/large", False), True)
    assert "canary" not in because(reply) + shown


async def test_a_client_that_leaves_while_redis_is_asked_is_gone(redis: RedisServer) -> None:
    """And its connection to Redis with it: the next request reads its own answer."""
    body = json.dumps({"messages": [{"role": "user", "content": CODE}]}).encode()
    async with gateway_at(redis.url) as running_gateway:
        await said(running_gateway, CODE, SESSION)
        redis.pause()
        async with RawClient(running_gateway.port) as client:
            await client.post("/v1/chat/completions", body, SESSION)
        (*_, line) = await running_gateway.logged(2)
        redis.resume()
        await until(lambda: running_gateway.worker.affinity.status == "ok")
        after = await said(running_gateway, TRANSLATION, SESSION)

    assert (line["status"], line["phase"]) == (499, "decide")
    assert told(after)[0] == "simulated/large"
