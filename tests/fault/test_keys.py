"""Redis in trouble, seen by clients with gateway keys: limits hold as far as a worker knows by itself, and
nobody is refused, or waits, for Redis' sake."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest

from plano.chat.dialect import Dialect
from plano.keys.digests import digest_of, hash_of
from plano.stores.redis.guard import RedisLimits
from tests.contract.redis_server import MISSING, REDIS_SERVER, RedisServer, free_port, running
from tests.fault import watched
from tests.fault.asks import asked
from tests.fault.baseline import unharmed, until
from tests.wall.canary import WITNESS
from tests.wall.gateway import OPENAI_MODEL, RunningGateway, config_at
from tests.wall.raw_client import RawClient
from tests.wall.resp import TROUBLES, CommandWords, RespStub
from tests.wall.script import Raw, Script
from tests.wall.upstream import ScriptedUpstream

KEY = WITNESS.guard("pk-wall-canary-of-a-key-that-is-counted-in-redis")
SPARE = WITNESS.guard("pk-wall-canary-of-a-key-without-limits-but-one")
SHOWN = f"x-api-key: {KEY}"
NAME = f"plano:keys:{{{digest_of(KEY.encode()).hex()[:32]}}}"
AT_MOST_S = 1.0
"""50 ms, and what a busy machine adds. A second wait of any kind would take longer."""

needs_redis = pytest.mark.skipif(REDIS_SERVER is None, reason=MISSING)


def config(upstream: ScriptedUpstream, url: str, **limits: Any) -> dict[str, Any]:
    keys = [
        {"name": "research", "hash": hash_of(KEY), **limits},
        {"name": "spare", "hash": hash_of(SPARE), "requests_per_minute": 1000},
    ]
    return config_at(
        upstream,
        listeners=[{"name": "models", "type": "model", "keys": keys}],
        routing={"session_cache": {"type": "redis", "url": url}},
    )


def gateway(document: Mapping[str, Any]) -> AbstractAsyncContextManager[RunningGateway]:
    """Watched, by somebody with a key of its own."""
    return watched.gateway(document, f"x-api-key: {SPARE}")


async def status(place: RunningGateway, shown: str = SHOWN) -> int | None:
    return (await asked(place.port, Dialect.OPENAI_CHAT, shown, stream=False)).status


async def timed(place: RunningGateway) -> tuple[int | None, bool]:
    """The status, and whether it came in time."""
    began = time.perf_counter()
    told = await status(place)
    return told, time.perf_counter() - began < AT_MOST_S


def is_well(place: RunningGateway) -> bool:
    return place.worker.recording.snapshot().gauges.keys_degraded == 0


def admitted_alone(place: RunningGateway) -> int:
    return place.worker.recording.snapshot().keys.alone["research"]


def give_time(*places: RunningGateway) -> None:
    """For a test of what is counted: a busy machine takes more than 50 ms now and then."""
    for place in places:
        sharing: Any = place.worker._serving._sharing
        sharing._windows._limits = RedisLimits(operation_s=5.0)


def room(words: CommandWords) -> Script:
    """What Redis says when every window of a question has room."""
    windows = int(words[2]) - 1
    return [Raw(b"*%d\r\n:0\r\n" % (1 + 2 * windows) + b":1\r\n:60000\r\n" * windows)]


@pytest.fixture
async def redis(tmp_path: Path) -> AsyncIterator[RedisServer]:
    if REDIS_SERVER is None:
        pytest.skip(MISSING)
    with running(tmp_path / "redis") as server:
        yield server


@pytest.fixture
async def upstream() -> AsyncIterator[ScriptedUpstream]:
    async with ScriptedUpstream() as scripted:
        yield scripted


# --- shared ---


async def test_two_gateways_let_no_more_through_than_the_limit(
    redis: RedisServer, upstream: ScriptedUpstream
) -> None:
    """Asked by eight clients at the same time, each time on both."""
    limited = config(upstream, redis.url, requests_per_minute=12)
    async with gateway(limited) as one, gateway(limited) as other:
        give_time(one, other)
        told = []
        for _ in range(4):
            async with asyncio.TaskGroup() as group:
                asking = [group.create_task(status(place)) for _ in range(4) for place in (one, other)]
            told += [each.result() for each in asking]
        alone = admitted_alone(one) + admitted_alone(other)

    assert (told.count(200), told.count(429), alone) == (12, 20, 0)


async def test_what_was_answered_here_is_refused_there(
    redis: RedisServer, upstream: ScriptedUpstream
) -> None:
    """Tokens are told when an answer has ended; the other replica hears of it at its next request."""
    limited = config(upstream, redis.url, tokens_per_minute=16)
    async with gateway(limited) as one, gateway(limited) as other:
        first = [await status(one), await status(one)]
        await until(lambda: redis.tell("GET", f"{NAME}:tokens") is not None)
        there = await asked(other.port, Dialect.ANTHROPIC_MESSAGES, SHOWN, stream=False)

    refusal = json.loads(there.body)
    assert (first, there.status, refusal["error"]["type"]) == ([200, 429], 429, "rate_limit_error")
    assert refusal["request_id"]


async def test_a_gateway_that_ends_tells_the_rest(redis: RedisServer, upstream: ScriptedUpstream) -> None:
    """What the last answers had is told before the worker is gone."""
    async with gateway(config(upstream, redis.url, tokens_per_minute=1000)) as place:
        await status(place)

    assert int(redis.tell("GET", f"{NAME}:tokens")) == 16


async def test_a_reload_counts_on_over_the_same_connections(
    redis: RedisServer, upstream: ScriptedUpstream
) -> None:
    """A raised limit forgets nothing, and nothing of the replaced configuration stays."""
    async with gateway(config(upstream, redis.url, requests_per_minute=2)) as place:
        before = [await status(place) for _ in range(3)]
        clients = len(redis.tell("CLIENT", "LIST").splitlines())
        for _ in range(3):
            await watched.reload(place, config(upstream, redis.url, requests_per_minute=3))
        after = [await status(place) for _ in range(2)]
        await until(lambda: place.worker.replaced == 0)

        assert (before, after) == ([200, 200, 429], [200, 429])
        assert len(redis.tell("CLIENT", "LIST").splitlines()) == clients


# --- in trouble ---


@pytest.mark.parametrize("trouble", TROUBLES)
async def test_whatever_redis_says_a_worker_counts_by_itself(
    trouble: str, upstream: ScriptedUpstream
) -> None:
    """Three a minute are three, each in time; when Redis is well again it is asked again."""
    async with (
        RespStub({"EVAL": room}) as redis,
        gateway(config(upstream, redis.url, requests_per_minute=3)) as place,
    ):
        await until(lambda: len(redis.named("EVAL")) >= 1)
        async with unharmed(place, f"x-api-key: {SPARE}"):
            redis.answers = {"EVAL": TROUBLES[trouble]}
            told = [await timed(place) for _ in range(4)]
            alone = admitted_alone(place)
            redis.answers = {"EVAL": room}
            await until(lambda: is_well(place))
            again = await status(place)

    assert (told, alone, again) == ([(200, True)] * 3 + [(429, True)], 3, 200)


@pytest.mark.parametrize("trouble", ["paused", "killed"])
async def test_redis_goes_while_the_gateway_serves(
    redis: RedisServer, upstream: ScriptedUpstream, trouble: str
) -> None:
    """A worker goes on from what it knew; what was had meanwhile is told when Redis is back."""
    async with gateway(config(upstream, redis.url, requests_per_minute=4, tokens_per_minute=1000)) as place:
        before = await status(place)
        await until(lambda: redis.tell("GET", f"{NAME}:tokens") == b"16")
        redis.pause() if trouble == "paused" else redis.kill()
        during = [await timed(place) for _ in range(4)]
        redis.resume() if trouble == "paused" else redis.start()
        kept = 4 if trouble == "paused" else 3  # one that is started anew has forgotten
        await until(lambda: redis.tell("GET", f"{NAME}:tokens") == b"%d" % (16 * kept))

    assert (before, during) == (200, [(200, True)] * 3 + [(429, True)])


async def test_a_gateway_starts_and_limits_without_redis(tmp_path: Path, upstream: ScriptedUpstream) -> None:
    """It stays ready, says so in its metrics, and finds Redis by itself."""
    if REDIS_SERVER is None:
        pytest.skip(MISSING)
    server = RedisServer(tmp_path / "redis")
    server.stop()
    async with gateway(config(upstream, server.url, requests_per_minute=2)) as place:
        told = [await timed(place) for _ in range(3)]
        await until(lambda: not is_well(place))
        server.start()
        try:
            await until(lambda: is_well(place))
            found = await status(place, f"x-api-key: {SPARE}")
            names = {name.decode().rpartition(":")[2] for name in redis_names(server)}
        finally:
            server.stop()

    assert (told, found) == ([(200, True)] * 2 + [(429, True)], 200)
    assert "requests" in names


def redis_names(server: RedisServer) -> list[bytes]:
    with server.admin() as admin:
        return list(admin.scan_iter("plano:keys:*"))


@pytest.mark.parametrize(
    "command",
    [
        pytest.param(("LPUSH", f"{NAME}:requests", "x"), id="another type"),
        pytest.param(("SET", f"{NAME}:requests", "many"), id="no number"),
        pytest.param(("SETRANGE", f"{NAME}:requests", 10_000_000, "x"), id="10 MB"),
    ],
)
async def test_what_is_no_count_concerns_its_key_alone(
    redis: RedisServer, upstream: ScriptedUpstream, command: tuple[str | int, ...]
) -> None:
    """Redis is well, and other keys are counted there."""
    redis.tell(*command)
    async with gateway(config(upstream, redis.url, requests_per_minute=2)) as place:
        told = [await timed(place) for _ in range(3)]
        spare = await status(place, f"x-api-key: {SPARE}")
        alone, well = dict(place.worker.recording.snapshot().keys.alone), is_well(place)

    assert (told, spare) == ([(200, True)] * 2 + [(429, True)], 200)
    assert (alone, well) == ({"research": 2, "spare": 0}, True)


async def test_a_wrong_password_is_never_shown(tmp_path: Path, upstream: ScriptedUpstream) -> None:
    """The gateway serves, and says neither password."""
    if REDIS_SERVER is None:
        pytest.skip(MISSING)
    port = free_port()
    with running(tmp_path / "redis", "--requirepass", "sk-right-canary", port=port):
        async with gateway(config(upstream, f"redis://:sk-wrong-canary@127.0.0.1:{port}")) as place:
            told = await asked(place.port, Dialect.OPENAI_CHAT, SHOWN, stream=False)
            (*_, line) = await place.logged(1)

    assert (told.status, "canary" in f"{told} {line}") == (200, False)


# --- a client that leaves ---


async def test_a_client_that_leaves_while_redis_is_asked_is_gone(
    redis: RedisServer, upstream: ScriptedUpstream
) -> None:
    """Nothing is sent for it, and its place is free for the next."""
    body = json.dumps({"model": OPENAI_MODEL, "messages": [{"role": "user", "content": "hi"}]}).encode()
    limits: Mapping[str, Any] = {"requests_per_minute": 100, "max_concurrent": 1}
    async with gateway(config(upstream, redis.url, **limits)) as place:
        await status(place)
        await place.logged(1)
        redis.pause()
        async with RawClient(place.port) as client:
            await client.post("/v1/chat/completions", body, SHOWN)
        (*_, line) = await place.logged(2)
        redis.resume()
        after = await status(place)

    assert (line["status"], line["phase"], line["attempts"]) == (499, "decide", 0)
    assert (len(upstream.attempts), after) == (2, 200)
