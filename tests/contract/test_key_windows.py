"""One promise, two keepers: what a key may have is the same, counted by one process or by many in Redis."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from plano.catalog.gateway_keys import GatewayKey
from plano.catalog.names import ModelId
from plano.catalog.prices import Price
from plano.chat.usage import Usage
from plano.errors import KeyExhausted, QuotaExceeded, RateLimited
from plano.exchange.record import ExchangeRecord
from plano.keys.digests import digest_of
from plano.keys.gate import Gate
from plano.keys.opening import gate_for
from plano.keys.shared import Entry, Standing, Verdict
from plano.keys.sharing import Sharing
from plano.routing.affinity import Unavailable
from plano.stores.redis.guard import RedisLimits
from plano.stores.redis.windows import RedisWindows
from tests.contract.redis_server import RedisServer, free_port, running
from tests.contract.test_redis_many import cluster

SECRET = b"pk-a-key-that-nobody-else-has-0123456789abcd"
MODEL = ModelId("openai/gpt-4o")
MIDNIGHT = 86_400.0 * 20_000
NAME = f"plano:keys:{{{digest_of(SECRET).hex()[:32]}}}"

PATIENT = RedisLimits(operation_s=5.0)
"""What is promised of a Redis that is well; a busy machine may take its time. Trouble is told elsewhere."""


class Clocks:
    """Stand still until they are set."""

    def __init__(self) -> None:
        self.now = 50.0
        self.today = MIDNIGHT - 3600.0


class World:
    """Two gateways, with clocks of their own or in one process; and a way to let time pass."""

    def __init__(self, gates: Callable[..., Gate], clocks: Clocks, later: Callable[[float], None]) -> None:
        self._gates = gates
        self._clocks = clocks
        self._later = later
        self.lost = 0

    def open(self, **limits: Any) -> None:
        self.key = GatewayKey("research", digest_of(SECRET), "team", **limits)
        self.one, self.other = (self._gates(self.key, replica) for replica in (0, 1))

    def later(self, seconds: float) -> None:
        self._clocks.now += seconds
        self._later(seconds)

    def next_day(self) -> None:
        self._clocks.today = MIDNIGHT

    async def begin(self, gate: Gate) -> ExchangeRecord:
        record = ExchangeRecord(request_id="r", method="POST", path="/", at=0.0, started=0.0)
        admission = gate.admit(self.key, record)
        if admission is not None:
            await admission()
        return record

    async def ask(self, gate: Gate, tokens: int = 0) -> str:
        """What became of it: `answered`, or the limit that it met."""
        try:
            record = await self.begin(gate)
        except KeyExhausted as exhausted:
            return exhausted.limit
        record.chosen = MODEL
        record.usage = Usage(0, tokens)
        gate.settle(record)
        return "answered"

    async def refusal(self, gate: Gate) -> KeyExhausted:
        with pytest.raises(KeyExhausted) as caught:
            await self.begin(gate)
        return caught.value


@pytest.fixture(params=["memory", "redis"])
async def world(request: pytest.FixtureRequest) -> AsyncIterator[World]:
    clocks = Clocks()
    if request.param == "memory":
        made: list[Gate] = []

        def in_memory(key: GatewayKey, replica: int) -> Gate:
            made.append(opened(key, clocks, made[-1] if made else None))
            return made[-1]

        yield World(in_memory, clocks, lambda _: None)
        return
    server: RedisServer = request.getfixturevalue("shared_redis")
    with server.admin() as admin:
        admin.flushall()
    sharings = [sharing_at(server.url, clocks) for _ in range(2)]
    for each in sharings:
        each.start()
    before: dict[int, Gate] = {}

    def in_redis(key: GatewayKey, replica: int) -> Gate:
        before[replica] = opened(key, clocks, before.get(replica), sharings[replica])
        return before[replica]

    yield World(in_redis, clocks, lambda seconds: let_pass(server, seconds))
    for each in sharings:
        await each.close()


def opened(key: GatewayKey, clocks: Clocks, before: Gate | None, sharing: Sharing | None = None) -> Gate:
    return gate_for(
        [key],
        counts=None if before is None else before.counts,
        prices={MODEL: Price(2.0, 10.0)}.get,
        now=lambda: clocks.now,
        today=lambda: clocks.today,
        sharing=sharing,
    )


def sharing_at(url: str, clocks: Clocks, lose: Callable[[int], None] = lambda _: None) -> Sharing:
    marks = (f"{number:016x}" for number in itertools.count(id(clocks)))
    return Sharing(RedisWindows.at(url, PATIENT), now=lambda: clocks.now, mark=lambda: next(marks), lose=lose)


def let_pass(server: RedisServer, seconds: float) -> None:
    """Every key is so much nearer to its end."""
    with server.admin() as admin:
        for key in admin.scan_iter():
            admin.pexpire(key, admin.pttl(key) - round(seconds * 1000))


async def test_requests_of_a_minute(world: World) -> None:
    """What was refused does not count, so that who hammers is let in when the minute is over."""
    world.open(requests_per_minute=2)
    told = [await world.ask(world.one)]
    world.later(30.0)

    told += [await world.ask(world.other), await world.ask(world.one), await world.ask(world.other)]
    refusal = await world.refusal(world.one)
    world.later(30.1)
    told.append(await world.ask(world.one))

    assert told == ["answered", "answered", "requests", "requests", "answered"]
    assert (type(refusal), 29.0 < refusal.retry_after_s <= 30.0) == (RateLimited, True)


async def test_tokens_are_counted_when_the_answer_has_ended(world: World) -> None:
    """The request that crosses the limit is answered, and the very next one waits."""
    world.open(tokens_per_minute=10)

    told = [await world.ask(world.one, 9), await world.ask(world.one, 9), await world.ask(world.one, 9)]
    refusal = await world.refusal(world.one)
    world.later(60.1)
    told.append(await world.ask(world.one))

    assert told == ["answered", "answered", "tokens", "answered"]
    assert (type(refusal), 58.0 < refusal.retry_after_s <= 60.0) == (RateLimited, True)


async def test_tokens_that_nobody_has_counted_are_none(world: World) -> None:
    """Unknown is not zero, and not a guess either."""
    world.open(tokens_per_minute=1)

    assert [await world.ask(world.one) for _ in range(3)] == ["answered"] * 3


async def test_money_of_a_day_until_midnight(world: World) -> None:
    """Of UTC, an hour later."""
    world.open(max_usd_per_day=0.01)

    told = [await world.ask(world.one, 1000), await world.ask(world.one)]
    refusal = await world.refusal(world.one)
    world.next_day()
    told.append(await world.ask(world.one))

    assert told == ["answered", "quota", "answered"]
    assert (type(refusal), refusal.retry_after_s) == (QuotaExceeded, 3600.0)


async def test_requests_under_way(world: World) -> None:
    """Of this worker, wherever the rest is counted; one that has ended makes room."""
    world.open(max_concurrent=1, requests_per_minute=3)
    first = await world.begin(world.one)

    refusal = await world.refusal(world.one)
    world.one.settle(first)
    told = [await world.ask(world.one) for _ in range(3)]

    assert (type(refusal), refusal.retry_after_s) == (RateLimited, 1.0)
    assert told == ["answered", "answered", "requests"]


async def test_one_that_is_refused_makes_room(world: World) -> None:
    """It was counted as under way while others were asked."""
    world.open(max_concurrent=1, requests_per_minute=1)
    await world.ask(world.one)

    assert [await world.ask(world.one) for _ in range(3)] == ["requests"] * 3


async def test_no_more_than_the_limit_come_through_two_gateways(world: World) -> None:
    """However many ask at the same moment."""
    world.open(requests_per_minute=20)

    async with asyncio.TaskGroup() as group:
        asked = [group.create_task(world.ask(gate)) for _ in range(50) for gate in (world.one, world.other)]

    told = [each.result() for each in asked]
    assert {each: told.count(each) for each in told} == {"answered": 20, "requests": 80}


async def test_a_limit_that_is_raised_forgets_nothing(world: World) -> None:
    """Else whoever edits a ceiling gives the whole of it once more."""
    world.open(requests_per_minute=2)
    told = [await world.ask(world.one) for _ in range(3)]

    world.open(requests_per_minute=3)
    told += [await world.ask(world.one) for _ in range(2)]

    assert told == ["answered", "answered", "requests", "answered", "requests"]


async def test_keys_do_not_touch_each_other(world: World) -> None:
    """What one has had is nobody else's."""
    world.open(requests_per_minute=1)
    await world.ask(world.one)
    mine = world.one
    world.key = GatewayKey("other", digest_of(b"another"), "team", requests_per_minute=1)
    other = world._gates(world.key, 0)

    told = await world.ask(other)
    world.key = GatewayKey("research", digest_of(SECRET), "team", requests_per_minute=1)

    assert (told, await world.ask(mine)) == ("answered", "requests")


# --- in Redis ---


@pytest.fixture
async def shared(shared_redis: RedisServer) -> AsyncIterator[tuple[RedisServer, RedisWindows]]:
    with shared_redis.admin() as admin:
        admin.flushall()
    windows = RedisWindows.at(shared_redis.url, PATIENT)
    await windows.start()
    yield shared_redis, windows
    await windows.close()


REQUESTS = Entry(f"{NAME}:requests", 60, most=2, takes=1)


async def test_what_one_gateway_counts_the_other_knows(shared_redis: RedisServer) -> None:
    """Also where no request of its own tells it along; and nothing is left to tell."""
    with shared_redis.admin() as admin:
        admin.flushall()
    clocks = Clocks()
    sharings = [sharing_at(shared_redis.url, clocks) for _ in range(2)]
    for each in sharings:
        each.start()
    world = World(lambda key, replica: opened(key, clocks, None, sharings[replica]), clocks, lambda _: None)
    world.open(tokens_per_minute=10, max_usd_per_day=1.0)

    await world.ask(world.one, 12)
    await sharings[0].close()
    told = await world.ask(world.other)
    await sharings[1].close()
    with shared_redis.admin() as admin:
        kept = [admin.get(f"{NAME}:{window}") for window in ("tokens", "micro-usd:2024-10-03")]

    assert (told, kept) == ("tokens", [b"12", b"120"])


async def test_nothing_stays_for_ever_and_nothing_tells_the_key(
    shared: tuple[RedisServer, RedisWindows],
) -> None:
    """Every name has an end, and begins with what may be given to a user of Redis to touch."""
    server, windows = shared
    await windows.ask((REQUESTS, Entry(f"{NAME}:tokens", 60, tells=7)), "a1")

    with server.admin() as admin:
        found = {name.decode(): admin.ttl(name) for name in admin.scan_iter()}

    assert {name: 0 < left_s <= 60 for name, left_s in found.items()} == {
        f"{NAME}:requests": True,
        f"{NAME}:tokens": True,
        f"{NAME}:told:a1": True,
        "plano:keys:{ probe }": True,
    }


async def test_what_is_told_twice_counts_once(shared: tuple[RedisServer, RedisWindows]) -> None:
    """Who got no answer tells it again."""
    _, windows = shared
    told = Entry(f"{NAME}:tokens", 60, tells=7)

    answers = [await windows.ask((told,), mark) for mark in ("a1", "a1", "a2")]

    assert [each.standings[0].count for each in answers if isinstance(each, Verdict)] == [7, 7, 14]


async def test_what_is_told_counts_before_it_is_looked_whether_there_is_room(
    shared: tuple[RedisServer, RedisWindows],
) -> None:
    """And a request that finds no room in one window takes none in another."""
    _, windows = shared
    tokens = Entry(f"{NAME}:tokens", 60, most=7, tells=7)

    verdict = await windows.ask((tokens, REQUESTS), "a1")

    assert isinstance(verdict, Verdict)
    assert (verdict.full, verdict.standings[1]) == (0, Standing(0, 0.0))


async def test_a_request_is_one_round_trip(shared: tuple[RedisServer, RedisWindows]) -> None:
    """It stands between the client and its first token."""
    server, windows = shared
    with server.admin() as admin:
        admin.config_resetstat()
        for _ in range(10):
            await windows.ask((REQUESTS, Entry(f"{NAME}:tokens", 60, most=5)), "")
        stats: Any = admin.info("commandstats")

    assert stats["cmdstat_eval"]["calls"] == 10


async def test_a_user_of_redis_needs_no_more_than_is_documented(redis_folder: Path) -> None:
    """A password that leaks is worth so much."""
    port = free_port()
    with running(redis_folder, port=port) as server:
        may = ["~plano:keys:*", "+eval", "+getrange", "+set", "+incrby", "+pttl", "+pexpire"]
        server.tell("ACL", "SETUSER", "keys", "on", ">a-password", *may)
        windows = RedisWindows.at(f"redis://keys:a-password@127.0.0.1:{port}", PATIENT)
        await windows.start()
        verdict = await windows.ask((REQUESTS, Entry(f"{NAME}:tokens", 60, tells=7)), "a1")
        state = windows.state.status
        await windows.close()

    assert (verdict, state) == (Verdict(None, (Standing(1, 60.0), Standing(7, 60.0))), "ok")


async def test_a_window_without_an_end_gets_one(shared: tuple[RedisServer, RedisWindows]) -> None:
    """Somebody has set it by hand; the key would be refused for ever."""
    server, windows = shared
    server.tell("SET", REQUESTS.name, 2)

    verdict = await windows.ask((REQUESTS,), "")

    assert (verdict, server.tell("TTL", REQUESTS.name)) == (Verdict(0, (Standing(2, 60.0),)), 60)


async def test_in_a_cluster_the_windows_of_a_key_are_looked_at_together(redis_folder: Path) -> None:
    """Those of one key are at one server, those of many at all."""
    names = [f"plano:keys:{{{digest_of(b'%d' % number).hex()[:32]}}}" for number in range(20)]
    with cluster(redis_folder) as (one, other):
        windows = RedisWindows.at(f"redis+cluster://127.0.0.1:{one.port}", PATIENT)
        await windows.start()
        answers = [
            await windows.ask(
                (Entry(f"{name}:tokens", 60, most=9, tells=7), Entry(f"{name}:requests", 60, takes=1)), "a1"
            )
            for name in names
        ]
        await windows.close()
        with one.admin() as first, other.admin() as second:
            kept = first.dbsize(), second.dbsize()

    assert answers == [Verdict(None, (Standing(7, 60.0), Standing(1, 60.0)))] * 20
    assert min(kept) > 3


@pytest.mark.parametrize(
    "command",
    [
        pytest.param(("LPUSH", REQUESTS.name, "x"), id="another type"),
        pytest.param(("SET", REQUESTS.name, "many"), id="words"),
        pytest.param(("SET", REQUESTS.name, "-5"), id="less than nothing"),
        pytest.param(("SET", REQUESTS.name, "1.5"), id="no whole number"),
        pytest.param(("SET", REQUESTS.name, "9" * 400), id="more than there can be"),
        pytest.param(("SETRANGE", REQUESTS.name, 10_000_000, "x"), id="10 MB"),
    ],
)
async def test_what_is_no_count_is_trouble_of_that_key_alone(
    shared: tuple[RedisServer, RedisWindows], command: tuple[str | int, ...]
) -> None:
    """Nothing is written, and nothing that was told is lost; Redis itself is well."""
    server, windows = shared
    server.tell(*command)
    tokens = Entry(f"{NAME}:tokens", 60, tells=7)

    refused = [await windows.ask((REQUESTS, tokens), "a1") for _ in range(10)]
    server.tell("DEL", REQUESTS.name)
    answer = await windows.ask((REQUESTS, tokens), "a1")

    assert set(refused) == {Unavailable("what stands under the key is no count")}
    assert (windows.state.status, answer) == ("ok", Verdict(None, (Standing(1, 60.0), Standing(7, 60.0))))
