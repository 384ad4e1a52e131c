"""What gateway keys cost a request: none, counted in this process, counted in Redis.

`python -m benchmarks.gateway_keys` needs `redis-server`; it starts its own, and a gateway, a provider and
clients in this one process, so that its CPU time is all of theirs. Rounds alternate, and what is compared is
compared within the run.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any, cast

import uvloop

from benchmarks.affinity_store import redis_server
from plano import bootstrap
from plano.catalog.build import load_catalog
from plano.keys.digests import hash_of

KEY = "pk-a-key-for-measuring-0123456789abcdef"
LIMITS = {
    "requests_per_minute": 10**9,
    "tokens_per_minute": 10**12,
    "max_concurrent": 10**6,
    "max_usd_per_day": 10**6,
}
BODY = json.dumps({"model": "openai/gpt-4o", "messages": [{"role": "user", "content": "x" * 1000}]}).encode()
ANSWER = json.dumps(
    {
        "id": "a",
        "object": "chat.completion",
        "created": 1,
        "model": "gpt-4o",
        "usage": {"prompt_tokens": 300, "completion_tokens": 5, "total_tokens": 305},
        "choices": [
            {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "Hello."}}
        ],
    }
).encode()
WIRE = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (
    len(ANSWER),
    ANSWER,
)
CLIENTS = (1, 16)


@dataclass(frozen=True, slots=True)
class Round:
    """Of one gateway and so many clients."""

    cpu_us: float
    """A request, all parties together."""
    p50_us: float
    requests_per_s: float


class Provider(asyncio.Protocol):
    """Answers every request with the same."""

    def __init__(self) -> None:
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, found, body = self._received.partition(b"\r\n\r\n")
        if found and len(body) >= int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0]):
            self._received = b""
            self._transport.write(WIRE)


@asynccontextmanager
async def gateway(upstream: int, *, keys: bool, redis: int | None) -> AsyncIterator[int]:
    """The port of one, which logs to nowhere."""
    listener: dict[str, Any] = {"name": "models", "type": "model"}
    if keys:
        listener["keys"] = [{"name": "measured", "hash": hash_of(KEY), **LIMITS}]
    written: dict[str, Any] = {
        "version": "v0.4.0",
        "listeners": [listener],
        "model_providers": [
            {"model": "openai/gpt-4o", "base_url": f"http://127.0.0.1:{upstream}", "access_key": "k"}
        ],
    }
    if redis is not None:
        written["routing"] = {"session_cache": {"type": "redis", "url": f"redis://127.0.0.1:{redis}"}}
    nowhere = os.open(os.devnull, os.O_WRONLY)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "config.yaml"
        file.write_text(json.dumps(written))
        configuration, catalog = load_catalog(file, {})
        worker = bootstrap.Gateway(configuration, catalog, bootstrap.Options(log_descriptor=nowhere))
        with bootstrap.bind("127.0.0.1", 0) as listening:
            port: int = listening.getsockname()[1]
            await worker.listen(listening)
            try:
                yield port
            finally:
                await worker.stop(grace_s=0)
                os.close(nowhere)


async def measure(port: int, clients: int, requests: int) -> Round:
    """Each client asks one question after the other, over a connection of its own."""
    asked = (
        b"POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n"
        b"authorization: Bearer %b\r\ncontent-length: %d\r\n\r\n%b" % (KEY.encode(), len(BODY), BODY)
    )
    times: list[float] = []

    async def ask(count: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for _ in range(count):
            began = time.perf_counter()
            writer.write(asked)
            head = await reader.readuntil(b"\r\n\r\n")
            if not head.startswith(b"HTTP/1.1 200"):
                raise RuntimeError(head.decode())
            await reader.readexactly(int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0]))
            times.append(time.perf_counter() - began)
        writer.close()

    began, cpu = time.perf_counter(), time.process_time()
    async with asyncio.TaskGroup() as group:
        for _ in range(clients):
            group.create_task(ask(requests // clients))
    took, cpu = time.perf_counter() - began, time.process_time() - cpu
    return Round(cpu / len(times) * 1e6, median(times) * 1e6, len(times) / took)


async def compare(redis: int, rounds: int, requests: int) -> None:
    server = await asyncio.get_running_loop().create_server(Provider, "127.0.0.1", 0)
    upstream = server.sockets[0].getsockname()[1]
    async with (
        gateway(upstream, keys=False, redis=None) as without,
        gateway(upstream, keys=True, redis=None) as in_memory,
        gateway(upstream, keys=True, redis=redis) as in_redis,
    ):
        ports = {"no keys": without, "keys, in memory": in_memory, "keys, in Redis": in_redis}
        for port in ports.values():
            await measure(port, max(CLIENTS), requests // 2)
        for clients in CLIENTS:
            found: dict[str, list[Round]] = {name: [] for name in ports}
            for _ in range(rounds):
                for name, port in ports.items():
                    found[name].append(await measure(port, clients, requests))
            show(clients, found)
    server.close()


def show(clients: int, found: dict[str, list[Round]]) -> None:
    print(f"{clients} client{'s' * (clients > 1)}, medians of {len(next(iter(found.values())))} rounds")
    first: float | None = None
    for name, rounds in found.items():
        cpu_us = median(each.cpu_us for each in rounds)
        first = first or cpu_us
        p50_us = median(each.p50_us for each in rounds)
        rate = median(each.requests_per_s for each in rounds)
        print(
            f"  {name:<16} CPU {cpu_us:6.1f} µs a request ({cpu_us / first:4.2f} x)   p50 {p50_us:6.0f} µs   "
            f"{rate:6.0f} requests/s"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--requests", type=int, default=4000, help="of a round")
    arguments = parser.parse_args()
    with redis_server() as (port, _):
        uvloop.run(compare(port, arguments.rounds, arguments.requests))


if __name__ == "__main__":
    main()
