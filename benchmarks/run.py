"""Measures the gateway beside the upstream alone, the floor and, when asked, its peers.

    python -m benchmarks.run [--quick] [--peers] [--json FILE]

Every round measures all of them in turn, so that a slow minute of the machine is slow for all.
A figure that misses what it must reach is printed as missed; the exit code stays 0.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import median
from types import FrameType

from benchmarks import evidence, measures, report, startup, targets
from benchmarks.figures import FLOOR, GATEWAY, UPSTREAM
from benchmarks.measures import Figures, Pace
from benchmarks.peers import PEERS
from benchmarks.processes import CannotMeasure, Cores
from benchmarks.targets import Bench, Cook
from benchmarks.verdicts import Verdict, verdicts

CACHE = targets.SOURCE_ROOT / ".bench"
IDLE_STREAMS = 2000
IDLE_WITHIN_S = 20.0
FILES_A_STREAM = 2
SPARE_FILES = 200


@dataclass(slots=True)
class Results:
    """All that a run found."""

    machine: dict[str, str]
    rounds: list[dict[str, Figures]] = field(default_factory=list)
    memory: dict[str, Figures] = field(default_factory=dict)
    start: Figures = field(default_factory=dict)
    absent: dict[str, str] = field(default_factory=dict)
    """Who could not be measured, or not in full, and why."""
    verdicts: list[Verdict] = field(default_factory=list)
    took_s: float = 0.0


def main(words: Sequence[str] | None = None) -> int:
    options = read_options(words)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, leave)
    began = time.monotonic()
    idle = raise_file_limit()
    results = Results(describe_machine())
    try:
        with tempfile.TemporaryDirectory(prefix="plano-bench-") as folder:
            measure(options, Path(folder), idle, results)
    except CannotMeasure as problem:
        print(f"benchmark: {problem}", file=sys.stderr)
        return 3
    results.took_s = time.monotonic() - began
    show(results)
    if options.json:
        options.json.write_text(json.dumps(asdict(results), indent=1) + "\n")
    return 0


def read_options(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benchmarks.run", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer and shorter rounds: about a minute")
    parser.add_argument(
        "--peers", action="store_true", help="install the peers into .bench and measure them too"
    )
    parser.add_argument(
        "--only", action="append", metavar="PEER", help="with --peers: only this one; may be repeated"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything that was found")
    return parser.parse_args(words)


def measure(options: argparse.Namespace, folder: Path, idle: int, results: Results) -> None:
    """Fills `results`; whoever does not start is noted there and left out."""
    cores = Cores.of_this_machine()
    pace = measures.QUICK if options.quick else measures.FULL
    os.sched_setaffinity(0, cores.others)
    with targets.scripted_upstream(CACHE / "bin", folder, cores) as bench:
        cooks: dict[str, Cook] = {
            FLOOR: partial(targets.floor, bench),
            GATEWAY: partial(targets.gateway, bench),
        }
        if options.peers:
            cooks |= peers(bench, options.only, results)
        take_rounds(bench, cooks, pace, results)
        take_memory(bench, cooks, idle, results)
        if GATEWAY not in results.absent:
            take_start(bench, cooks[GATEWAY], pace, results)
        results.verdicts = verdicts(results.rounds, results.memory, results.start, list(cooks)[2:])


def peers(bench: Bench, only: list[str] | None, results: Results) -> dict[str, Cook]:
    found: dict[str, Cook] = {}
    for peer in PEERS:
        if only and peer.name not in only:
            continue
        with noted(peer.name, results):
            say(f"{peer.name}: looking whether it is installed")
            folder = peer.installed(CACHE)
            results.machine[peer.name] = peer.version(folder)
            found[peer.name] = partial(peer.recipe, bench, folder)
    return found


def take_rounds(bench: Bench, cooks: dict[str, Cook], pace: Pace, results: Results) -> None:
    with ExitStack() as running:
        here = [bench.alone()]
        for name, cook in cooks.items():
            with noted(name, results):
                say(f"{name}: starting")
                here.append(running.enter_context(bench.started(cook())))
        for target in here:
            measures.warm_up(bench, target)
            if target.metrics_port:
                with noted(f"{target.name}, log and metrics", results):
                    results.machine["switched on"] = evidence.switched_on(bench, target, target.metrics_port)
        for number in range(pace.rounds):
            say(f"round {number + 1} of {pace.rounds}")
            turn = number % len(here)
            taken = {}
            for target in here[turn:] + here[:turn]:
                if target.name not in results.absent:
                    with noted(target.name, results), target.process.explained():
                        taken[target.name] = measures.round_of(bench, target, pace)
            results.rounds.append(taken)


def take_memory(bench: Bench, cooks: dict[str, Cook], idle: int, results: Results) -> None:
    """Each figure on a process that has done nothing else: an allocator that has grown hides growth."""
    for name, cook in cooks.items():
        if name in results.absent:
            continue
        say(f"{name}: memory")
        found = results.memory[name] = {}
        for size, count in measures.HELD_BODIES:
            with noted(f"{name}, {count} bodies of {size}", results), bench.started(cook()) as target:
                found |= measures.held_bodies(bench, target, size, count)
        with noted(f"{name}, idle streams", results), bench.started(cook()) as target:
            found |= measures.idle_streams(bench, target, idle, IDLE_WITHIN_S)


def take_start(bench: Bench, cook: Cook, pace: Pace, results: Results) -> None:
    say("start-up")
    with noted("start-up", results):
        results.start |= startup.import_ms(bench.cores)
        results.start["ready ms"] = median(startup.ready_ms(bench, cook()) for _ in range(pace.restarts))


@contextmanager
def noted(name: str, results: Results) -> Iterator[None]:
    """What cannot be measured is part of the report."""
    try:
        yield
    except CannotMeasure as problem:
        say(f"{name}: {problem}")
        results.absent[name] = str(problem)


def raise_file_limit() -> int:
    """How many idle streams the limit on open files allows, raised as far as it goes."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    if hard == resource.RLIM_INFINITY:
        return IDLE_STREAMS
    return min(IDLE_STREAMS, (hard - SPARE_FILES) // FILES_A_STREAM)


def describe_machine() -> dict[str, str]:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    described = {
        "processor": named[0] if named else platform.machine(),
        "cores": str(len(os.sched_getaffinity(0))),
        "kernel": platform.release(),
        "python": f"{platform.python_version()}, {platform.python_compiler()}",
        "load before": f"{os.getloadavg()[0]:.2f}",
    }
    for package in ("plano", "httptools", "uvloop", "msgspec"):
        try:
            described[package] = version(package)
        except PackageNotFoundError:
            described[package] = "not installed"
    return described


def show(results: Results) -> None:
    print("\n".join(f"{name}: {value}" for name, value in results.machine.items()))
    names = [UPSTREAM, *(results.rounds[0].keys() - {UPSTREAM})] if results.rounds else []
    order = [name for name in (UPSTREAM, FLOOR, GATEWAY, *(peer.name for peer in PEERS)) if name in names]
    print(f"\nMedians of {len(results.rounds)} rounds; the upstream's latencies in brackets are its own.\n")
    print(report.relay_table(results.rounds, results.memory, order))
    if results.start:
        print("\n" + report.start_table(results.start))
    print("\n" + report.verdict_table(results.verdicts))
    for name, reason in results.absent.items():
        print(f"\nnot measured: {name}: {reason}")
    print(f"\ntook {results.took_s:.0f} s; what the rows mean: benchmarks/README.md")


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def leave(number: int, _frame: FrameType | None) -> None:
    """Ends through the `with` blocks, which stop what they started."""
    raise SystemExit(128 + number)


if __name__ == "__main__":
    sys.exit(main())
