"""A crowd that sends slowly, beside healthy load: closed in time, and felt by nobody."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from benchmarks.load import Load
from tests.large.kernel import Held
from tests.large.slow_senders import Part, SlowSender, come_and_drip
from tests.large.stand import Stand, giving_way, stand

LATE_S = 1.0
"""How much later than its deadline a client may be closed."""
MOST_RATIO = 1.2
ARRIVING_S = 1.5
DEFAULTS: dict[Part, float] = {"headers": 10.0, "body": 60.0}


@dataclass(frozen=True, slots=True)
class Crowded:
    """One crowd, the load that was measured beside it, and the same load alone, just before."""

    part: Part
    deadline_s: float
    senders: Sequence[SlowSender]
    alone: Load
    beside: Load
    before: Held
    during: Held
    after: Held

    @property
    def lasted(self) -> list[float]:
        return sorted(sender.lasted_s for sender in self.senders if sender.lasted_s is not None)

    @property
    def answers(self) -> Counter[int]:
        return Counter(sender.status for sender in self.senders)

    @property
    def ratio(self) -> float:
        return self.beside.p99_us / self.alone.p99_us

    @property
    def troubles(self) -> list[str]:
        found = []
        late = [lasted for lasted in self.lasted if lasted > self.deadline_s + LATE_S]
        if late or len(self.lasted) < len(self.senders):
            left = len(self.senders) - len(self.lasted)
            found.append(f"{len(late)} closed late, {left} never")
        if self.answers.keys() != {408}:
            found.append(f"answers {dict(self.answers)}; expected 408 alone")
        if self.alone.errors or self.beside.errors:
            found.append(f"{self.alone.errors} + {self.beside.errors} healthy requests failed")
        if self.after.descriptors > self.before.descriptors:
            found.append(f"descriptors {self.before.descriptors} before, {self.after.descriptors} after")
        return found


async def crowded(bench: Stand, part: Part, clients: int, deadline_s: float) -> Crowded:
    """A window of healthy load alone, then the same with a crowd that comes and is closed in it."""
    window_s = deadline_s + ARRIVING_S + LATE_S
    before = bench.held
    alone = await bench.load(window_s)
    loading = asyncio.create_task(bench.load(window_s))
    slow = asyncio.create_task(come_and_drip(part, clients, bench.port, until_s=window_s + 5.0))
    await asyncio.sleep(window_s / 2)
    during = bench.held
    beside, senders = await loading, await slow
    await _at_rest(bench, before)
    return Crowded(part, deadline_s, senders, alone, beside, before, during, bench.held)


async def _at_rest(bench: Stand, before: Held) -> None:
    """Wait for a while until the gateway has closed what clients have left."""
    for _ in range(50):
        if bench.held.descriptors <= before.descriptors:
            return
        await asyncio.sleep(0.1)


async def run(clients: int, rounds: int, deadline_s: float | None) -> int:
    """`deadline_s` is configured for both parts. None: the defaults; only when clients are closed is then
    judged, and the crowd does not give way, so that it sees that in time. The exit code."""
    limits = {}
    if deadline_s is not None:
        limits = {"request_headers_s": f"{deadline_s:g}s", "request_body_s": f"{deadline_s:g}s"}
    found: list[Crowded] = []
    async with stand(limits) as bench:
        with contextlib.nullcontext() if deadline_s is None else giving_way():
            await bench.load(2.0)
            for _ in range(rounds):
                for part, default_s in DEFAULTS.items():
                    found.append(await crowded(bench, part, clients, deadline_s or default_s))
                    _tell(found[-1])
    return _verdict(found, with_ratio=deadline_s is not None)


def _tell(crowd: Crowded) -> None:
    lasted, held = crowd.lasted, crowd.during
    closed = f"{lasted[0]:.2f} to {lasted[-1]:.2f} s" if lasted else "never"
    print(
        f"slow {crowd.part:7} {len(crowd.senders)} clients, deadline {crowd.deadline_s:g} s: "
        f"closed after {closed}, answers {dict(crowd.answers)}, "
        f"{held.descriptors} descriptors, {held.rss_bytes >> 20} MiB"
    )
    for name, load in (("alone", crowd.alone), ("beside", crowd.beside)):
        print(
            f"  healthy {name:6} {load.requests / load.seconds:7.0f} requests/s, p50 {load.p50_us:6.0f} us, "
            f"p99 {load.p99_us:6.0f} us, {load.errors} failed"
        )
    print(
        f"  p99 ratio {crowd.ratio:.2f}", *crowd.troubles, sep="\n  ! " if crowd.troubles else "", flush=True
    )


def _verdict(found: Sequence[Crowded], *, with_ratio: bool) -> int:
    missed = any(crowd.troubles for crowd in found)
    for part in DEFAULTS if with_ratio else ():
        ratios = [crowd.ratio for crowd in found if crowd.part == part]
        typical = median(ratios)
        words = ", ".join(f"{ratio:.2f}" for ratio in ratios)
        missed = missed or typical > MOST_RATIO
        print(f"slow {part}: median p99 ratio {typical:.2f} (at most {MOST_RATIO}) of {words}")
    print("missed" if missed else "reached")
    return int(missed)
