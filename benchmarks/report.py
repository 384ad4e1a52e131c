"""Prints what was found as tables of plain text."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from benchmarks.figures import UPSTREAM, Round, added, over, plain
from benchmarks.measures import RELAYED_SIZES
from benchmarks.verdicts import Verdict

KIB, MIB = 1024, 1024 * 1024
Cell = Callable[[str], str]
"""A target's name to what stands in its column."""
Memory = Mapping[str, Mapping[str, float]]


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns as wide as their widest cell; the first to the left, the others to the right."""
    widths = [max(len(row[column]) for row in [head, *rows]) for column in range(len(head))]
    lines = []
    for row in [head, ["-" * width for width in widths], *rows]:
        cells = [cell.rjust(width) for cell, width in zip(row, widths, strict=True)]
        cells[0] = row[0].ljust(widths[0])
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def relay_table(rounds: Sequence[Round], memory: Memory, targets: Sequence[str]) -> str:
    rows: list[tuple[str, Cell]] = []
    for size in RELAYED_SIZES:
        rows += [
            (f"{size}: CPU a request, us", median_of(rounds, f"cpu {size} us", "{:,.1f}")),
            (f"{size}: requests/s, 64 connections", median_of(rounds, f"rate {size} per_s", "{:,.0f}")),
            (f"{size}: p50 added, one connection, us", added_to(rounds, f"p50 {size} us")),
            (f"{size}: p99 added, one connection, us", added_to(rounds, f"p99 {size} us")),
        ]
    rows += [
        ("stream: first byte added, p50, us", added_to(rounds, "first p50 us")),
        ("stream: first byte added, p99, us", added_to(rounds, "first p99 us")),
        ("stream: CPU a chunk, us", median_of(rounds, "chunk us", "{:,.1f}")),
        ("stream: how many at once for that", median_of(rounds, "streams", "{:,.0f}")),
        ("RSS after the load, MiB", median_of(rounds, "rss_bytes", "{:,.1f}", MIB)),
        ("RSS an idle stream, KiB", memory_of(memory, "idle stream bytes", "{:,.1f}", KIB)),
        ("idle streams for that", memory_of(memory, "idle streams", "{:,.0f}")),
        ("64 bodies of 1 MB: memory by body", memory_of(memory, "held 1 MB x", "{:.2f}x")),
        ("8 bodies of 8 MB: memory by body", memory_of(memory, "held 8 MB x", "{:.2f}x")),
        ("errors", median_of(rounds, "errors", "{:,.0f}")),
    ]
    return table(["", *targets], [[name, *map(cell, targets)] for name, cell in rows])


def median_of(rounds: Sequence[Round], metric: str, form: str, unit: float = 1.0) -> Cell:
    def cell(target: str) -> str:
        spread = over(rounds, plain(target, metric))
        return "-" if spread is None else form.format(spread.typical / unit)

    return cell


def added_to(rounds: Sequence[Round], metric: str) -> Cell:
    """What a target adds; for the upstream itself, in brackets, what it takes by itself."""

    def cell(target: str) -> str:
        figure = plain(target, metric) if target == UPSTREAM else added(target, metric, UPSTREAM)
        spread = over(rounds, figure)
        if spread is None:
            return "-"
        return f"({spread.typical:,.0f})" if target == UPSTREAM else f"{spread.typical:,.0f}"

    return cell


def memory_of(memory: Memory, metric: str, form: str, unit: float = 1.0) -> Cell:
    def cell(target: str) -> str:
        value = memory.get(target, {}).get(metric)
        return "-" if value is None else form.format(value / unit)

    return cell


def start_table(start: Mapping[str, float]) -> str:
    rows = [[name.removesuffix(" ms"), f"{value:,.0f}"] for name, value in start.items()]
    return table(["start", "ms"], rows)


def verdict_table(found: Sequence[Verdict]) -> str:
    words = {True: "met", False: "MISSED", None: "not measured"}
    head = ["must reach", "wanted", "found (median, and the range of the rounds)", "verdict"]
    return table(head, [[each.what, each.wanted, each.found, words[each.met]] for each in found])
