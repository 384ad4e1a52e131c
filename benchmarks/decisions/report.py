"""Prints what was found as tables of plain text."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.decisions.blocking import PRESSURES, QUIET
from benchmarks.decisions.findings import Findings, spread
from benchmarks.decisions.latency import Samples, percentiles
from benchmarks.decisions.requests import BASE, KINDS
from benchmarks.figures import Round, over, plain, ratio
from benchmarks.report import table, verdict_table

LATENESS = ("late p50 ms", "late p99 ms", "late p99.9 ms", "late worst ms")
STARTS = {"ready ms": "start to /readyz", "first decision ms": "start to the first decision"}


def shown(found: Findings) -> str:
    """Every table; one whose part was not measured is left out."""
    parts = [
        "\n".join(f"{name}: {value}" for name, value in found.machine.items()),
        f"Medians of {len(found.requests)} rounds. What the rows mean: benchmarks/README.md",
        requests_table(found.requests),
        latency_table(found.over_http, found.in_process),
        lateness_table(found.lateness),
        starts_table(found),
        verdict_table(found.verdicts),
        *(f"not measured: {name}: {reason}" for name, reason in found.absent.items()),
        f"took {found.took_s:.0f} s",
    ]
    return "\n\n".join(part for part in parts if part)


def requests_table(rounds: Sequence[Round]) -> str:
    head = [
        "a request of 1 KB",
        "CPU us",
        "by the first",
        "requests/s",
        "p50 us",
        "p99 us",
        "undecided",
        "errors",
    ]
    columns = (("cpu us", "{:,.1f}"), ("rate per_s", "{:,.0f}"), ("p50 us", "{:,.0f}"), ("p99 us", "{:,.0f}"))
    rows = []
    for kind in KINDS:
        cells = [cell(rounds, kind.name, metric, form) for metric, form in columns]
        by_base = over(rounds, ratio(plain(kind.name, "cpu us"), plain(BASE, "cpu us")))
        cells.insert(1, "-" if by_base is None else f"{by_base.typical:.2f}x")
        cells += [cell(rounds, kind.name, metric, "{:,.0f}") for metric in ("undecided", "errors")]
        rows.append([kind.name, *cells])
    return table(head, rows) if rounds else ""


def latency_table(over_http: Sequence[Samples], in_process: Sequence[Samples]) -> str:
    """Of the samples of all rounds together."""
    kinds = list(dict.fromkeys(kind for each in (*over_http, *in_process) for kind in each))
    head = ["a decision, ms", "p50", "p95", "p99", "in process: p50", "p95", "p99"]
    rows = [[kind, *three(over_http, kind), *three(in_process, kind)] for kind in kinds]
    return table(head, rows) if rows else ""


def three(rounds: Sequence[Samples], kind: str) -> list[str]:
    found = percentiles([sample for each in rounds for sample in each.get(kind, ())])
    return ["-"] * 3 if found is None else [f"{value:.3f}" for value in (found.p50, found.p95, found.p99)]


def lateness_table(rounds: Sequence[Round]) -> str:
    head = ["the loop is late by, ms", "p50", "p99", "p99.9", "worst", "decisions/s", "undecided", "errors"]
    rows = []
    for name in (QUIET, *(each.name for each in PRESSURES)):
        late = [cell(rounds, name, metric, "{:.2f}") for metric in LATENESS]
        rest = [
            cell(rounds, name, metric, "{:,.0f}") for metric in ("decisions per_s", "undecided", "errors")
        ]
        rows.append([name, *late, *rest])
    return table(head, rows) if rounds else ""


def starts_table(found: Findings) -> str:
    rows = []
    for metric, label in STARTS.items():
        taken = spread(found.starts, metric)
        rows.append([label, "-" if taken is None else f"{taken.typical:,.0f} ms"])
    rows += [[name.removesuffix(" mib"), f"{value:,.1f} MiB"] for name, value in found.memory.items()]
    return table(["a worker with routes", "found"], rows) if found.starts or found.memory else ""


def cell(rounds: Sequence[Round], name: str, metric: str, form: str) -> str:
    taken = over(rounds, plain(name, metric))
    return "-" if taken is None else form.format(taken.typical)
