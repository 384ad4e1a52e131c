"""Measures what a decision costs, beside a gateway that makes none.

    python -m benchmarks.decisions [--quick] [--json FILE]

Every round measures everything in turn, so that a slow minute of the machine is slow for all.
A figure that misses what it must reach is printed as missed; the exit code stays 0.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path

from benchmarks import measures, targets
from benchmarks.decisions import blocking, gateways, latency, report, requests, starts
from benchmarks.decisions.findings import Findings, verdicts
from benchmarks.decisions.pace import FULL, QUICK, Pace
from benchmarks.processes import CannotMeasure, Cores
from benchmarks.run import CACHE, describe_machine, leave, say
from benchmarks.targets import Bench, free_port


def main(words: Sequence[str] | None = None) -> int:
    options = read_options(words)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, leave)
    began = time.monotonic()
    found = Findings(describe_machine())
    cores = Cores.of_this_machine()
    os.sched_setaffinity(0, cores.others)
    try:
        with (
            tempfile.TemporaryDirectory(prefix="plano-bench-") as folder,
            targets.scripted_upstream(CACHE / "bin", Path(folder), cores) as bench,
        ):
            measure(bench, QUICK if options.quick else FULL, found)
    except CannotMeasure as problem:
        print(f"benchmark: {problem}", file=sys.stderr)
        return 3
    found.verdicts = verdicts(found)
    found.took_s = time.monotonic() - began
    print(report.shown(found))
    if options.json:
        options.json.write_text(json.dumps(asdict(found), indent=1) + "\n")
    return 0


def read_options(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benchmarks.decisions", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer and shorter rounds: about a minute")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything that was found")
    return parser.parse_args(words)


def measure(bench: Bench, pace: Pace, found: Findings) -> None:
    """Fills `found`; what cannot be measured is noted there and left out."""
    with noted("requests and latency", found):
        take_requests(bench, pace, found)
    with noted("the event loop", found):
        take_lateness(bench, pace, found)
    say("start-up and memory")
    with noted("start-up", found):
        for _ in range(pace.restarts):
            found.starts.append(starts.start_ms(bench))
    with noted("memory", found):
        found.memory = starts.memory(bench)


def take_requests(bench: Bench, pace: Pace, found: Findings) -> None:
    plain, routed = gateways.gateway(bench, routes=False), gateways.gateway(bench, routes=True)
    configuration = gateways.configuration(bench, routed.address.port, routes=True)
    with ExitStack() as running:
        without, with_routes = (running.enter_context(bench.started(each)) for each in (plain, routed))
        all_of_them = {target.name: target for target in (without, with_routes)}
        with noted("sessions in Redis", found):
            url = running.enter_context(gateways.redis_server(bench))
            shared = gateways.gateway(bench, routes=True, redis_url=url)
            all_of_them[shared.name] = running.enter_context(bench.started(shared))
        for target in all_of_them.values():
            measures.warm_up(bench, target)
        for number in range(pace.rounds):
            say(f"requests and latency: round {number + 1} of {pace.rounds}")
            found.requests.append(requests.round_of(bench, all_of_them, pace, number))
            found.over_http.append(latency.over_http(with_routes, pace))
            found.in_process.append(latency.in_process(configuration, bench.cores, pace))
            for target in all_of_them.values():
                os.truncate(target.process.log, 0)  # an access log of a million lines would fill the disk


def take_lateness(bench: Bench, pace: Pace, found: Findings) -> None:
    pinger = blocking.Pinger(bench, CACHE / "bin")
    for _ in range(pace.restarts):
        found.loading.append(blocking.while_loading(bench, pinger))
    probe_port = free_port()
    with bench.started(gateways.probed(bench, probe_port)) as target:
        measures.warm_up(bench, target)
        for number in range(pace.rounds):
            say(f"the event loop: round {number + 1} of {pace.rounds}")
            taken = {}
            for pressure in (None, *blocking.PRESSURES):
                name = pressure.name if pressure else blocking.QUIET
                taken[name] = blocking.under_pressure(
                    bench, target, pinger, probe_port, pressure, pace.probed_s
                )
            found.lateness.append(taken)


@contextmanager
def noted(name: str, found: Findings) -> Iterator[None]:
    """What cannot be measured is part of the report."""
    try:
        yield
    except CannotMeasure as problem:
        say(f"{name}: {problem}")
        found.absent[name] = str(problem)


if __name__ == "__main__":
    sys.exit(main())
