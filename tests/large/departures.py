"""Clients that leave, in every phase of an exchange: how soon nothing is open any more on their account.

    python -m tests.large.departures [--each 500] [--phase "mid-stream"]

A third of them closes, a third resets, a third half-closes. What is measured is the time from there to the
moment at which the upstream (or Redis, or the router model) sees its connection closed; where none was open
yet, to the moment at which the gateway has done with the client. Nobody else may be asked afterwards, and
the log must call each of them 499. In the end no more is held than before.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import statistics
import time
from collections.abc import Callable
from dataclasses import astuple
from functools import partial
from itertools import count, cycle

from tests.fault.baseline import Held, held, turns, until
from tests.fault.test_departure import AT_ONCE_S, WAYS
from tests.large.departing import Ended, Phase, Stage, phases
from tests.large.program import print_table, run
from tests.wall.gateway import RunningGateway
from tests.wall.raw_client import RawClient

GIVEN_UP_S = 5.0
"""Who is open then is taken for open for good."""
WARM_UP = 3
"""Departures before what is held is looked at: connections to Redis, say, come with the first of them."""
HEAD = ("phase", "departures", "closed", "p50 ms", "p99 ms", "max ms", "499 in the log", "asked too often")


async def departure(stage: Stage, number: int, leave: Callable[[RawClient], None]) -> float | None:
    """Seconds; None: nobody could leave in time, infinity: it was never closed."""
    async with RawClient(stage.running.port) as client:
        reaching = asyncio.ensure_future(stage.reached(client))
        await asyncio.sleep(0)
        await client.send(stage.wire(number))
        ended: Ended | None = await reaching
        if ended is None:
            return None
        left_at = time.perf_counter()
        leave(client)
        try:
            async with asyncio.timeout(GIVEN_UP_S):
                await ended()
        except TimeoutError:
            return float("inf")
        return time.perf_counter() - left_at


async def settled(running: RunningGateway, *, no_more_than: Held | None = None) -> Held:
    """What is held when nothing is under way; what is more than it should be has time to go."""
    await until(lambda: running.worker.in_flight.count == 0 and not running.worker.server.connections)
    await turns()
    if no_more_than is not None:
        with contextlib.suppress(TimeoutError):
            await until(lambda: not _grown(no_more_than, held(running)))
    return held(running)


async def departures(phase: Phase, each: int) -> tuple[list[object], list[str]]:
    """A row of the table, and what is wrong with it."""
    taken_s: list[float] = []
    missed, numbers, ways = 0, count(), cycle(WAYS.values())
    async with phase.stage() as stage:
        before: Held | None = None
        while len(taken_s) < each + WARM_UP:
            taken = await departure(stage, next(numbers), next(ways))
            if taken is None:
                missed += 1
                continue
            taken_s.append(taken)
            if len(taken_s) == WARM_UP:
                before = await settled(stage.running)
        after = await settled(stage.running, no_more_than=before)
        lines = await stage.running.logged(len(taken_s))
        asked = {who: len(who.attempts) for who in stage.upstreams}
        may_be = stage.asked(len(taken_s))
    left = sum(
        (line["status"], line.get("code"), line["ending"]) == (499, "client_left", "client_left")
        and line["phase"] in phase.logged
        for line in lines
    )
    too_often = sum(number not in may_be[who] for who, number in asked.items())
    closed = [each for each in taken_s[WARM_UP:] if each != float("inf")]
    complaints = [] if before is None else _grown(before, after)
    if len(closed) < each:
        complaints.append(f"{each - len(closed)} were not closed in {GIVEN_UP_S:.0f} s")
    if left != len(taken_s):
        phases_told = sorted({f"{line['status']} in {line['phase']}" for line in lines})
        complaints.append(f"{len(taken_s)} departures, {left} told as such: {', '.join(phases_told)}")
    if too_often:
        complaints.append(f"asked: {list(asked.values())}, expected: {list(may_be.values())}")
    p50, p99 = _quantiles(closed)
    if p99 > AT_ONCE_S:
        complaints.append(f"p99 is {p99 * 1000:.0f} ms, expected at most {AT_ONCE_S * 1000:.0f} ms")
    if missed:
        print(f"{phase.name}: {missed} more had gone on before their client could leave")
    share = f"{100 * len(closed) / each:.1f} %"
    in_ms = [f"{1000 * value:.2f}" for value in (p50, p99, max(closed, default=float("inf")))]
    row: list[object] = [phase.name, each, share, *in_ms, left - WARM_UP, too_often]
    return row, [f"{phase.name}: {each}" for each in complaints]


def _quantiles(taken_s: list[float]) -> tuple[float, float]:
    if len(taken_s) < 2:
        return float("inf"), float("inf")
    hundredths = statistics.quantiles(taken_s, n=100, method="inclusive")
    return hundredths[49], hundredths[98]


def _grown(before: Held, after: Held) -> list[str]:
    more = any(now > then for then, now in zip(astuple(before), astuple(after), strict=True))
    return [f"more is held than before: {after}, {before}"] if more else []


async def main(options: argparse.Namespace) -> list[str]:
    began, rows, complaints = time.monotonic(), list[list[object]](), list[str]()
    for phase in phases():
        if options.phase is None or phase.name in options.phase:
            row, wrong = await departures(phase, options.each)
            rows.append(row)
            complaints += wrong
    print_table(HEAD, rows)
    print(f"{time.monotonic() - began:.0f} s")
    return complaints


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--each", type=int, default=500, help="departures in each phase")
    parser.add_argument("--phase", action="append", choices=[each.name for each in phases()])
    return parser.parse_args()


if __name__ == "__main__":
    run(partial(main, options()))
