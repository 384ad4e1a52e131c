"""All that a run finds, and whether it is what it must be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from benchmarks.decisions.blocking import PRESSURES, QUIET
from benchmarks.decisions.latency import BEFORE, NEW_LONG, NEW_SHORT, Samples, percentiles
from benchmarks.decisions.requests import NAMED, PINNED, PINNED_SHARED
from benchmarks.figures import Round, Spread, over, plain
from benchmarks.measures import Figures
from benchmarks.verdicts import Verdict, at_most

LATE = "late worst ms"
LATE_MS = 5.0
"""The most that other requests may be kept waiting by decisions."""


@dataclass(slots=True)
class Findings:
    """Rounds are in the order in which they were taken."""

    machine: dict[str, str]
    requests: list[dict[str, Figures]] = field(default_factory=list)
    over_http: list[Samples] = field(default_factory=list)
    in_process: list[Samples] = field(default_factory=list)
    lateness: list[dict[str, Figures]] = field(default_factory=list)
    loading: list[Figures] = field(default_factory=list)
    starts: list[Figures] = field(default_factory=list)
    memory: Figures = field(default_factory=dict)
    absent: dict[str, str] = field(default_factory=dict)
    """What could not be measured, and why."""
    verdicts: list[Verdict] = field(default_factory=list)
    took_s: float = 0.0


def verdicts(found: Findings) -> list[Verdict]:
    return [
        at_most(f"decision of {NEW_SHORT}, p50", half(found.over_http, NEW_SHORT), 2.5, " ms"),
        at_most(f"decision of {NEW_LONG}, p50", half(found.over_http, NEW_LONG), 15.0, " ms"),
        at_most("decision made before, p50", half(found.over_http, BEFORE), 0.1, " ms"),
        *(beside_quiet(found.lateness, each.name) for each in PRESSURES),
        at_most("loop late at worst: while a worker starts", spread(found.loading, LATE), LATE_MS, " ms"),
        at_most(
            "session decided before, CPU added", added(found.requests, PINNED, NAMED, "cpu us"), 30.0, " us"
        ),
        at_most(
            "session in Redis, p50 added to memory's",
            added(found.requests, PINNED_SHARED, PINNED, "p50 us"),
            400.0,
            " us",
        ),
        at_most("RSS added by routes", spread([found.memory], "rss added mib"), 120.0, " MiB"),
        at_most("start to the first decision", spread(found.starts, "first decision ms"), 1000.0, " ms"),
    ]


def beside_quiet(rounds: Sequence[Round], name: str) -> Verdict:
    """The lateness under one pressure, with what the machine does by itself."""
    what = f"loop late at worst: {name}"
    verdict = at_most(what, over(rounds, plain(name, LATE)), LATE_MS, " ms")
    quiet = over(rounds, plain(QUIET, LATE))
    beside = "" if quiet is None else f", without decisions {quiet.typical:.2f}"
    return replace(verdict, found=verdict.found + beside)


def added(rounds: Sequence[Round], kind: str, to: str, metric: str) -> Spread | None:
    """What one kind of request takes more than another, round by round."""
    differences = [
        {kind: {metric: each[kind][metric] - each[to][metric]}}
        for each in rounds
        if metric in each.get(kind, {}) and metric in each.get(to, {})
    ]
    return over(differences, plain(kind, metric))


def half(rounds: Sequence[Samples], kind: str) -> Spread | None:
    """The median of each round, over the rounds."""
    medians = [{kind: {"p50": found.p50}} for each in rounds if (found := percentiles(each.get(kind, ())))]
    return over(medians, plain(kind, "p50"))


def spread(each: Sequence[Figures], metric: str) -> Spread | None:
    return over([{"": figures} for figures in each], plain("", metric))
