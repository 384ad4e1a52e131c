"""How often a router is right: `python -m benchmarks.routing`.

On the project's own corpus (its test split is for releases; what is chosen is chosen on `dev`), or with
`--on public` on public data sets, of which `--data` names a folder.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.routing import corpus, public
from benchmarks.routing.measuring import Judge, Row
from benchmarks.routing.public import SEED, Files, read_arguments
from benchmarks.routing.routers import Measured, bm25, embedded, served, untrained
from plano.evaluation.accuracy import latency
from plano.routing.route_set import RouteSet
from plano.routing.utterance import Utterance
from plano.routing.verdict import Unable, Verdict
from tools.corpus.held import SPLITS

LENGTHS = (16, 64, 256)
"""Words of the latest turn, by which latencies are told."""


@dataclass(slots=True)
class Clock:
    """Every decision's time, by how long the latest turn was, and how many could not be made."""

    judge: Judge
    took_ms: dict[str, list[float]] = field(default_factory=dict)
    unable: int = 0

    def __call__(self, conversation: Sequence[Utterance], routes: RouteSet) -> Verdict:
        began = time.perf_counter()
        verdict = self.judge(conversation, routes)
        words = len(conversation[-1].text.split())
        under = next(
            (f"under {most} words" for most in LENGTHS if words < most), f"{LENGTHS[-1]} words or more"
        )
        for name in ("all", under):
            self.took_ms.setdefault(name, []).append((time.perf_counter() - began) * 1e3)
        self.unable += isinstance(verdict, Unable)
        return verdict


def main() -> int:
    arguments = _arguments()
    with ExitStack() as stack:
        router = _router(arguments, stack)
        clock = Clock(router.judge)
        began = time.monotonic()
        rows = list(_rows(arguments, router, clock))
        _show(arguments, router, clock, rows, time.monotonic() - began)
    if arguments.json:
        arguments.json.write_text(json.dumps([_document(row) for row in rows], indent=1), "utf-8")
    # A quick look has too few lines to miss anything by.
    return 0 if arguments.quick or all(row.is_met for row in rows) else 1


def _router(arguments: argparse.Namespace, stack: ExitStack) -> Measured:
    match arguments.router:
        case "bm25":
            return bm25(stack)
        case "untrained":
            return untrained(arguments.model_folder)
        case "embedded":
            return embedded(stack)
        case url:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            return served(stack, url, arguments.model, folder)


def _rows(arguments: argparse.Namespace, router: Measured, judge: Judge) -> Iterator[Row]:
    if arguments.on != "public":
        return corpus.measured(judge, arguments.on, quick=arguments.quick)
    files = Files(arguments.data)
    if arguments.training:
        return public.measured_on_training(judge, files, quick=arguments.quick)
    return public.measured(judge, files, quick=arguments.quick, has_threshold=router.has_threshold)


def _show(
    arguments: argparse.Namespace, router: Measured, clock: Clock, rows: Sequence[Row], took_s: float
) -> None:
    quick = ", a quick look" if arguments.quick else ""
    table = Table(title=f"{router.name} ({router.size}) on {arguments.on}{quick}", title_justify="left")
    table.add_column("")
    for heading in ("n", "right", "95 %", "at least", "points lost", "at most", ""):
        table.add_column(heading, justify="right")
    for row in rows:
        share = row.share
        between = f"{share.low * 100:.1f} to {share.high * 100:.1f}"
        bounds = ("" if row.floor is None else f"{row.floor:.1%}", _points(row.lost), _points(row.most_lost))
        table.add_row(row.what, f"{share.n}", f"{share.accuracy:.1%}", between, *bounds, _met(arguments, row))
    console = Console(width=120)
    console.print(table)
    for name, took in sorted(clock.took_ms.items(), key=lambda each: -len(each[1])):
        found = latency(took)
        console.print(f"decisions, {name}: {len(took)}, p50 {found.p50:.2f} ms, p95 {found.p95:.2f} ms")
    if clock.unable:
        console.print(f"{clock.unable} decisions could not be made, and count as none")
    console.print(f"seed {SEED}; {took_s:.0f} s")


def _met(arguments: argparse.Namespace, row: Row) -> str:
    if arguments.quick or (row.floor is None and row.most_lost is None):
        return ""
    return "met" if row.is_met else "MISSED"


def _points(share: float | None) -> str:
    return "" if share is None else f"{share * 100:.1f}"


def _document(row: Row) -> dict[str, object]:
    share = row.share
    return {
        "what": row.what.strip(),
        "n": share.n,
        "accuracy": share.accuracy,
        "low": share.low,
        "high": share.high,
        "floor": row.floor,
        "lost": row.lost,
    }


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.routing", description=__doc__)
    parser.add_argument(
        "--router",
        default="embedded",
        help="embedded, untrained, bm25, or the base URL of an OpenAI-compatible API (with --model)",
    )
    parser.add_argument("--model", help="the model's id there")
    parser.add_argument(
        "--model-folder", type=Path, help="of the encoder as it was published (`make encoder`)"
    )
    parser.add_argument("--on", choices=("public", *SPLITS), default="public")
    parser.add_argument(
        "--training", action="store_true", help="the public sets' training parts, which nothing was chosen by"
    )
    parser.add_argument("--json", type=Path, help="write the rows to this file too")
    arguments = read_arguments(parser)
    if arguments.router == "untrained" and not arguments.model_folder:
        parser.error("--router untrained: expected --model-folder, with encoder.onnx and tokenizer.json")
    if arguments.router.startswith("http") and not arguments.model:
        parser.error("--router URL: expected --model, the model's id there")
    return arguments


if __name__ == "__main__":
    sys.exit(main())
