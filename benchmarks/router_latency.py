"""What a decision of the embedded router takes: `python -m benchmarks.router_latency`.

One event loop, the router's own thread, the routes of the example below; every fresh text is new to the
router. The stall is how late a timer of the loop came meanwhile: what a relayed stream would notice.
"""

from __future__ import annotations

import asyncio
import random
import resource
import statistics
import sys
import time
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from plano.catalog.catalog import Route
from plano.catalog.names import RouteName
from plano.classifiers.embedded.router import EmbeddedRouter
from plano.routing.route_set import RouteSet
from plano.routing.utterance import Utterance
from plano.routing.verdict import Unable

ROUTES = RouteSet(
    [
        Route(RouteName(name), description, ())
        for name, description in (
            ("code generation", "writing new functions, scripts or programs from a description"),
            ("code understanding", "explaining what existing code does and how it works"),
            ("debugging", "finding out why code fails, crashes or gives a wrong result"),
            ("contracts", "drafting, reading or changing clauses, agreements and terms"),
            ("health", "symptoms, illness, treatment and medication"),
            ("creative writing", "poems, stories, lyrics and other imaginative pieces"),
            ("mathematics", "calculations, equations, probability and proofs"),
            ("translation", "rendering text from one language into another"),
        )
    ]
)
WORDS = """
please write code that reads every line of the file and prints what has a date or an amount in it
then tell me why my old one was so slow and what the law says about keeping such data
"""
FRESH, CACHED = 300, 3000
IDLE_S = 1.0
TICK_S = 0.001


async def main() -> None:
    table = Table(title="A decision of the embedded router", title_justify="left")
    for heading in ("", "p50 ms", "p99 ms", "loop stalled, p99 ms", "at most, ms"):
        table.add_column(heading, justify="left" if not heading else "right")
    before = _rss_mib()
    began = time.perf_counter()
    router = EmbeddedRouter()
    router.warm(ROUTES)
    await _decide(router, "the first decision")
    first_ms = (time.perf_counter() - began) * 1e3
    table.add_row("nothing to decide", "", "", *_stalled(await _idle()))
    for what, words in (("15 new tokens", 13), ("128 new tokens", 126)):
        texts = [" ".join(random.choices(WORDS.split(), k=words)) for _ in range(FRESH)]
        table.add_row(what, *await _measured(router, texts))
    table.add_row("decided before", *await _measured(router, ["the first decision"] * CACHED))
    router.close()
    console = Console(width=100)
    console.print(table)
    console.print(
        f"the first, from nothing loaded: {first_ms:.0f} ms; RSS added: {_rss_mib() - before:.0f} MiB"
    )


async def _measured(router: EmbeddedRouter, texts: Sequence[str]) -> tuple[str, str, str, str]:
    took: list[float] = []
    stalls: list[float] = []
    watch = asyncio.create_task(_watch(stalls))
    for text in texts:
        began = time.perf_counter()
        await _decide(router, text)
        took.append((time.perf_counter() - began) * 1e3)
        await asyncio.sleep(0)
    watch.cancel()
    return f"{statistics.median(took):.3f}", f"{statistics.quantiles(took, n=100)[98]:.3f}", *_stalled(stalls)


async def _idle() -> list[float]:
    """How late timers come on this machine when nothing is decided."""
    stalls: list[float] = []
    watch = asyncio.create_task(_watch(stalls))
    await asyncio.sleep(IDLE_S)
    watch.cancel()
    return stalls


def _stalled(stalls: Sequence[float]) -> tuple[str, str]:
    if len(stalls) < 100:
        return "", ""
    return f"{statistics.quantiles(stalls, n=100)[98]:.1f}", f"{max(stalls):.1f}"


async def _watch(stalls: list[float]) -> None:
    loop = asyncio.get_running_loop()
    while True:
        due = loop.time() + TICK_S
        await asyncio.sleep(TICK_S)
        stalls.append((loop.time() - due) * 1e3)


async def _decide(router: EmbeddedRouter, text: str) -> None:
    deadline = asyncio.get_running_loop().time() + 60.0
    verdict = await router.classify([Utterance("user", text)], ROUTES, deadline=deadline)
    if isinstance(verdict, Unable):
        sys.exit(verdict.because)


def _rss_mib() -> float:
    """The most it has been."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    asyncio.run(main())
