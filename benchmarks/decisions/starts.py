"""What routes cost when a worker starts, and in its memory."""

from __future__ import annotations

import time

from benchmarks.decisions.gateways import gateway
from benchmarks.decisions.latency import Asker, asked, new_turns
from benchmarks.decisions.questions import LONG, SHORT, fresh
from benchmarks.load import Target
from benchmarks.measures import Figures, warm_up
from benchmarks.processes import CannotMeasure, Spawned
from benchmarks.startup import GIVE_UP_S, LOOK_AGAIN_S, answers
from benchmarks.targets import Bench

MADE = 200
MIB = 1024 * 1024


def start_ms(bench: Bench) -> Figures:
    """From before the start: to the first 200 on /readyz, and to the answer with the first decision."""
    recipe = gateway(bench, routes=True)
    log = bench.folder / "start.log"
    started = time.perf_counter()
    with Spawned(recipe.argv, cores=bench.cores.measured, log=log, env=recipe.env) as process:
        target = Target(recipe.name, recipe.address, recipe.model, process)
        while not answers(recipe.address.port):
            if process.exit_code is not None or time.perf_counter() - started > GIVE_UP_S:
                raise CannotMeasure(f"a worker with routes was not ready: {process.last_words()}")
            time.sleep(LOOK_AGAIN_S)
        ready = time.perf_counter()
        asker = Asker(target)
        asked(asker, new_turns(fresh(0), SHORT, 1))
        decided = time.perf_counter()
        asker.close()
    return {"ready ms": (ready - started) * 1000, "first decision ms": (decided - started) * 1000}


def memory(bench: Bench) -> Figures:
    """Resident memory of fresh workers after some load; with routes, also after 200 decisions, half of them
    long."""
    found: Figures = {}
    for routes in (False, True):
        recipe = gateway(bench, routes=routes)
        with bench.started(recipe) as target:
            warm_up(bench, target)
            if routes:
                decide(target)
            found[f"rss {recipe.name} mib"] = target.process.rss() / MIB
    plain, routed = found.values()
    return found | {"rss added mib": routed - plain}


def decide(target: Target) -> None:
    asker, words = Asker(target), fresh(0)
    for tokens in (SHORT, LONG):
        asked(asker, new_turns(words, tokens, MADE // 2))
    asker.close()
