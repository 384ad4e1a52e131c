"""Pins in this process: bounded however many sessions there are."""

from __future__ import annotations

import asyncio
import gc
import tracemalloc
from collections.abc import Coroutine
from typing import Any, TypeVar

import pytest

from plano.routing.affinity import NoPin, Pin, Spending, Warm
from plano.stores.memory import MemoryStore

T = TypeVar("T")
PIN = Pin("openai/gpt-5", "code")


def done(coroutine: Coroutine[Any, Any, T]) -> T:
    """Nothing in memory waits."""
    try:
        coroutine.send(None)
    except StopIteration as end:
        result: T = end.value
        return result
    raise AssertionError("it waited")


def test_the_least_recently_used_goes_first() -> None:
    """A session that is busy keeps its pin."""
    store = MemoryStore(most_entries=3)
    for key in "abc":
        done(store.pin_first(key, PIN, 60))
    done(store.read("a"))

    done(store.pin_first("d", PIN, 60))

    assert {key: done(store.read(key)) for key in "abcd"} == {"a": PIN, "b": NoPin(), "c": PIN, "d": PIN}


def test_large_pins_are_bounded_together() -> None:
    """Ten thousand of 4 KiB would be 40 MB."""
    large = Pin("m", None, Spending("m", warm={f"{'w' * 400}{n}": Warm(1, n) for n in range(8)}))
    store = MemoryStore(most_bytes=50_000)

    for number in range(100):
        done(store.pin_first(str(number), large, 60))

    assert store.size <= 50_000
    assert 5 < len(store) < 20


def test_what_is_gone_takes_no_bytes() -> None:
    """A count that drifts ends with an empty store that is full."""
    clock = [0.0]
    store = MemoryStore(most_entries=50, now=lambda: clock[0])
    for number in range(500):
        done(store.pin_first(str(number % 90), PIN, 60))
        done(store.move(str(number % 7), Pin("a" * (number % 40 + 1))))
        clock[0] += 1

    clock[0] += 1000
    for number in range(90):
        done(store.read(str(number)))

    assert (len(store), store.size) == (0, 0)


def test_pins_whose_time_is_over_go_as_others_are_written() -> None:
    """Nobody asks for a session that has ended."""
    clock = [0.0]
    store = MemoryStore(now=lambda: clock[0])
    for number in range(100):
        done(store.pin_first(f"old {number}", PIN, 60))
    clock[0] = 61.0

    for number in range(50):
        done(store.pin_first(f"new {number}", PIN, 60))

    assert len(store) == 50


def test_a_million_sessions_leave_memory_flat() -> None:
    """Ids are the callers' to choose. Fewer are tried here: once it is full, nothing grows."""
    store = MemoryStore(most_entries=1000)

    def sessions(first: int, count: int) -> int:
        for number in range(first, first + count):
            done(store.pin_first(f"plano:affinity:session-{number:09}", PIN, 600))
        gc.collect()
        return tracemalloc.get_traced_memory()[0]

    tracemalloc.start()
    try:
        settled = sessions(0, 3000)
        after = sessions(3000, 30_000)
    finally:
        tracemalloc.stop()

    assert len(store) == 1000
    assert after - settled < 20_000
    assert settled < 2 * store.size


@pytest.mark.parametrize("entries", [1000])
def test_an_operation_looks_at_few_pins(entries: int) -> None:
    """A scan of ten thousand would hold everybody up. The clock tells how many were judged."""
    judged = [0]

    def now() -> float:
        judged[0] += 1
        return 0.0

    store = MemoryStore(now=now)
    for number in range(entries):
        done(store.pin_first(str(number), PIN, 60))

    assert judged[0] <= 4 * entries


def test_racing_on_one_loop_ends_on_one_pin() -> None:
    """Nothing is awaited between looking and writing."""
    store = MemoryStore()

    async def race() -> set[object]:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(store.pin_first("k", Pin(f"m{n}"), 60)) for n in range(5)]
        return {task.result() for task in tasks}

    assert asyncio.run(race()) == {Pin("m0")}
