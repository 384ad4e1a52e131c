"""One measurement of one target: a load, and what the kernel says the target used meanwhile."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.bodies import SIZES
from benchmarks.load import Load, Target
from benchmarks.processes import CannotMeasure, Spawned
from benchmarks.targets import Bench

CONNECTIONS = 64
SMALL = "1 KB"
RELAYED_SIZES = ("1 KB", "20 KB", "1 MB")
HELD_BODIES = (("1 MB", 64), ("8 MB", 8))
"""Bodies that a target holds at the same time when its memory is measured: size, how many."""
STREAMS = 100
STREAM_EVENTS = 50
EVENT_EVERY_US = 20_000
STREAM_BUDGET_US = 20_000
"""CPU a request times streams: a target that needs 1 ms a request gets 20 streams, so that it is
never so busy that chunks arrive together."""
SETTLE_S = 0.5

Figures = dict[str, float]
"""Metric name to figure; the names end in their unit."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How long one round measures each target."""

    rounds: int
    busy_s: float
    """At 64 connections, each size."""
    alone_s: float
    """At one connection, each size, and the first byte of streams."""
    restarts: int
    """How many times the time to ready is taken."""


FULL = Pace(rounds=5, busy_s=1.4, alone_s=1.0, restarts=5)
QUICK = Pace(rounds=3, busy_s=0.4, alone_s=0.4, restarts=3)


def round_of(bench: Bench, target: Target, pace: Pace) -> Figures:
    """Everything that is repeated in every round."""
    figures: Figures = {"errors": 0.0}
    for size in RELAYED_SIZES:
        figures |= at_64_connections(bench, target, size, pace.busy_s, figures)
        figures |= at_one_connection(bench, target, size, pace.alone_s, figures)
    figures |= first_byte(bench, target, pace.alone_s, figures)
    figures |= paced_streams(bench, target, figures)
    figures["rss_bytes"] = float(target.process.rss())
    if target.process.log.exists():
        os.truncate(target.process.log, 0)  # an access log of a million lines would fill the disk
    return figures


def warm_up(bench: Bench, target: Target, seconds: float = 0.5) -> Load:
    body = bench.bodies.sized(target.model, SMALL)
    return bench.loader.run(target.address, body, connections=CONNECTIONS, seconds=seconds)


def at_64_connections(bench: Bench, target: Target, size: str, seconds: float, so_far: Figures) -> Figures:
    body = bench.bodies.sized(target.model, size)
    used, load = cpu_of(
        target.process,
        lambda: bench.loader.run(target.address, body, connections=CONNECTIONS, seconds=seconds),
    )
    figures: Figures = {"errors": so_far["errors"] + load.errors}
    if load.requests:
        figures[f"cpu {size} us"] = used / load.requests / 1000
        figures[f"rate {size} per_s"] = load.requests / load.seconds
    return figures


def at_one_connection(bench: Bench, target: Target, size: str, seconds: float, so_far: Figures) -> Figures:
    body = bench.bodies.sized(target.model, size)
    load = bench.loader.run(target.address, body, connections=1, seconds=seconds)
    figures: Figures = {"errors": so_far["errors"] + load.errors}
    if load.requests:
        figures |= {f"p50 {size} us": load.p50_us, f"p99 {size} us": load.p99_us}
    return figures


def first_byte(bench: Bench, target: Target, seconds: float, so_far: Figures) -> Figures:
    """One stream after the other; the second event comes late, so that the first travels alone."""
    body = bench.bodies.streamed(target.model, "bench(chunks=2,every_us=1000)")
    load = bench.loader.run(target.address, body, connections=1, seconds=seconds)
    figures: Figures = {"errors": so_far["errors"] + load.errors}
    if load.requests:
        figures |= {"first p50 us": load.first_p50_us, "first p99 us": load.first_p99_us}
    return figures


def paced_streams(bench: Bench, target: Target, so_far: Figures) -> Figures:
    """Many slow streams at once; what one event costs, the request's share included."""
    a_request_us = so_far.get(f"cpu {SMALL} us", STREAM_BUDGET_US)
    streams = max(1, min(STREAMS, int(STREAM_BUDGET_US / max(a_request_us, 1.0))))
    script = f"bench(chunks={STREAM_EVENTS},every_us={EVENT_EVERY_US})"
    body = bench.bodies.streamed(target.model, script)
    used, load = cpu_of(
        target.process,
        lambda: bench.loader.once(target.address, body, connections=streams, within_s=30.0),
    )
    figures: Figures = {"errors": so_far["errors"] + load.errors}
    if load.events:
        figures |= {"chunk us": used / load.events / 1000, "streams": float(streams)}
    return figures


def held_bodies(bench: Bench, target: Target, size: str, count: int) -> Figures:
    """How far memory rises when `count` requests of `size` are in flight, as a multiple of the
    bodies. The upstream waits with its answers until all are there. Needs a fresh process: what
    an earlier run left in the allocator would hide the rise."""
    warm_up(bench, target)
    before = target.process.rss()
    target.process.forget_peak()
    body = bench.bodies.sized(target.model, size, "bench(wait_us=600000)")
    load = bench.loader.once(target.address, body, connections=count, within_s=30.0)
    rise = target.process.peak_rss() - before
    if load.errors:
        raise CannotMeasure(f"{target.name} did not relay {load.errors} of {count} bodies of {size}")
    return {f"held {size} x": rise / (count * SIZES[size])}


def idle_streams(bench: Bench, target: Target, count: int, within_s: float) -> Figures:
    """Memory of a stream that has brought its first event and is silent since."""
    warm_up(bench, target)
    before = target.process.rss()
    body = bench.bodies.streamed(target.model, "bench(idle=1)")
    with bench.loader.held(target.address, body, streams=count, within_s=within_s) as held:
        time.sleep(SETTLE_S)
        rise = target.process.rss() - before
    if not held:
        raise CannotMeasure(f"{target.name} brought no first byte of {count} streams in {within_s:.0f} s")
    return {"idle stream bytes": rise / held, "idle streams": float(held)}


def cpu_of(process: Spawned, act: Callable[[], Load]) -> tuple[int, Load]:
    """Nanoseconds of CPU that `process` used while `act` ran, and what it returned."""
    before = process.cpu_ns()
    load = act()
    return process.cpu_ns() - before, load
