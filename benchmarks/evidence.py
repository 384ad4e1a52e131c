"""Shows that the gateway was measured with its access log and its metrics on."""

from __future__ import annotations

import os
import time
import urllib.request

from benchmarks.load import Target
from benchmarks.measures import SMALL
from benchmarks.processes import CannotMeasure
from benchmarks.targets import HOST, Bench

REQUESTS = 20
LOOK_AGAIN_S = 0.02
WRITTEN_WITHIN_S = 2.0
SILENCE_S = 0.3
"""A log that has not grown for so long has caught up."""
METRIC = b"gen_ai"


def switched_on(bench: Bench, target: Target, metrics_port: int) -> str:
    """What was found, in words; CannotMeasure when the log or the metrics are missing."""
    settle(target)
    os.truncate(target.process.log, 0)
    body = bench.bodies.sized(target.model, SMALL)
    asked = bench.loader.once(target.address, body, connections=REQUESTS, within_s=5.0).requests
    lines = written(target, asked)
    with urllib.request.urlopen(f"http://{HOST}:{metrics_port}/metrics", timeout=5.0) as answer:
        samples = sum(line.startswith(METRIC) for line in answer.read().splitlines())
    found = f"{lines} lines in the access log for {asked} requests, {samples} {METRIC.decode()} samples"
    if lines != asked or not samples:
        raise CannotMeasure(f"not everything is on: {found}")
    return found


def settle(target: Target) -> None:
    """Waits until what was asked before has been logged."""
    give_up, size = time.monotonic() + WRITTEN_WITHIN_S, -1
    while size != (size := target.process.log.stat().st_size) and time.monotonic() < give_up:
        time.sleep(SILENCE_S)


def written(target: Target, expected: int) -> int:
    """How many JSON lines the log holds, once it holds as many as expected or time is up."""
    give_up = time.monotonic() + WRITTEN_WITHIN_S
    while True:
        lines = sum(line.startswith(b"{") for line in target.process.log.read_bytes().splitlines())
        if lines >= expected or time.monotonic() > give_up:
            return lines
        time.sleep(LOOK_AGAIN_S)
