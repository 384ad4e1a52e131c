"""One promise, two keepers: whatever is true of one store is true of the other."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

import pytest

from plano.routing.affinity import NoPin, Pin, Spending, StoreState, Unavailable, Warm, session_key
from plano.routing.ports import AffinityStore
from plano.stores.memory import MemoryStore
from plano.stores.redis.store import RedisStore
from tests.contract.redis_server import RedisServer

KEY = session_key("acme", "s-1")
FIRST = Pin("openai/gpt-5", "code generation")
SECOND = Pin("anthropic/claude-sonnet-4-5")
TTL_S = 600.0


@dataclass(frozen=True)
class Kept:
    """A store, another replica's view of it, and a way to let time pass."""

    store: AffinityStore
    replica: AffinityStore
    later: Callable[[float], None]


@pytest.fixture(params=["memory", "redis"])
async def kept(request: pytest.FixtureRequest) -> AsyncIterator[Kept]:
    if request.param == "memory":
        clock = [0.0]
        store = MemoryStore(now=lambda: clock[0])
        yield Kept(store, store, lambda seconds: clock.__setitem__(0, clock[0] + seconds))
        return
    server: RedisServer = request.getfixturevalue("shared_redis")
    with server.admin() as admin:
        admin.flushall()
    stores = [RedisStore.at(server.url) for _ in range(2)]
    for each in stores:
        await each.start()
    yield Kept(stores[0], stores[1], lambda seconds: let_pass(server, seconds))
    for each in stores:
        await each.close()


def let_pass(server: RedisServer, seconds: float) -> None:
    """Every key is so much nearer to its end."""
    with server.admin() as admin:
        for key in admin.scan_iter():
            admin.pexpire(key, admin.pttl(key) - round(seconds * 1000))


async def test_nothing_is_pinned_at_first(kept: Kept) -> None:
    """A new session is decided afresh."""
    assert await kept.store.read(KEY) == NoPin()


async def test_a_pin_is_read_by_every_replica(kept: Kept) -> None:
    """Which replica a request reaches is the load balancer's affair."""
    held = await kept.store.pin_first(KEY, FIRST, TTL_S)

    assert (held, await kept.store.read(KEY), await kept.replica.read(KEY)) == (FIRST, FIRST, FIRST)


async def test_the_first_to_pin_wins(kept: Kept) -> None:
    """The second turn was decided without knowing of the first; it goes where the first went."""
    await kept.store.pin_first(KEY, FIRST, TTL_S)

    assert await kept.replica.pin_first(KEY, SECOND, TTL_S) == FIRST


async def test_two_first_turns_that_race_end_on_one_model(kept: Kept) -> None:
    """An agent sends several requests at once; they are one session."""
    pins = [Pin(f"openai/{number}") for number in range(8)]
    async with asyncio.TaskGroup() as group:
        racing = [
            group.create_task(store.pin_first(KEY, pin, TTL_S))
            for pin, store in zip(pins, [kept.store, kept.replica] * 4, strict=True)
        ]

    held = {task.result() for task in racing}
    assert held == {await kept.store.read(KEY)}
    assert held < set(pins)


async def test_a_pin_ends_with_its_time(kept: Kept) -> None:
    """An affinity lasts as long as it was given, counted from the decision."""
    await kept.store.pin_first(KEY, FIRST, TTL_S)

    kept.later(TTL_S + 0.001)

    assert await kept.store.read(KEY) == NoPin()


@pytest.mark.parametrize(
    "use",
    [
        pytest.param(lambda store: store.read(KEY), id="read"),
        pytest.param(lambda store: store.pin_first(KEY, SECOND, TTL_S), id="pinned again"),
        pytest.param(lambda store: store.move(KEY, SECOND), id="moved"),
    ],
)
async def test_no_use_of_a_pin_extends_it(
    kept: Kept, use: Callable[[AffinityStore], Awaitable[object]]
) -> None:
    """A busy session comes back to the router as well as a quiet one."""
    await kept.store.pin_first(KEY, FIRST, TTL_S)
    kept.later(TTL_S / 2)

    await use(kept.store)

    kept.later(TTL_S / 2 + 0.001)
    assert await kept.store.read(KEY) == NoPin()


async def test_a_pin_that_ended_makes_room_for_another(kept: Kept) -> None:
    """The session goes on; its next turn is a first one."""
    await kept.store.pin_first(KEY, FIRST, TTL_S)
    kept.later(TTL_S + 0.001)

    assert await kept.store.pin_first(KEY, SECOND, TTL_S) == SECOND


async def test_a_pin_moves_to_the_model_that_answered(kept: Kept) -> None:
    """After a fallback the session stays where its context is."""
    await kept.store.pin_first(KEY, FIRST, TTL_S)

    moved = await kept.store.move(KEY, SECOND)

    assert (moved, await kept.replica.read(KEY)) == (SECOND, SECOND)


async def test_what_is_not_pinned_does_not_move(kept: Kept) -> None:
    """Moving knows no time for a pin of its own."""
    assert (await kept.store.move(KEY, SECOND), await kept.store.read(KEY)) == (NoPin(), NoPin())


async def test_sessions_do_not_touch_each_other(kept: Kept) -> None:
    """One tenant's pins are never another's."""
    other = session_key("acme:s", "1")
    await kept.store.pin_first(KEY, FIRST, TTL_S)
    await kept.store.pin_first(other, SECOND, TTL_S)

    assert [await kept.store.read(key) for key in (KEY, other, session_key(None, "s-1"))] == [
        FIRST,
        SECOND,
        NoPin(),
    ]


async def test_what_a_session_has_spent_stays_with_it(kept: Kept) -> None:
    """A budget holds for a session, not for a replica."""
    spending = Spending(
        "openai/gpt-5", 0.12, 0.01, 1, 9000, 40000, {"openai/gpt-5": Warm(8000, 1_790_000_000)}
    )

    await kept.store.pin_first(KEY, Pin("openai/gpt-5", None, spending), TTL_S)

    assert await kept.replica.read(KEY) == Pin("openai/gpt-5", None, spending)


async def test_a_pin_that_nobody_could_read_is_refused(kept: Kept) -> None:
    """It would hold the key for its whole life."""
    held = await kept.store.pin_first(KEY, Pin("m" * 5000), TTL_S)

    assert isinstance(held, Unavailable)
    assert await kept.store.read(KEY) == NoPin()


async def test_a_store_in_health_says_so(kept: Kept) -> None:
    """Readiness reports it."""
    assert kept.store.state == StoreState("ok", "")
