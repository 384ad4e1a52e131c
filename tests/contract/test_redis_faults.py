"""Redis in trouble: a request loses its affinity, 50 ms at most, and nothing else; and Redis comes back."""

from __future__ import annotations

import asyncio
import time
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from plano.routing.affinity import NoPin, Pin, StoreState, Unavailable
from plano.stores.redis.guard import RedisLimits
from plano.stores.redis.store import PROBE_KEY, RedisStore
from tests.contract.redis_server import RedisServer, free_port, running
from tests.wall.authority import Authority
from tests.wall.resp import TROUBLES, RespStub
from tests.wall.script import Raw, Script

KEY = "plano:affinity:s"
PIN = Pin("openai/gpt-5", "code")
SOON = RedisLimits(first_rest_s=0.02, longest_rest_s=0.05)
AT_MOST_S = 1.0
"""50 ms, and what a busy machine adds where hundreds wait at once; a library left to itself waits for five
seconds, several times."""


@asynccontextmanager
async def started(url: str, limits: RedisLimits = SOON) -> AsyncIterator[RedisStore]:
    store = RedisStore.at(url, limits)
    try:
        await store.start()
        yield store
    finally:
        await store.close()


async def until(holds: Callable[[], bool]) -> None:
    """Gives the background its turn until it has done its part; the test's own time limit ends it."""
    while not holds():  # noqa: ASYNC110 - the store tells nobody, as it would tell no gateway
        await asyncio.sleep(0.002)


async def timed(asked: Awaitable[object]) -> float:
    began = time.perf_counter()
    await asked
    return time.perf_counter() - began


async def asked_until_degraded(store: RedisStore, ask: Callable[[], Awaitable[object]]) -> object:
    """The last answer."""
    answer = await ask()
    while is_ok(store):
        answer = await ask()
    return answer


def is_ok(store: RedisStore) -> bool:
    return store.state.status == "ok"


# --- gone, slow, back again ---


async def test_a_store_starts_without_redis_and_finds_it_later(redis_folder: Path) -> None:
    """A replica that starts before Redis is not degraded for life."""
    port = free_port()

    async with started(f"redis://127.0.0.1:{port}") as store:
        before = store.state
        asked = await store.read(KEY)
        with running(redis_folder, port=port):
            await until(lambda: is_ok(store))
            pinned = await store.pin_first(KEY, PIN, 60)

    because = "Redis cannot be reached (ConnectionRefusedError)"
    assert (before, asked, pinned) == (StoreState("degraded", because), Unavailable(because), PIN)


async def test_a_killed_redis_is_noticed_and_found_again(redis_folder: Path) -> None:
    """It restarts empty: sessions are decided afresh, and pinned again."""
    with running(redis_folder) as server:
        async with started(server.url) as store:
            await store.pin_first(KEY, PIN, 60)
            server.kill()
            lost = await asked_until_degraded(store, lambda: store.read(KEY))
            server.start()
            await until(lambda: is_ok(store))

            assert isinstance(lost, Unavailable)
            assert (await store.read(KEY), await store.pin_first(KEY, PIN, 60)) == (NoPin(), PIN)


async def test_a_restart_between_two_requests_costs_neither(redis_folder: Path) -> None:
    """An idle connection that the server has closed is not tried."""
    with running(redis_folder) as server:
        async with started(server.url) as store:
            await store.read(KEY)
            server.kill()
            server.start()
            await asyncio.sleep(0)

            assert (await store.pin_first(KEY, PIN, 60), store.state) == (PIN, StoreState())


async def test_a_paused_redis_costs_a_request_its_50_ms_and_then_nothing(redis_folder: Path) -> None:
    """A slow Redis is worse than a dead one: nobody asks while it is paused. It is back by itself."""
    with running(redis_folder) as server:
        async with started(server.url) as store:
            await store.pin_first(KEY, PIN, 60)
            server.pause()
            async with asyncio.TaskGroup() as group:
                waiting = [group.create_task(timed(store.read(KEY))) for _ in range(100)]
            after = sorted([await timed(store.read(KEY)) for _ in range(1000)])
            told = await store.read(KEY)
            server.resume()
            await until(lambda: is_ok(store))

            assert max(task.result() for task in waiting) < AT_MOST_S
            assert after[990] < 0.001
            assert told == Unavailable("no answer from Redis in 50 ms")
            assert await store.read(KEY) == PIN


async def test_a_pause_between_two_commands_ends_in_time_too(redis_folder: Path) -> None:
    """An operation's limit is for all of it, however many commands it takes."""
    with running(redis_folder) as server, server.admin() as admin:
        async with started(server.url) as store:
            admin.client_pause(10_000)

            took = await timed(store.pin_first(KEY, PIN, 60))

            assert 0.04 < took < AT_MOST_S


async def test_a_full_pool_is_waited_for_no_longer_than_an_operation(redis_folder: Path) -> None:
    """The wait for a connection is part of the 50 ms."""
    with running(redis_folder) as server:
        async with started(server.url, RedisLimits(failures=10_000)) as store:
            server.pause()

            async with asyncio.TaskGroup() as group:
                waiting = [group.create_task(timed(store.read(KEY))) for _ in range(300)]
            server.resume()

            assert max(task.result() for task in waiting) < AT_MOST_S


async def test_a_server_that_accepts_and_says_nothing_delays_no_start(redis_folder: Path) -> None:
    """A gateway that waits for Redis to start is one that Redis can keep from starting."""
    with running(redis_folder) as server:
        server.pause()

        took = await timed(start_and_close(server.url))

        assert took < 1.5


async def start_and_close(url: str) -> None:
    async with started(url):
        pass


# --- refusals ---


async def test_a_wrong_password_is_told_without_the_password(redis_folder: Path) -> None:
    """Not in the state, not in an answer, not in a repr or a traceback."""
    with running(redis_folder, "--requirepass", "the-right-password-1") as server:
        async with started(f"{server.url}?password=the-wrong-password-2") as store:
            shown = f"{store!r} {vars(store)!r} {store.state} {await store.read(KEY)}"
            try:
                await store._link.renew()
            except Exception:  # noqa: BLE001 - whatever it is, it must not tell
                shown += traceback.format_exc()

    assert store.state.because == "Redis refuses the user or the password, or wants one"
    assert "AuthenticationError" in shown
    assert "password-" not in shown


async def test_the_right_password_and_a_database_are_used(redis_folder: Path) -> None:
    """What the url says is where pins are."""
    with running(redis_folder, "--requirepass", "pässword/1") as server:
        async with started(f"{server.url}?db=3&password=p%C3%A4ssword/1") as store:
            await store.pin_first(KEY, PIN, 60)
        with server.admin("pässword/1") as admin:
            here = admin.get(KEY)
            admin.select(3)
            there = admin.get(KEY)

    assert (here, there) == (None, b'{"model_name":"openai/gpt-5","route_name":"code","version":1}')


async def test_a_user_who_may_touch_pins_alone_suffices(redis_folder: Path) -> None:
    """A database is often shared; the probe must not need more than sessions do."""
    with running(redis_folder) as server:
        with server.admin() as admin:
            admin.acl_setuser(
                "plano",
                enabled=True,
                passwords=["+pw"],
                keys=["plano:affinity:*"],
                commands=["+getrange", "+set"],
            )
        async with started(f"{server.url}?username=plano&password=pw") as store:
            assert (store.state, await store.pin_first(KEY, PIN, 60)) == (StoreState(), PIN)
            assert await store.read(KEY) == PIN


async def test_a_replica_that_cannot_be_written_to_is_trouble_until_it_is_promoted(
    redis_folder: Path,
) -> None:
    """After a failover the old master answers, and refuses; a probe that only reads would call it sound."""
    with running(redis_folder) as server, server.admin() as admin:
        async with started(server.url) as store:
            admin.replicaof("127.0.0.1", "1")
            refused = await asked_until_degraded(store, lambda: store.pin_first(KEY, PIN, 60))
            admin.replicaof("NO", "ONE")
            await until(lambda: is_ok(store))

            assert refused == Unavailable("Redis is a replica that cannot be written to (READONLY)")
            assert await store.pin_first(KEY, PIN, 60) == PIN


async def test_a_redis_without_memory_is_trouble_until_there_is_some(redis_folder: Path) -> None:
    """New pins cannot be kept."""
    with running(redis_folder) as server, server.admin() as admin:
        async with started(server.url) as store:
            admin.config_set("maxmemory", "1")
            refused = await asked_until_degraded(store, lambda: store.pin_first(KEY, PIN, 60))
            admin.config_set("maxmemory", "0")
            await until(lambda: is_ok(store))

            assert refused == Unavailable("Redis is out of memory (OOM)")
            assert await store.pin_first(KEY, PIN, 60) == PIN


# --- a key that holds something else ---


@pytest.mark.parametrize(
    ("value", "because"),
    [
        pytest.param(["a"], "another kind of value stands under the key (WRONGTYPE)", id="a list"),
        pytest.param("hello", "the value is not JSON", id="a text"),
        pytest.param("x" * 10_485_760, "the value has more than 4096 bytes", id="10 MiB"),
        pytest.param('{"model_name":7}', "the value is JSON but no pin", id="not quite a pin"),
    ],
)
async def test_a_key_that_holds_something_else_is_no_affinity_for_its_session(
    shared_redis: RedisServer, value: str | list[str], because: str
) -> None:
    """It is left alone, Redis is well, and ten of them open no breaker."""
    with shared_redis.admin() as admin:
        admin.flushall()
        admin.rpush(KEY, *value) if isinstance(value, list) else admin.set(KEY, value)
        async with started(shared_redis.url) as store:
            said = {await store.read(KEY) for _ in range(10)}
            pinned = await store.pin_first(KEY, PIN, 60)
            left = admin.exists(KEY), admin.ttl(KEY)

            assert (said, pinned, left, store.state) == (
                {Unavailable(because)},
                Unavailable(because),
                (1, -1),
                StoreState(),
            )


async def test_an_empty_value_is_no_pin_and_holds_the_key(shared_redis: RedisServer) -> None:
    """To GETRANGE nothing and an empty text are the same."""
    with shared_redis.admin() as admin:
        admin.set(KEY, "")
        async with started(shared_redis.url) as store:
            asked = await store.read(KEY), await store.pin_first(KEY, PIN, 60)

    assert asked == (NoPin(), Unavailable("what stands under the key is no pin"))


async def test_of_a_long_value_only_the_beginning_is_sent(shared_redis: RedisServer) -> None:
    """Ten megabytes a request would be a way to stop a gateway."""
    with shared_redis.admin() as admin:
        admin.set(KEY, "x" * 10_485_760)
        before = admin.info("stats")["total_net_output_bytes"]
        async with started(shared_redis.url) as store:
            await store.read(KEY)
        sent = admin.info("stats")["total_net_output_bytes"] - before

    assert sent < 50_000


# --- whoever else may answer ---

NOT_REDIS = "what answers does not speak Redis"
IN_TIME = "no answer from Redis in 50 ms"
REFUSED = "Redis refuses the user or the password, or wants one"
EXCUSES: Mapping[str, str | None] = {
    "WRONGTYPE": "another kind of value stands under the key (WRONGTYPE)",
    "LOADING": "Redis is loading its data (LOADING)",
    "READONLY": "Redis is a replica that cannot be written to (READONLY)",
    "OOM": "Redis is out of memory (OOM)",
    "NOAUTH": REFUSED,
    "WRONGPASS": REFUSED,
    "NOPERM": "Redis does not permit the user this command or key (NOPERM)",
    "MOVED": "Redis is part of a cluster; the url should begin with redis+cluster:// (MOVED)",
    "ASK": "a cluster moves the key just now (ASK)",
    "CLUSTERDOWN": "the cluster is down (CLUSTERDOWN)",
    "MASTERDOWN": "the cluster is down (CLUSTERDOWN)",
    "BUSY": "Redis answers an error",
    "MAXCLIENTS": "Redis has too many clients",
    "an error in its own words": "Redis answers an error",
    "HTTP": NOT_REDIS,
    "another type of reply": NOT_REDIS,
    "10 MiB": None,  # read within the limit, or not
    "half of 10 MiB": IN_TIME,
    "half a reply and FIN": "Redis cannot be reached",
    "half a reply and silence": IN_TIME,
    "FIN": "Redis cannot be reached",
    "silence": IN_TIME,
}
ODD_REPLIES = (
    b":1\r\n",
    b"*0\r\n",
    b"-MOVED\r\n",
    b"-MOVED a b c\r\n",
    b"$-7\r\n",
    b"$5\r\nab",
    b"*1\r\n" * 100,
)
ANSWERS = [
    *[pytest.param(script, EXCUSES.get(name), id=name) for name, script in TROUBLES.items()],
    *[pytest.param([Raw(reply)], None, id=repr(reply[:24])) for reply in ODD_REPLIES],
]


@pytest.mark.parametrize(("script", "because"), ANSWERS)
async def test_whatever_answers_costs_affinity_alone(script: Script, because: str | None) -> None:
    """A wrong address may lead to anything. None of its words are repeated."""
    async with RespStub(always=script) as redis, started(redis.url) as store:
        told = await store.read(KEY)

    assert isinstance(told, Unavailable)
    assert because is None or told.because.startswith(because)
    assert "beginning with" not in told.because


async def test_a_redis_that_fails_every_command_is_told_of_before_the_first_request() -> None:
    """The first try is at the start, and writes."""
    async with RespStub(always=TROUBLES["LOADING"]) as redis, started(redis.url) as store:
        assert (store.state, len(redis.named("SET"))) == (StoreState("degraded", EXCUSES["LOADING"] or ""), 1)


async def test_more_replies_than_questions_reach_nobody() -> None:
    """A connection that has something to say unasked is not asked again."""
    async with RespStub(always=[Raw(b"+OK\r\n+OK\r\n")]) as redis, started(redis.url) as store:
        held = [await store.pin_first(f"{KEY}{number}", Pin(str(number + 1)), 60) for number in range(20)]

    assert held == [Pin(str(number + 1)) for number in range(20)]
    assert len({said.connection for said in redis.said}) == len(redis.said)


# --- TLS ---


@asynccontextmanager
async def speaking_tls(folder: Path, authority: Authority, host: str) -> AsyncIterator[int]:
    """A Redis behind TLS, with a certificate for `host`."""
    certificate, key = authority.write_certificate(folder, host)
    port = free_port()
    options = ("--tls-port", str(port), "--tls-cert-file", str(certificate), "--tls-key-file", str(key))
    with running(folder, *options, "--tls-auth-clients", "no"):
        yield port


async def test_tls_is_spoken_and_the_server_known(redis_folder: Path) -> None:
    """Pins and passwords cross networks."""
    authority = Authority()
    ca = authority.write_pem(redis_folder / "ca.pem")

    async with (
        speaking_tls(redis_folder, authority, "localhost") as port,
        started(f"rediss://localhost:{port}/0?ssl_ca_certs={ca}") as store,
    ):
        assert (store.state, await store.pin_first(KEY, PIN, 60), await store.read(KEY)) == (
            StoreState(),
            PIN,
            PIN,
        )


@pytest.mark.parametrize(("host", "query"), [("localhost", ""), ("elsewhere.invalid", "?ssl_ca_certs={ca}")])
async def test_tls_is_never_weakened(redis_folder: Path, host: str, query: str) -> None:
    """An unknown authority, and a certificate for somebody else."""
    authority = Authority()
    ca = authority.write_pem(redis_folder / "ca.pem")

    async with (
        speaking_tls(redis_folder, authority, host) as port,
        started(f"rediss://localhost:{port}/0{query.format(ca=ca)}") as store,
    ):
        assert store.state == StoreState("degraded", "Redis cannot be reached (SSLCertVerificationError)")


# --- closing ---


async def test_closing_leaves_no_task_and_no_connection(redis_folder: Path) -> None:
    """Whoever opens closes, also while asking and while trying again."""
    with running(redis_folder) as server, server.admin() as admin:
        before = asyncio.all_tasks()
        async with started(server.url) as well, started("redis://127.0.0.1:1") as ill:
            await asyncio.wait([asyncio.create_task(well.read(KEY)) for _ in range(20)])
            assert not is_ok(ill)
        await until(lambda: len(admin.client_list()) == 1)

        assert (asyncio.all_tasks() - before, await well.read(KEY)) == (set(), well.unavailable)


def test_the_probe_writes_where_no_session_is() -> None:
    """Ids hold no space."""
    assert PROBE_KEY == "plano:affinity: probe"
