"""Asks the embedded router in this process, and prints how long each answer took.

python -m benchmarks.decisions.inside CONFIGURATION COUNT
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import Iterable
from pathlib import Path

from benchmarks.decisions.latency import BEFORE, NEW_LONG, NEW_SHORT
from benchmarks.decisions.questions import LONG, SHORT, fresh, turn
from plano import bootstrap
from plano.catalog.build import load_catalog
from plano.classifiers.embedded.router import EmbeddedRouter
from plano.routing.route_set import RouteSet
from plano.routing.utterance import Utterance
from plano.routing.verdict import Unable

WITHIN_S = 10.0
WARM_UP = 10


async def times_ms(router: EmbeddedRouter, routes: RouteSet, texts: Iterable[str]) -> list[float]:
    took = []
    for text in texts:
        conversation = [Utterance("user", text)]
        started = time.perf_counter()
        deadline = asyncio.get_running_loop().time() + WITHIN_S
        verdict = await router.classify(conversation, routes, deadline=deadline)
        took.append((time.perf_counter() - started) * 1000)
        assert not isinstance(verdict, Unable), verdict.because
    return took


async def all_kinds(configuration: Path, count: int) -> dict[str, list[float]]:
    _, catalog = load_catalog(configuration, os.environ)
    router, routes, words = EmbeddedRouter(), RouteSet(catalog.routes), fresh(0)
    try:
        await times_ms(router, routes, (turn(SHORT, next(words)) for _ in range(WARM_UP)))
        before = turn(SHORT, next(words))
        return {
            NEW_SHORT: await times_ms(router, routes, (turn(SHORT, next(words)) for _ in range(count))),
            NEW_LONG: await times_ms(router, routes, (turn(LONG, next(words)) for _ in range(count))),
            BEFORE: (await times_ms(router, routes, [before] * (count + 1)))[1:],
        }
    finally:
        router.close()


def main() -> None:
    with asyncio.Runner(loop_factory=bootstrap.event_loop) as runner:
        print(json.dumps(runner.run(all_kinds(Path(sys.argv[1]), int(sys.argv[2])))))


if __name__ == "__main__":
    main()
