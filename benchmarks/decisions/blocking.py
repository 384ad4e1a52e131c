"""How long the event loop keeps the other requests waiting while fresh decisions are made."""

from __future__ import annotations

import json
import subprocess
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from benchmarks.decisions import gateways, questions
from benchmarks.load import Load, Target, compiled
from benchmarks.measures import Figures
from benchmarks.processes import CannotMeasure, Spawned, die_with_parent, pinned
from benchmarks.targets import Bench, free_port

STREAMS = 20
STREAM = "bench(chunks=50,every_us=20000)"
"""One second each, as models that write fifty tokens a second answer."""
SETTLE_S = 0.3
"""Before the pings, for as many connections to be opened at once as never are in practice; and after them."""
LOADING_S = 2.0
QUIET = "no decisions"
PINGS_LOST = 0.01
"""More unanswered than this, and the figures mean nothing."""


@dataclass(frozen=True, slots=True)
class Pressure:
    """Fresh decisions at full speed from so many connections."""

    name: str
    connections: int
    tokens: int


PRESSURES = (
    Pressure("8 connections, 15 tokens", 8, questions.SHORT),
    Pressure("64 connections, 15 tokens", 64, questions.SHORT),
    Pressure("8 connections, 128 tokens", 8, questions.LONG),
    Pressure("64 connections, 128 tokens", 64, questions.LONG),
)


@dataclass(frozen=True, slots=True)
class Pings:
    """What `native/ping.c` found; times in microseconds."""

    sent: int
    answered: int
    over_5_ms: int
    p50_us: float
    p99_us: float
    p999_us: float
    worst_us: float


class Pinger:
    """Asks a probe from the cores that are not measured."""

    def __init__(self, bench: Bench, cache: Path) -> None:
        self._program = compiled("ping", cache)
        self._cores = bench.cores.others

    def lateness(self, port: int, seconds: float) -> Pings:
        with pinned(self._cores):
            done = subprocess.run(
                [str(self._program), str(port), str(seconds)],
                check=False,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                preexec_fn=die_with_parent,
            )
        if done.returncode:
            raise CannotMeasure(f"the probe on port {port} was not asked: {done.stderr.strip()}")
        pings = Pings(**json.loads(done.stdout))
        if pings.answered < pings.sent * (1 - PINGS_LOST):
            raise CannotMeasure(f"the probe on port {port} answered {pings.answered} of {pings.sent} times")
        return pings


def under_pressure(
    bench: Bench, target: Target, pinger: Pinger, probe_port: int, pressure: Pressure | None, seconds: float
) -> Figures:
    """The lateness while explicit streams pass and, with a `pressure`, decisions are made."""
    stream = bench.bodies.streamed(gateways.MODEL, STREAM)
    loaded_s = seconds + 2 * SETTLE_S
    with ExitStack() as beside:
        load = bench.loader.beside
        streamed = beside.enter_context(load(target.address, stream, connections=STREAMS, seconds=loaded_s))
        decided: list[Load] = []
        if pressure:
            body = bench.folder / f"fresh-{pressure.tokens}"
            body.write_bytes(questions.request(questions.turn(pressure.tokens), None))
            decided = beside.enter_context(
                load(target.address, body, connections=pressure.connections, seconds=loaded_s)
            )
        time.sleep(SETTLE_S)
        pings = pinger.lateness(probe_port, seconds)
    return figures_of(pings, streamed[0], decided[0] if decided else None)


def figures_of(pings: Pings, streamed: Load, decided: Load | None) -> Figures:
    found: Figures = {
        "late p50 ms": pings.p50_us / 1000,
        "late p99 ms": pings.p99_us / 1000,
        "late p99.9 ms": pings.p999_us / 1000,
        "late worst ms": pings.worst_us / 1000,
        "over 5 ms": float(pings.over_5_ms),
        "errors": float(streamed.errors + (decided.errors if decided else 0)),
    }
    if decided:
        found |= {
            "decisions per_s": decided.by_preference / decided.seconds,
            "undecided": float(decided.requests - decided.by_preference),
        }
    return found


def while_loading(bench: Bench, pinger: Pinger) -> Figures:
    """The lateness from the moment a fresh worker can be reached until its encoder has long been loaded."""
    probe_port = free_port()
    recipe = gateways.probed(bench, probe_port)
    log = bench.folder / "loading.log"
    with (
        Spawned(recipe.argv, cores=bench.cores.measured, log=log, env=recipe.env) as process,
        process.explained(),
    ):
        pings = pinger.lateness(probe_port, LOADING_S)
    return {"late worst ms": pings.worst_us / 1000, "over 5 ms": float(pings.over_5_ms)}
