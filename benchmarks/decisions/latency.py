"""How long decisions take by the gateway's own account, one connection, one after the other."""

from __future__ import annotations

import http.client
import json
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.decisions.gateways import DECISIONS
from benchmarks.decisions.pace import Pace
from benchmarks.decisions.questions import LONG, SHORT, agent_loop, fresh, request, turn
from benchmarks.load import Target
from benchmarks.processes import CannotMeasure, Cores, die_with_parent, pinned
from benchmarks.targets import HOST, SOURCE_ROOT

NEW_SHORT, NEW_LONG, BEFORE = f"{SHORT} new tokens", f"{LONG} new tokens", "decided before"
LOOP_FIRST, LOOP_REST, LOOP_LAST = "agent loop: step 1", "agent loop: steps 2 to 20", "agent loop: step 20"

Samples = dict[str, list[float]]
"""Kind of decision to milliseconds."""


@dataclass(frozen=True, slots=True)
class Percentiles:
    """Of one kind of decision, in milliseconds."""

    p50: float
    p95: float
    p99: float


def percentiles(samples: Sequence[float]) -> Percentiles | None:
    """By the nearest rank; None for no samples."""
    if not samples:
        return None
    ordered, last = sorted(samples), len(samples) - 1
    return Percentiles(*(ordered[int(share * last + 0.5)] for share in (0.5, 0.95, 0.99)))


class Asker:
    """One connection to the decision endpoint."""

    def __init__(self, target: Target) -> None:
        self._connection = http.client.HTTPConnection(HOST, target.address.port, timeout=10.0)
        self._headers = {"Content-Type": "application/json"} | dict(
            line.split(": ", 1) for line in target.address.headers
        )

    def elapsed_ms(self, body: bytes) -> float:
        """As the decision object says. CannotMeasure unless routes in words were looked at."""
        self._connection.request("POST", DECISIONS, body, self._headers)
        answer = self._connection.getresponse()
        told = json.loads(answer.read())
        if answer.status != 200 or not looked_at_routes(told):
            raise CannotMeasure(f"a decision was not made by routes: {answer.status} {str(told)[:300]}")
        return float(told["elapsed_ms"])

    def close(self) -> None:
        self._connection.close()


def looked_at_routes(told: Mapping[str, object]) -> bool:
    """A router has read the turn, whether or not a route fitted."""
    reasons = told.get("reasons")
    assert isinstance(reasons, list)
    return any(reason.get("router") for reason in reasons if reason.get("step") == "preference")


def over_http(target: Target, pace: Pace) -> Samples:
    """Every kind of decision, new words each time it is run."""
    words = fresh(time.time_ns() // 1_000_000)
    asker = Asker(target)
    try:
        found = {
            NEW_SHORT: asked(asker, new_turns(words, SHORT, pace.decisions)),
            NEW_LONG: asked(asker, new_turns(words, LONG, pace.decisions)),
            BEFORE: asked(asker, [request(turn(SHORT, next(words)), None)] * (pace.decisions + 1))[1:],
        }
        steps = [asked(asker, agent_loop(turn(SHORT, next(words)))) for _ in range(pace.loops)]
    finally:
        asker.close()
    found[LOOP_FIRST] = [each[0] for each in steps]
    found[LOOP_REST] = [took for each in steps for took in each[1:]]
    found[LOOP_LAST] = [each[-1] for each in steps]
    return found


def new_turns(words: Iterator[str], tokens: int, count: int) -> Iterator[bytes]:
    return (request(turn(tokens, next(words)), None) for _ in range(count))


def asked(asker: Asker, bodies: Iterable[bytes]) -> list[float]:
    return [asker.elapsed_ms(body) for body in bodies]


def in_process(configuration: Path, cores: Cores, pace: Pace) -> Samples:
    """The same without a gateway, in a fresh process: the embedded router, awaited."""
    with pinned(cores.measured):
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.decisions.inside", str(configuration), str(pace.decisions)],
            check=False,
            cwd=SOURCE_ROOT,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            preexec_fn=die_with_parent,
        )
    if done.returncode:
        raise CannotMeasure(f"the embedded router ended by itself: {done.stderr.strip()[-400:]}")
    found: Samples = json.loads(done.stdout)
    return found
