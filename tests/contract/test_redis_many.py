"""Several servers that are one: a cluster, and a master that Sentinels name."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from redis.crc import key_slot

from plano.routing.affinity import NoPin, Pin
from plano.stores.redis.guard import RedisLimits
from plano.stores.redis.store import RedisStore
from tests.contract.redis_server import RedisServer, SentinelServer, free_port, running
from tests.contract.test_redis_faults import is_ok, started, until

PIN = Pin("openai/gpt-5", "code")
KEYS = [f"plano:affinity:{number}" for number in range(40)]


def wait_for(holds: Callable[[], object]) -> None:
    """Until servers agree among themselves."""
    ends = time.monotonic() + 20
    while not holds():
        if time.monotonic() > ends:
            raise TimeoutError
        time.sleep(0.02)


@contextmanager
def cluster(folder: Path) -> Iterator[tuple[RedisServer, RedisServer]]:
    """Two masters with half the slots each."""
    with ExitStack() as stack:
        nodes = []
        for name in "ab":
            options = ("--cluster-enabled", "yes", "--cluster-port", str(free_port()))
            nodes.append(stack.enter_context(running(folder / name, *options, port=free_port())))
        one, other = nodes
        one.tell("CLUSTER ADDSLOTSRANGE", 0, 8191)
        other.tell("CLUSTER ADDSLOTSRANGE", 8192, 16383)
        bus = one._command[one._command.index("--cluster-port") + 1]
        other.tell("CLUSTER MEET", "127.0.0.1", one.port, bus)
        wait_for(lambda: all(node.tell("CLUSTER INFO")["cluster_state"] == "ok" for node in nodes))
        yield one, other


async def test_a_cluster_keeps_each_pin_where_its_slot_is(redis_folder: Path) -> None:
    """Every replica finds it there, from whichever server it began."""
    with cluster(redis_folder) as (one, other):
        async with (
            started(f"redis+cluster://127.0.0.1:{one.port}") as store,
            started(f"redis+cluster://127.0.0.1:1,127.0.0.1:{other.port}") as replica,
        ):
            await until(lambda: is_ok(replica))  # the first of its servers is none
            pinned = [await store.pin_first(key, PIN, 60) for key in KEYS]
            read = [await replica.read(key) for key in KEYS]
        with one.admin() as first, other.admin() as second:
            kept = first.dbsize(), second.dbsize()

    assert (pinned, read) == ([PIN] * 40, [PIN] * 40)
    assert min(kept) > 0


async def test_slots_that_move_are_followed(redis_folder: Path) -> None:
    """While one is moved, and after."""
    slot = key_slot(KEYS[0].encode())
    with cluster(redis_folder) as (one, other):
        here, there = (one, other) if slot < 8192 else (other, one)
        async with started(f"redis+cluster://127.0.0.1:{one.port}") as store:
            to = there.tell("CLUSTER MYID")
            there.tell("CLUSTER SETSLOT", slot, "IMPORTING", here.tell("CLUSTER MYID"))
            here.tell("CLUSTER SETSLOT", slot, "MIGRATING", to)
            while_moving = await store.read(KEYS[0]), await store.pin_first(KEYS[0], PIN, 60)
            for each in (there, here):
                each.tell("CLUSTER SETSLOT", slot, "NODE", to)
            after = await store.read(KEYS[0])

            assert (while_moving, after, is_ok(store)) == ((NoPin(), PIN), PIN, True)


async def test_the_master_that_a_sentinel_names_is_asked(redis_folder: Path) -> None:
    """And the next one after a failover."""
    ports = free_port(), free_port(), free_port()
    with ExitStack() as stack:
        old = stack.enter_context(running(redis_folder / "old", port=ports[0]))
        new = stack.enter_context(running(redis_folder / "new", port=ports[1]))
        sentinel = SentinelServer(redis_folder / "sentinel", ports[2], old.port)
        stack.callback(sentinel.stop)
        async with started(f"redis+sentinel://127.0.0.1:1,127.0.0.1:{sentinel.port}/mymaster/2") as store:
            await store.pin_first(KEYS[0], PIN, 60)
            with old.admin() as admin:
                before = admin.info("keyspace")
            sentinel.tell("SENTINEL REMOVE", "mymaster")
            sentinel.tell("SENTINEL MONITOR", "mymaster", "127.0.0.1", new.port, 1)
            old.kill()
            await asyncio.sleep(0)
            held = await store.read(KEYS[0]), await store.pin_first(KEYS[0], PIN, 60)
            with new.admin() as admin:
                after = admin.info("keyspace")

    assert (held, "db2" in before, "db2" in after) == ((NoPin(), PIN), True, True)


@pytest.mark.parametrize("service", ["unknown"])
async def test_a_service_that_no_sentinel_knows_is_told(redis_folder: Path, service: str) -> None:
    """The gateway serves without affinity."""
    with running(redis_folder / "s", port=free_port()) as none:
        store = RedisStore.at(f"redis+sentinel://127.0.0.1:{none.port}/{service}", RedisLimits())
        await store.start()
        await store.close()

    assert store.state.because == "Redis cannot be reached (MasterUnknown)"
