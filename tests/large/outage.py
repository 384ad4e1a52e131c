"""An outage of the first candidate under load: what every minute of it costs in attempts.

    python -m tests.large.outage [--minutes 3] [--rate 50] [--connections 32] [--how refuses]

The load begins while it is well; then it is gone for so many minutes. Each request names the first model and
has a second to stand in, and must be answered whole. Attempts are counted for every span of a minute, as each
answer tells them, and beside that the requests that the providers have seen.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial

from plano.chat.dialect import Dialect
from tests.fault.asks import ask
from tests.fault.cuts import Cuts
from tests.fault.test_fallback import FIRST, SECOND, config_of, whole
from tests.large.program import print_table, run
from tests.wall.answers import refusal
from tests.wall.gateway import gateway, listener
from tests.wall.raw_client import RawClient
from tests.wall.script import Rst, Script, Stall
from tests.wall.upstream import ScriptedUpstream, good_for

CHAT = Dialect.OPENAI_CHAT
MINUTE_S = 60.0
MOST_A_MINUTE = 1.2
MOST_FOR_ONE = 3
WELL_S = 2.0
"""Of load before the outage."""
SILENT = "is silent"
PATIENCE = listener(first_byte_with_another_s="5s")
"""For a first candidate that says nothing; any other run leaves the limit where it is."""

HOW: Mapping[str, Script | None] = {
    "refuses": None,
    "resets": [Rst()],
    "fails": refusal(503, CHAT),
    "is busy": refusal(429, CHAT),
    SILENT: [Stall()],
}
"""What the first candidate does to every request."""


@dataclass(frozen=True, slots=True)
class Answered:
    """One request."""

    sent_s: float
    """Since the beginning of the outage; less than 0: before."""
    attempts: int
    model: str
    is_whole: bool
    took_s: float


class FailingFirst(ScriptedUpstream):
    """Well, until it is not."""

    def __init__(self) -> None:
        super().__init__(otherwise=lambda request: good_for(request) if self.script is None else self.script)
        self.script: Script | None = None

    async def go_out(self, how: str) -> None:
        script = HOW[how]
        if script is not None:
            self.script = script
            return
        await self.stop_listening()
        self.close_idle()
        self.script = [Rst()]  # to what had connected before


async def load(
    port: int, *, connections: int, rate: float, until: Callable[[], bool], began: Callable[[], float]
) -> list[Answered]:
    """So many connections, each of which asks again at its turn; a late one is not made up for."""
    answers: list[Answered] = []
    between_s = connections / rate

    async def one(number: int) -> None:
        stream = number % 2 == 0
        body, expected = ask(CHAT, stream=stream), whole(CHAT, stream=stream)
        async with RawClient(port) as client:
            await asyncio.sleep(between_s * number / connections)
            while not until():
                sent = time.monotonic()
                await client.post("/v1/chat/completions", body)
                reply = await client.reply(within_s=30.0)
                answers.append(
                    Answered(
                        sent - began(),
                        int(reply.header("x-plano-attempts") or "1"),
                        reply.header("x-plano-model") or "",
                        (reply.status, reply.body, reply.whole) == (200, expected, True),
                        time.monotonic() - sent,
                    )
                )
                await asyncio.sleep(max(0.0, sent + between_s - time.monotonic()))

    async with asyncio.TaskGroup() as group:
        for number in range(connections):
            group.create_task(one(number))
    return answers


def worst_minute(answers: list[Answered]) -> float:
    """The most attempts a request over any minute that begins with one; of a shorter run, over all of it."""
    during = sorted((each for each in answers if each.sent_s >= 0), key=lambda each: each.sent_s)
    latest = during[-1].sent_s
    worst, attempts, end = 0.0, 0, 0
    for start, first in enumerate(during):
        while end < len(during) and during[end].sent_s < first.sent_s + MINUTE_S:
            attempts += during[end].attempts
            end += 1
        if start == 0 or first.sent_s + MINUTE_S <= latest:
            worst = max(worst, attempts / (end - start))
        attempts -= first.attempts
    return worst


async def outage(options: argparse.Namespace) -> tuple[list[Answered], int, int]:
    """The answers, and how many requests the first and the second have seen in the outage."""
    began: float | None = None
    lasts_s = options.minutes * MINUTE_S
    started = time.monotonic()
    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(FailingFirst())
        second = await stack.enter_async_context(Cuts())
        limits = PATIENCE if options.how == SILENT else {}
        running = await stack.enter_async_context(gateway(config_of(first.url, second.url, **limits)))

        def is_over() -> bool:
            return began is not None and time.monotonic() > began + lasts_s

        async with asyncio.TaskGroup() as group:
            loading = group.create_task(
                load(
                    running.port,
                    connections=options.connections,
                    rate=options.rate,
                    until=is_over,
                    began=lambda: began if began is not None else float("inf"),
                )
            )
            await asyncio.sleep(max(0.0, started + WELL_S - time.monotonic()))
            asked_before = len(first.attempts)
            await first.go_out(options.how)
            began = time.monotonic()
        return loading.result(), len(first.attempts) - asked_before, len(second.attempts)


async def main(options: argparse.Namespace) -> list[str]:
    answers, of_first, of_second = await outage(options)
    during = [each for each in answers if each.sent_s >= 0]
    before = len(answers) - len(during)
    attempts = [each.attempts for each in during]
    rows: list[list[object]] = []
    for minute in range(int(max(each.sent_s for each in during) // MINUTE_S) + 1):
        within = [each for each in during if minute <= each.sent_s / MINUTE_S < minute + 1]
        if len(within) > options.rate:  # not the rest of a second behind the last minute
            count = sum(each.attempts for each in within)
            most = max(each.attempts for each in within)
            slowest_ms = 1000 * max(each.took_s for each in within)
            rows.append(
                [minute + 1, len(within), count, f"{count / len(within):.3f}", most, f"{slowest_ms:.0f}"]
            )
    print_table(
        ("minute", "requests", "attempts", "attempts a request", "most for one", "slowest ms"), rows, words=0
    )
    worst = worst_minute(answers)
    print(
        f"the first {options.how}: {before} requests before, {len(during)} during; "
        f"over any minute at most {worst:.3f} attempts a request; "
        f"requests that reached the first: {of_first}, the second: {of_second}"
    )
    return complaints(answers, worst, max(attempts))


def complaints(answers: list[Answered], worst: float, most: int) -> list[str]:
    found = [
        f"{each} was not a whole answer"
        for each in answers
        if not each.is_whole or each.model not in (FIRST[CHAT], SECOND[CHAT])
    ]
    if worst > MOST_A_MINUTE:
        found.append(f"{worst:.3f} attempts a request in a minute, expected at most {MOST_A_MINUTE}")
    if most > MOST_FOR_ONE:
        found.append(f"{most} attempts for one request, expected at most {MOST_FOR_ONE}")
    return found


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--minutes", type=float, default=3.0)
    parser.add_argument(
        "--rate", type=float, default=50.0, help="requests a second, all connections together"
    )
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--how", choices=HOW, default="refuses", help="what the first candidate does")
    return parser.parse_args()


if __name__ == "__main__":
    run(partial(main, options()))
