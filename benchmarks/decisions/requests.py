"""What a request costs by how its model is found: CPU, throughput, latency."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.decisions.gateways import DECISIONS, MODEL, PLAIN, ROUTED, SHARED
from benchmarks.decisions.pace import Pace
from benchmarks.decisions.questions import LONG, SHORT, request, turn
from benchmarks.load import Target
from benchmarks.measures import CONNECTIONS, Figures, cpu_of
from benchmarks.targets import Bench

DECIDED_BEFORE = "words that all know"


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of request, always of 1 KiB."""

    name: str
    gateway: str
    model: str | None
    tokens: int = SHORT
    fresh: bool = False
    """Every request has words that no other had."""
    path: str | None = None
    """None: the proxied path."""
    session: str | None = None
    """What `X-Model-Affinity` says; None: no session."""

    def body(self) -> bytes:
        text = turn(self.tokens) if self.fresh else turn(self.tokens, DECIDED_BEFORE)
        return request(text, self.model)


BASE = "no routes: model named"
NAMED, CACHED, TOLD = "model named", "turn decided before", "turn decided before, decision alone"
PINNED, PINNED_SHARED = "session decided before, in memory", "session decided before, in Redis"
FRESH_SHORT, FRESH_LONG = f"new turn of {SHORT} tokens", f"new turn of {LONG} tokens"

KINDS = (
    Kind(BASE, PLAIN, MODEL),
    Kind("no routes: the default", PLAIN, None),
    Kind(NAMED, ROUTED, MODEL),
    Kind(CACHED, ROUTED, None),
    Kind(TOLD, ROUTED, None, path=DECISIONS),
    Kind(PINNED, ROUTED, None, session="bench"),
    Kind(PINNED_SHARED, SHARED, None, session="bench"),
    Kind(FRESH_SHORT, ROUTED, None, SHORT, fresh=True),
    Kind(FRESH_LONG, ROUTED, None, LONG, fresh=True),
)


def round_of(bench: Bench, gateways: Mapping[str, Target], pace: Pace, number: int) -> dict[str, Figures]:
    """Every kind in turn whose gateway is there; each round begins with another."""
    first = number % len(KINDS)
    return {
        kind.name: measured(bench, gateways[kind.gateway], kind, pace)
        for kind in (*KINDS[first:], *KINDS[:first])
        if kind.gateway in gateways
    }


def measured(bench: Bench, target: Target, kind: Kind, pace: Pace) -> Figures:
    body = file_of(bench, kind)
    address = target.address if kind.path is None else replace(target.address, path=kind.path)
    if kind.session is not None:
        address = replace(address, headers=(*address.headers, f"X-Model-Affinity: {kind.session}"))
    run = bench.loader.run
    with target.process.explained():
        run(address, body, connections=1, seconds=0.05)  # the turn that is decided before is decided now
        used, busy = cpu_of(
            target.process, lambda: run(address, body, connections=CONNECTIONS, seconds=pace.busy_s)
        )
        alone = run(address, body, connections=1, seconds=pace.alone_s)
    found: Figures = {"errors": float(busy.errors + alone.errors)}
    if busy.requests:
        found |= {"cpu us": used / busy.requests / 1000, "rate per_s": busy.requests / busy.seconds}
    if alone.requests:
        found |= {"p50 us": alone.p50_us, "p99 us": alone.p99_us}
    if kind.fresh:
        found["undecided"] = float(busy.requests - busy.by_preference + alone.requests - alone.by_preference)
    return found


def file_of(bench: Bench, kind: Kind) -> Path:
    file = bench.folder / f"kind-{KINDS.index(kind)}"
    file.write_bytes(kind.body())
    return file
