"""Everything at once, for as long as asked: `python -m tests.large.soak --minutes 10`.

Providers with every fault of the table, clients that leave, stall and send slowly, sessions, reloads,
on request rolling restarts and a real Redis that hangs. The report has what every answer was, and how
memory, descriptors, threads and tasks have grown. Exits with 1 when an answer was neither right nor
loudly wrong, or somebody else's; when a secret or a prompt was told; when something grows for sure.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import logging
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import astuple, dataclass, field
from pathlib import Path
from typing import Any

from tests.contract.redis_server import RedisServer
from tests.fault.test_fallback import KEYS, SECOND, config_of
from tests.integration.process.launch import FREE, launched, write
from tests.integration.process.reloading import RELOADED, said_again, times_said
from tests.integration.process.test_changes_under_load import ROLLED
from tests.large.mixed_clients import CLIENT_KEY, PROMPT_CANARY, Mixed
from tests.large.mixed_upstream import MixedUpstream
from tests.large.sampling import Sample, sample
from tests.large.slope import Slope, slope
from tests.wall.canary import WITNESS
from tests.wall.gateway import OPENAI_MODEL, listener
from tests.wall.process import GatewayProcess
from tests.wall.upstream import ScriptedUpstream

INSIDE = Path(__file__).parent / "inside"
STALL_S = 3.0
HEADERS_S = 2.0
LIMITS = {
    "first_byte_with_another_s": "400ms",
    "first_byte_s": "2s",
    "silence_s": "2s",
    "client_stall_s": f"{STALL_S:g}s",
    "request_headers_s": f"{HEADERS_S:g}s",
    "idle_s": "5s",
    "drain_idle_s": "2s",
}
MIB = 1024 * 1024
BOUNDS = {"rss_bytes": 16.0 * MIB, "descriptors": 20.0, "threads": 4.0, "tasks": 20.0}
"""An hour may add so much; more than that for sure is a leak."""
SPARE = {"descriptors": 4, "threads": 6, "tasks": 4}
"""How much more than at the beginning there may be at rest, in each worker: what is opened when it is first
needed."""
SETTLING_S = 12.0
"""Idle connections upstream are closed after five."""
MOST_TOLD = 10


@dataclass(slots=True)
class Soak:
    """A run, and what was found."""

    options: argparse.Namespace
    folder: Path
    running: GatewayProcess
    upstreams: Sequence[ScriptedUpstream]
    clients: Mixed
    first: Sample
    samples: list[Sample] = field(default_factory=list)
    logged: Counter[str] = field(default_factory=Counter)
    """Lines of the access log by their ending."""
    troubles: list[str] = field(default_factory=list)
    redis: RedisServer | None = None
    last: Sample | None = None

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            clients = [group.create_task(_as_coroutine(each)) for each in self.clients.everybody()]
            beside = [group.create_task(each) for each in (self._look(), self._change(), self._disturb())]
            await asyncio.sleep(self.options.minutes * 60)
            self.clients.done = True
            await asyncio.wait(clients)
            for each in beside:
                each.cancel()
        await asyncio.sleep(SETTLING_S)
        self.last = await self._sampled()
        self.running.signal(signal.SIGTERM)
        code = await self.running.ended(within_s=60)
        self._take_away()
        if code or b"Traceback" in self.running.stderr:
            self.troubles.append(f"ended with {code}: {self.running.stderr.decode(errors='replace')[-3000:]}")

    async def _look(self) -> None:
        while True:
            self.samples.append(await self._sampled())
            self._take_away()
            await asyncio.sleep(self.options.every)

    async def _sampled(self) -> Sample:
        found = await sample(self.running, self.folder, time.monotonic())
        if self.options.samples:
            with self.options.samples.open("a") as file:
                print(*astuple(found), sep=",", file=file)
        return found

    def _take_away(self) -> None:
        """Read the log, look for secrets, and keep nothing that grows."""
        lines, _, rest = bytes(self.running.stdout).rpartition(b"\n")
        self.running.stdout[:] = rest
        WITNESS.hear("the access log", lines)
        for line in lines.splitlines():
            try:
                self.logged[json.loads(line)["ending"]] += 1
            except (ValueError, KeyError):
                self.troubles.append(f"a line of the access log is {line[:200]!r}")
        for upstream in self.upstreams:
            upstream.attempts.clear()
            upstream.connections.clear()
        WITNESS.hear("standard error", bytes(self.running.stderr))
        self.troubles += WITNESS.leaks()

    async def _change(self) -> None:
        """Reloads, and rolling restarts."""
        reloads = restarts = 0
        while True:
            await asyncio.sleep(self.options.reload_every)
            reloads += 1
            write(self.folder, config(self.upstreams, self.redis, alias=f"alias-{reloads}"))
            self.running.signal(signal.SIGHUP)
            await said_again(self.running, RELOADED, reloads, within_s=60)
            if self.options.restart_every and reloads % self.options.restart_every == 0:
                restarts += 1
                self.running.signal(signal.SIGUSR2)
                await said_again(self.running, ROLLED, restarts, within_s=120)

    async def _disturb(self) -> None:
        """Redis hangs for a while now and then."""
        while self.redis is not None:
            await asyncio.sleep(20.0)
            self.redis.pause()
            try:
                await asyncio.sleep(2.0)
            finally:
                self.redis.resume()

    # -- the report

    def grown(self) -> dict[str, Slope]:
        """Of the time after the warm-up."""
        begin_s = self.samples[0].at_s + self.options.warm_up * 60
        kept = [each for each in self.samples if each.at_s >= begin_s]
        times_s = [each.at_s for each in kept]
        return {name: slope(times_s, [getattr(each, name) for each in kept]) for name in BOUNDS}

    def left_behind(self) -> list[str]:
        """What is still held at rest."""
        assert self.last is not None
        found = [
            f"{name}: {getattr(self.first, name)} at first, {getattr(self.last, name)} at rest"
            for name, spare in SPARE.items()
            if getattr(self.last, name) > getattr(self.first, name) + spare * self.options.workers
        ]
        return [*found, *([f"{self.last.in_flight} requests in flight"] if self.last.in_flight else [])]


async def _as_coroutine(client: Any) -> None:
    await client


def config(upstreams: Sequence[ScriptedUpstream], redis: RedisServer | None, *, alias: str) -> dict[str, Any]:
    """Two models in each of two dialects, the first in trouble; routes in words; sessions."""
    first, second = upstreams
    cache: dict[str, Any] = {"type": "redis", "url": redis.url} if redis else {"type": "memory"}
    chat = [OPENAI_MODEL, *{name for name in SECOND.values() if name.startswith("openai/")}]
    return config_of(
        first.url,
        second.url,
        **listener(**LIMITS),
        model_aliases={alias: {"target": OPENAI_MODEL}},
        routing={"session_cache": cache, "session_ttl_seconds": 60, "session_max_entries": 100},
        routing_preferences=[
            {"name": "code generation", "description": "writing new functions and programs", "models": chat},
            {"name": "translation", "description": "from one human language into another", "models": chat},
        ],
    )


@contextlib.contextmanager
def _redis(folder: Path, *, wanted: bool) -> Iterator[RedisServer | None]:
    if not wanted:
        yield None
        return
    server = RedisServer(folder / "redis")
    try:
        yield server
    finally:
        server.stop()


async def soak(options: argparse.Namespace) -> int:
    """The exit code."""
    chance = random.Random(options.seed)
    for secret in (*KEYS, CLIENT_KEY, PROMPT_CANARY):
        WITNESS.guard(secret)
    flaky, steady = MixedUpstream(chance, options.faults), MixedUpstream(chance, options.faults / 5)
    with tempfile.TemporaryDirectory(prefix="plano-large-") as name:
        folder = Path(name)
        with _redis(folder, wanted=options.redis) as redis:
            async with (
                ScriptedUpstream(otherwise=flaky.answer) as first,
                ScriptedUpstream(otherwise=steady.answer) as second,
            ):
                write(folder, config([first, second], redis, alias="before"))
                environment = {"PYTHONPATH": str(INSIDE), "LARGE_RUN_FOLDER": name}
                more = ("--workers", str(options.workers))
                async with launched("up", *FREE, *more, folder=folder, environment=environment) as running:
                    await running.started()
                    await asyncio.sleep(3.0)
                    clients = Mixed(running.port, chance, options.pause, STALL_S, HEADERS_S)
                    at_first = await sample(running, folder, time.monotonic())
                    run = Soak(options, folder, running, [first, second], clients, at_first, redis=redis)
                    await run.run()
                    return _tell(run, flaky.played + steady.played)


def _tell(run: Soak, played: Counter[str]) -> int:
    troubles = [*run.clients.troubles, *run.troubles, *run.left_behind()]
    print(f"seed {run.options.seed}, {run.options.minutes:g} minutes, {sum(run.logged.values())} log lines")
    for title, counts in (
        ("answers", run.clients.endings),
        ("the log's endings", run.logged),
        ("providers", played),
    ):
        print(f"  {title}: " + ", ".join(f"{count} {name}" for name, count in counts.most_common()))
    print(f"  reloads: {times_said(run.running, RELOADED)}, restarts: {times_said(run.running, ROLLED)}")
    print(f"  at first {run.first}\n  at rest  {run.last}")
    for name, grown in run.grown().items():
        unit = MIB if name == "rss_bytes" else 1
        low, typical, high = (each / unit for each in (grown.low, grown.typical, grown.high))
        print(
            f"  {name} an hour: {typical:+.1f} ({low:+.1f} to {high:+.1f}; at most {BOUNDS[name] / unit:g})"
            f"{' MiB' if unit > 1 else ''}"
        )
        if grown.low > BOUNDS[name]:
            troubles.append(f"{name} grow")
    for trouble in troubles[:MOST_TOLD]:
        print(f"  ! {trouble[:2000]}")
    print(f"missed: {len(troubles)} troubles" if troubles else "reached")
    return int(bool(troubles))


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="tests.large.soak", description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument(
        "--warm-up", type=float, default=2.0, metavar="MINUTES", help="left out of the slopes"
    )
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
    parser.add_argument("--faults", type=float, default=0.2, help="share of the first provider's answers")
    parser.add_argument("--pause", type=float, default=0.05, help="seconds between two requests of a client")
    parser.add_argument("--every", type=float, default=3.0, metavar="S", help="between two samples")
    parser.add_argument("--reload-every", type=float, default=60.0, metavar="S")
    parser.add_argument(
        "--restart-every", type=int, default=0, metavar="N", help="after every so many reloads"
    )
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--redis", action="store_true", help="sessions in a real Redis that hangs at times")
    parser.add_argument("--samples", type=Path, metavar="FILE", help="write them there as CSV, as they come")
    options = parser.parse_args(arguments)
    if options.restart_every:
        options.workers = max(options.workers, 2)
    print(f"seed {options.seed}", flush=True)
    logging.getLogger("asyncio").setLevel(logging.ERROR)  # it warns of writes to clients that have left
    return asyncio.run(soak(options))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
