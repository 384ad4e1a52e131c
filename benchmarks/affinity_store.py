"""What a pin costs in each store, and what a paused Redis does to requests.

`python -m benchmarks.affinity_store` needs `redis-server`; it starts its own on a port of loopback, persists
nothing, and leaves nothing running.
"""

from __future__ import annotations

import asyncio
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from itertools import count

import uvloop

from plano.routing.affinity import Pin, session_key
from plano.routing.ports import AffinityStore
from plano.stores.memory import MemoryStore
from plano.stores.redis.store import RedisStore

PIN = Pin("anthropic/claude-sonnet-4-5", "code generation")
KEY = session_key("acme", "0b6f4a57-5d8c-4b57-a3a5-0f2f9a6f3a11")
OPERATIONS = 10_000
TOGETHER = 64
TTL_S = 600.0
WARM_UP = 500

Operation = Callable[[], Awaitable[object]]


@contextmanager
def redis_server() -> Iterator[tuple[int, subprocess.Popen[bytes]]]:
    """Its port and its process, once it answers."""
    program = shutil.which("redis-server")
    if program is None:
        sys.exit("redis-server is not here; tools/ensure_redis.sh installs it")
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        command = [program, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", folder]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            for line in process.stdout:
                if b"eady to accept connections" in line:
                    break
            try:
                yield port, process
            finally:
                process.kill()


def percentile(sorted_times: list[float], share: float) -> float:
    return sorted_times[min(len(sorted_times) - 1, int(len(sorted_times) * share))]


async def measured(name: str, operation: Operation) -> None:
    """One after the other, as one session asks."""
    for _ in range(WARM_UP):
        await operation()
    times = []
    cpu = time.process_time()
    for _ in range(OPERATIONS):
        began = time.perf_counter()
        await operation()
        times.append(time.perf_counter() - began)
    cpu = (time.process_time() - cpu) / OPERATIONS
    times.sort()
    p50, p99 = percentile(times, 0.5), percentile(times, 0.99)
    print(f"{name:<28} p50 {p50 * 1e3:7.4f} ms   p99 {p99 * 1e3:7.4f} ms   CPU {cpu * 1e6:6.1f} µs")


async def measured_together(name: str, operation: Operation) -> None:
    """Many sessions at once."""
    times = []

    async def one_after_the_other() -> None:
        for _ in range(OPERATIONS // TOGETHER):
            began = time.perf_counter()
            await operation()
            times.append(time.perf_counter() - began)

    cpu = time.process_time()
    async with asyncio.TaskGroup() as group:
        for _ in range(TOGETHER):
            group.create_task(one_after_the_other())
    cpu = (time.process_time() - cpu) / len(times)
    times.sort()
    p50, p99 = percentile(times, 0.5), percentile(times, 0.99)
    print(f"{name:<28} p50 {p50 * 1e3:7.4f} ms   p99 {p99 * 1e3:7.4f} ms   CPU {cpu * 1e6:6.1f} µs")


async def measure(store: AffinityStore) -> None:
    numbers = count()
    await store.pin_first(KEY, PIN, TTL_S)
    await measured(f"{store.name}: read", lambda: store.read(KEY))
    await measured(f"{store.name}: pin first", lambda: store.pin_first(f"{KEY}{next(numbers)}", PIN, TTL_S))
    await store.pin_first(KEY, PIN, TTL_S)  # so many others may have displaced it
    await measured(f"{store.name}: move", lambda: store.move(KEY, PIN))
    await measured_together(f"{store.name}: read, {TOGETHER} at once", lambda: store.read(KEY))


async def pause(store: RedisStore, process: subprocess.Popen[bytes]) -> None:
    """Requests go on while Redis is stopped and after it goes on."""
    process.send_signal(signal.SIGSTOP)
    before: list[float] = []

    async def ask() -> None:
        while store.state.status == "ok":
            began = time.perf_counter()
            await store.read(KEY)
            before.append(time.perf_counter() - began)

    async with asyncio.TaskGroup() as group:
        for _ in range(TOGETHER):
            group.create_task(ask())
    after = []
    for _ in range(OPERATIONS):
        began = time.perf_counter()
        await store.read(KEY)
        after.append(time.perf_counter() - began)
    await asyncio.sleep(3.0)
    process.send_signal(signal.SIGCONT)
    began = time.perf_counter()
    while store.state.status != "ok":  # noqa: ASYNC110 - the store tells nobody
        await asyncio.sleep(0.001)
    back_s = time.perf_counter() - began
    print(f"\nRedis paused under {TOGETHER} sessions: {len(before)} operations until nobody asks any more,")
    print(f"the longest {max(before) * 1e3:.1f} ms; then p99 {percentile(sorted(after), 0.99) * 1e6:.1f} µs;")
    print(f"paused for 3 s, back {back_s:.2f} s after it goes on")


async def main() -> None:
    await measure(MemoryStore())
    with redis_server() as (port, process):
        store = RedisStore.at(f"redis://127.0.0.1:{port}")
        await store.start()
        await measure(store)
        await pause(store, process)
        await store.close()


if __name__ == "__main__":
    uvloop.run(main())
