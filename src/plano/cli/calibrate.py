"""`plano calibrate`: the threshold under which no route fits, fitted to the user's own labelled lines."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path

import click

from plano.classifiers.embedded.judgement import THRESHOLD
from plano.classifiers.embedded.router import EmbeddedRouter
from plano.cli.exits import InputAtFault, OutsideAtFault
from plano.cli.labelled import configured, counted_off, labelled_file, named, percent
from plano.cli.tables import show_table
from plano.evaluation.accuracy import Share
from plano.evaluation.calibration import FEWEST, Calibration, Effect, Scored, calibrate
from plano.evaluation.labelled import Contents, LabelledTurn
from plano.routing.verdict import Matched, NoneFits, Unable

EXAMPLES = """\
\b
Examples:
  plano calibrate --config gateway.yaml labelled.jsonl
  plano calibrate labelled.jsonl --json

\b
The lines are those of plano eval. At least twenty should have a route and twenty none ("route": null),
in about the shares in which users' turns have: the threshold weighs them as they come.
"""


@click.command("calibrate", epilog=EXAMPLES)
@click.argument("data", metavar="DATA.jsonl", type=click.Path(dir_okay=False, allow_dash=True))
@click.option(
    "--config",
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The configuration; by default config.yaml, then plano_config.yaml, in the current folder.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(data: str, config: Path | None, as_json: bool) -> None:
    """Find the score under which the embedded router should say that no route fits.

    A high threshold keeps out what belongs to no route, and loses some of what does; a low one does
    the reverse. This finds the one that is right most often on your labelled lines, says what it
    wins and loses on either kind, and what of that is left on lines that it was not fitted to.
    Nothing is written: it prints what to put into the file.
    """
    configuration, catalog = configured(config)
    given = configuration.routing.embedded_threshold
    present = THRESHOLD if given is None else given
    with labelled_file(data, configuration, catalog) as (file, contents):
        _refuse_one_kind(data, contents)
        scored = list(_scored(counted_off(file.turns(), contents.turns)))
    found = calibrate(scored, present)
    if as_json:
        click.echo(json.dumps(_document(found), indent=2))
    else:
        show_calibration(named(data), found)
    if catalog.router_model is not None and configuration.routing.fallback_router == "embedded":
        click.echo(
            f"note: {catalog.router_model.id} chooses the routes here; the threshold is that of the embedded"
            " router, which stands in for it",
            err=True,
        )


def _refuse_one_kind(data: str, contents: Contents) -> None:
    if not contents.without_route:
        raise InputAtFault(
            f"{named(data)}: expected some lines that belong to no route, with null as route; found none:"
            " without them, the lowest threshold always looks best"
        )
    if contents.without_route == contents.turns:
        raise InputAtFault(
            f"{named(data)}: expected some lines that belong to a route; found null as the route of each"
        )


def _scored(turns: Iterable[LabelledTurn]) -> Iterator[Scored]:
    router = EmbeddedRouter(threshold=0.0)
    try:
        for turn in turns:
            match router.judge(turn.utterances, turn.routes):
                case Matched(route, score):
                    yield Scored(turn.conversation, turn.right_for(route), route, score or 0.0)
                case NoneFits():
                    yield Scored(turn.conversation, turn.gold, None, 0.0)
                case Unable(because):
                    raise OutsideAtFault(f"the embedded router cannot judge: {because}")
    finally:
        router.close()


def show_calibration(data: str, found: Calibration) -> None:
    """What the threshold wins and loses, and what to write."""
    before, after, gain = found.before, found.after, found.gain
    show_table(
        f"{data}: right, with a threshold of",
        ("", "turns", f"{before.threshold:.2f} (now)", f"{after.threshold:.2f}", "difference"),
        [
            _compared("with a route", before.in_scope, after.in_scope),
            _compared("with none", before.out_of_scope, after.out_of_scope),
            _compared("both", before.both, after.both),
        ],
    )
    click.echo(
        f"On turns that it was not fitted to, it is right about {percent(gain.held_out.accuracy)}:\n"
        f"a gain of {_points(gain.mean)} points, 95 % interval {_points(gain.low)} to {_points(gain.high)}.\n"
    )
    click.echo(_advice(found))
    if found.has_few:
        click.echo(
            f"warning: {after.in_scope.n} turns with a route, {after.out_of_scope.n} without:"
            f" under {FEWEST} of either, the threshold follows chance",
            err=True,
        )


def _advice(found: Calibration) -> str:
    threshold = found.after.threshold
    if threshold == found.before.threshold:
        return f"No threshold is right more often than the present one, {threshold:.2f}: keep it."
    lines = f"routing:\n  embedded_threshold: {threshold:.2f}"
    if found.gain.is_sure:
        return f"Put into the file:\n\n{lines}"
    return (
        "The interval holds zero: the gain may be chance. Keep the present threshold until more lines\n"
        f"say so; the one that fits these best:\n\n{lines}"
    )


def _compared(what: str, before: Share, after: Share) -> tuple[str, ...]:
    return (
        what,
        f"{after.n:5}",
        f"{percent(before.accuracy):>7}",
        f"{percent(after.accuracy):>7}",
        f"{_points(after.accuracy - before.accuracy):>6}",
    )


def _points(share: float) -> str:
    """A difference of two shares, in points of a hundred."""
    return f"{100 * share:+.1f}"


def _document(found: Calibration) -> dict[str, object]:
    return {
        "embedded_threshold": found.after.threshold,
        "is_sure": found.gain.is_sure,
        "has_few": found.has_few,
        "before": _effect(found.before),
        "after": _effect(found.after),
        "gain": {"mean": found.gain.mean, "low": found.gain.low, "high": found.gain.high},
        "held_out": asdict(found.gain.held_out),
    }


def _effect(effect: Effect) -> dict[str, object]:
    return {
        "threshold": effect.threshold,
        "in_scope": asdict(effect.in_scope),
        "out_of_scope": asdict(effect.out_of_scope),
        "both": asdict(effect.both),
    }
