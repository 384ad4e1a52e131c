"""The sixteen faults of a provider, over and over in random order, with a second candidate that is well.

    python -m tests.large.faults [--times 10] [--seed 1]

Each fault in every dialect, streaming and not where it can happen in both, and both before and after the
first content where that makes a difference. *Passed*: the client has what it would have had without the
fault, or the refusal that was meant for it. *Safe*: content had gone out, so that no longer could be; it was
told by its dialect's error event and an end that is none, once, and nobody else was asked. Anything else has
failed: so have a request too many to a provider and anything that is held afterwards.
"""

from __future__ import annotations

import argparse
import random
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from functools import partial
from typing import Literal

from plano.chat.dialect import Dialect
from tests.fault.asks import answered, asked
from tests.fault.baseline import unharmed
from tests.fault.cuts import Cuts
from tests.fault.failing import FAULTS, Fault, too_long
from tests.fault.test_fallback import (
    FIRST,
    SECOND,
    answer,
    assert_told_in_the_stream,
    config_of,
    limits,
    to_the_second,
    whole,
)
from tests.fault.told import Told
from tests.large.program import print_table, run
from tests.wall.answers import EVENTS
from tests.wall.gateway import gateway
from tests.wall.upstream import ScriptedUpstream, refusing_port

Verdict = Literal["passed", "safe", "failed"]

ROWS: dict[str, tuple[str, ...]] = {
    "refused": ("refused",),
    "reset before headers": ("reset before headers", "reset in the headers"),
    "slow headers": ("slow headers",),
    "slow first token": ("slow first token",),
    "cut by FIN and RST in mid-stream": (
        "FIN before any content",
        "RST before any content",
        "FIN in mid-stream",
        "RST in mid-stream",
    ),
    "stall in mid-stream": ("stall before any content", "stall in mid-stream"),
    "clean end without terminal event": ("clean end before any content", "clean end without terminal event"),
    "garbage event": ("garbage before any content", "garbage event"),
    "error event first and late": ("error event first", "error event late"),
    "429 with and without Retry-After": ("429 with Retry-After", "429 without Retry-After"),
    "500": ("500",),
    "529": ("529",),
    "401": ("401",),
    "400 context length": ("400 context length",),
    "missing [DONE]": ("missing [DONE]",),
    "outage of the primary": (),
}
"""The list as it is usually written, and the names of its faults in `tests.fault.failing`."""
OUTAGE = "outage of the primary"
IN_AN_OUTAGE = 40
"""Requests of one play of it; the first five find out, at an attempt more each."""
MOST_PER_REQUEST = 1.2
MUST_PASS = 13
_BY_NAME = {fault.name: fault for fault in FAULTS}


@dataclass(frozen=True, slots=True)
class Play:
    """One fault, once."""

    row: str
    fault: Fault | None
    """None: the outage."""
    dialect: Dialect
    stream: bool

    def __str__(self) -> str:
        name = self.row if self.fault is None else self.fault.name
        return f"{name}, {self.dialect.value}, {'stream' if self.stream else 'plain'}"


@dataclass(slots=True)
class Found:
    """What came of the plays of one row."""

    verdicts: dict[Dialect, Counter[Verdict]] = field(default_factory=lambda: defaultdict(Counter))
    most_requests: int = 0
    """Upstream, for one request of a client's: what may have been paid for."""

    def take(self, dialect: Dialect, verdict: Verdict, requests: int) -> None:
        self.verdicts[dialect][verdict] += 1
        self.most_requests = max(self.most_requests, requests)

    def count(self, verdict: Verdict) -> int:
        return sum(counts[verdict] for counts in self.verdicts.values())


@dataclass(frozen=True, slots=True)
class Seen:
    """What one request met with."""

    reply: Told
    asked: tuple[int, int]
    """Requests that the first and the second provider have seen."""


def all_plays(times: int) -> Iterator[Play]:
    for row, names in ROWS.items():
        for _ in range(times):
            for fault in map(_BY_NAME.__getitem__, names):
                for dialect in fault.dialects:
                    yield from (Play(row, fault, dialect, stream) for stream in fault.streams)
            if not names:
                for dialect in Dialect:
                    yield from (Play(row, None, dialect, stream) for stream in (False, True))


async def seen_of(fault: Fault, dialect: Dialect, *, stream: bool) -> Seen:
    """One request to a gateway whose first provider does this; nothing may be left of it afterwards."""
    script = fault.play(dialect, stream)
    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(Cuts())
        second = await stack.enter_async_context(ScriptedUpstream())
        url = first.url if script is not None else f"http://127.0.0.1:{refusing_port()}"
        running = await stack.enter_async_context(gateway(config_of(url, second.url, **limits(fault))))
        await answered(running.port, to_the_second())  # so that its connection is there before and after
        await stack.enter_async_context(unharmed(running))
        before = len(first.attempts), len(second.attempts)
        first.script, first.times = script, fault.requests
        reply = await asked(running.port, dialect, stream=stream)
        requests = len(first.attempts) - before[0], len(second.attempts) - before[1]
        if fault.breaks_off:
            for attempt in first.attempts[before[0] :]:
                await attempt.gone(within_s=1.0)
    return Seen(reply, requests)


def verdict_on(fault: Fault, dialect: Dialect, seen: Seen, *, stream: bool) -> Verdict:
    """By what the client got and by what was asked upstream, whatever was expected. AssertionError where that
    is neither of the two."""
    reply = seen.reply
    alone = (1, 0)
    if reply.status == 200 and not reply.whole:
        assert fault.told == "an error event", "told loudly, although nothing had gone out"
        assert_told_in_the_stream(reply, fault, dialect)
        assert seen.asked == alone, f"told loudly, and asked {seen.asked}"
        return "safe"
    found = answer(reply)
    meant = {
        (200, whole(dialect, stream=stream), True, SECOND[dialect], "2"): (fault.requests, 1),
        (400, too_long(dialect), True, FIRST[dialect], None): alone,
        (200, b"".join(EVENTS[dialect][:-1]), True, FIRST[dialect], None): alone,
    }
    assert found in meant, f"the client got {found}"
    assert seen.asked == meant[found], f"{found[0]}, and asked {seen.asked}"
    assert fault.told != "an error event", "an answer that is whole behind one that was cut"
    return "passed"


async def outage(dialect: Dialect, *, stream: bool) -> int:
    """Requests to a gateway whose first provider cannot be reached. The most attempts for one of them."""
    async with ScriptedUpstream() as second:
        config = config_of(f"http://127.0.0.1:{refusing_port()}", second.url)
        async with gateway(config) as running, unharmed(running):
            replies = [await asked(running.port, dialect, stream=stream) for _ in range(IN_AN_OUTAGE)]
    attempts = [int(reply.headers.get("x-plano-attempts", "1")) for reply in replies]
    right = (200, whole(dialect, stream=stream), True, SECOND[dialect])
    assert {answer(reply)[:4] for reply in replies} == {right}, "not everybody got the second's answer"
    assert sum(attempts) <= MOST_PER_REQUEST * IN_AN_OUTAGE, f"{sum(attempts)} attempts"
    return max(attempts)


async def verdict_of(play: Play) -> tuple[Verdict, int]:
    """And how many requests were made of providers."""
    if play.fault is None:
        return "passed", await outage(play.dialect, stream=play.stream)
    seen = await seen_of(play.fault, play.dialect, stream=play.stream)
    return verdict_on(play.fault, play.dialect, seen, stream=play.stream), sum(seen.asked)


def _cell(counts: Counter[Verdict]) -> str:
    return " / ".join(str(counts[verdict]) for verdict in ("passed", "safe", "failed")) if counts else ""


def _print(found: dict[str, Found]) -> None:
    head = ["passed / safe / failed", *(dialect.value for dialect in Dialect), "requests at most"]
    rows: list[list[object]] = [
        [
            row,
            *(_cell(found[row].verdicts.get(dialect, Counter())) for dialect in Dialect),
            found[row].most_requests,
        ]
        for row in ROWS
    ]
    print_table(head, rows)
    passed = [row for row in ROWS if not found[row].count("safe") and not found[row].count("failed")]
    loud = [row for row in ROWS if found[row].count("safe") and not found[row].count("failed")]
    print(f"rescued, or answered as meant, wherever it happens: {len(passed)} of {len(ROWS)} rows")
    print(f"the same before any content, told loudly after it:  {len(loud)} of {len(ROWS)} rows")
    print(f"neither:                                            {len(ROWS) - len(passed) - len(loud)}")


async def main(options: argparse.Namespace) -> list[str]:
    began, complaints = time.monotonic(), list[str]()
    plays = list(all_plays(options.times))
    random.Random(options.seed).shuffle(plays)
    found: dict[str, Found] = defaultdict(Found)
    for play in plays:
        try:
            verdict, requests = await verdict_of(play)
        except (AssertionError, TimeoutError) as error:
            verdict, requests = "failed", 0
            complaints.append(f"{play}: {error!r}")
        found[play.row].take(play.dialect, verdict, requests)
    _print(found)
    good = sum(not each.count("failed") for each in found.values())
    if good < MUST_PASS:
        complaints.append(f"{good} rows without a failure, expected at least {MUST_PASS}")
    print(f"{len(plays)} plays, seed {options.seed}, {time.monotonic() - began:.0f} s")
    return complaints


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--times", type=int, default=10, help="how often each is played")
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 32), help="of their order")
    return parser.parse_args()


if __name__ == "__main__":
    run(partial(main, options()))
