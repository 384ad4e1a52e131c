"""`plano eval`: how often routing is right, on labelled conversations."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import click

from plano.cli.accuracy_tables import show_accuracy, show_errors
from plano.cli.exits import ExitCode
from plano.cli.labelled import ShareType, configured, counted_off, labelled_file, named, percent
from plano.evaluation.accuracy import Accuracy, Outcome, accuracy
from plano.evaluation.run import Judged, judged
from plano.in_process import Router
from plano.routing.asked import Asked, already_read
from plano.routing.route_set import RouteSet
from plano.routing.utterance import Utterance

EXAMPLES = """\
\b
Examples:
  plano eval --config gateway.yaml labelled.jsonl
  plano eval labelled.jsonl --errors 20          and the first twenty that went wrong
  plano eval labelled.jsonl --min-accuracy 85%   for CI: exit code 1 below that
  zcat labelled.jsonl.gz | plano eval - --json   for a program

\b
A line of DATA.jsonl:
  {"messages": [{"role": "user", "content": "…"}], "route": "code generation"}
with null for a route where none fits, "conversation": "a name" for lines of one dialogue, and
"routing_preferences": […] where a line brings routes of its own.
"""


MOST_WARMING: Final = 30
"""Questions before the first one that counts; with the shortest time for a decision, each does a little."""


@dataclass(slots=True)
class Telling:
    """What is kept of a run besides its outcomes: bounded, whatever the number of turns."""

    most_errors: int
    errors: list[Judged] = field(default_factory=list)
    without_verdict: int = 0
    why_not: str = ""
    routers: Counter[str] = field(default_factory=Counter)

    def take(self, each: Judged) -> Outcome:
        if not each.is_right and len(self.errors) < self.most_errors:
            self.errors.append(each)
        if each.had_no_verdict:
            self.without_verdict += 1
            self.why_not = self.why_not or each.reason.because
        if each.reason.router:
            self.routers[each.reason.router] += 1
        return each.outcome


@click.command("eval", epilog=EXAMPLES)
@click.argument("data", metavar="DATA.jsonl", type=click.Path(dir_okay=False, allow_dash=True))
@click.option(
    "--config",
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The configuration; by default config.yaml, then plano_config.yaml, in the current folder.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option(
    "--min-accuracy",
    metavar="P",
    type=ShareType(),
    help="Exit with 1 when fewer turns than this share are right: 0.85, or 85%.",
)
@click.option(
    "--errors",
    "most_errors",
    metavar="N",
    type=click.IntRange(0),
    default=0,
    help="Show the first N wrong ones.",
)
def command(
    data: str, config: Path | None, as_json: bool, min_accuracy: float | None, most_errors: int
) -> int:
    """Measure how often the preference step finds the right route, on labelled conversations.

    Every line is judged as the gateway would judge a request of these messages, by the embedded
    router or the served router model, as configured; where no route is found, the answer is "none",
    not the default model. Nothing is sent to the models of the routes. DATA.jsonl may be - for
    standard input.
    """
    configuration, catalog = configured(config)
    telling = Telling(most_errors)
    with (
        labelled_file(data, configuration, catalog) as (file, contents),
        Router(configuration, catalog) as router,
    ):
        if catalog.router_model is None:
            _warm(router, next(file.turns()).routes)
        turns = counted_off(file.turns(), contents.turns)
        found = accuracy(telling.take(each) for each in judged(turns, router.prefer))
    if as_json:
        click.echo(json.dumps(_document(found, telling), indent=2, ensure_ascii=False))
    else:
        show_accuracy(named(data), found, dict(telling.routers.most_common()))
        show_errors(named(data), telling.errors)
    if telling.without_verdict:
        click.echo(
            f"warning: {telling.without_verdict} of {found.turns.n} turns had no verdict and count as none of"
            f" the routes; the first: {telling.why_not}",
            err=True,
        )
    if min_accuracy is not None and found.turns.accuracy < min_accuracy:
        click.echo(
            f"accuracy of turns: found {percent(found.turns.accuracy)}, wanted {percent(min_accuracy)}",
            err=True,
        )
        return ExitCode.INPUT_AT_FAULT
    return ExitCode.DONE


def _warm(router: Router, routes: RouteSet) -> None:
    """Have the encoder and the routes read before anything is measured, however often that runs out of
    the time for one decision: what was read so far is kept."""
    anything = (Utterance("user", "good morning"),)
    for _ in range(MOST_WARMING):
        if router.prefer(Asked(None, already_read(anything), routes)).reason.router is not None:
            return


def _document(found: Accuracy, telling: Telling) -> dict[str, object]:
    document = found.document() | {
        "confusion": [
            {"route": gold, "given": given, "turns": count}
            for (gold, given), count in sorted(found.confusion.items(), key=lambda each: -each[1])
        ],
        "routers": dict(telling.routers),
        "without_verdict": telling.without_verdict,
    }
    if telling.most_errors:
        document["errors"] = [
            {
                "line": each.turn.line,
                "ask": each.turn.ask[:200],
                "route": each.turn.gold,
                "given": each.predicted,
                "nearest": each.reason.route,
                "score": each.reason.score,
                "margin": each.reason.margin,
                "because": each.reason.because,
            }
            for each in telling.errors
        ]
    return document
