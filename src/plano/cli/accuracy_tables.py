"""How often routing was right, as tables of at most a hundred columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import click

from plano.cli.labelled import percent
from plano.cli.tables import show_table
from plano.config.problems import printable
from plano.evaluation.accuracy import Accuracy, RouteAccuracy, Share
from plano.evaluation.run import Judged

NONE: Final = "(none)"
WIDEST_MATRIX: Final = 10
"""Routes, none of them included, whose confusions fit into a matrix; of more, the largest are listed."""
MOST_CONFUSIONS: Final = 15
LONGEST_NAME: Final = 40
LONGEST_NAME_IN_MATRIX: Final = 28
WIDTH: Final = 100


def show_accuracy(data: str, found: Accuracy, routers: Mapping[str, int]) -> None:
    """`routers`: who gave how many of the verdicts."""
    spread = found.latency_ms
    show_table(
        f"{printable(data)}, judged by {_by_whom(routers)}",
        ("", "     n", "right", "95 % interval"),
        [
            _share("turns", found.turns),
            _share("spans", found.spans),
            _share("conversations", found.conversations),
        ],
    )
    show_table(
        "routes",
        ("route", "turns", "given", "precision", "recall"),
        [_route(each) for each in found.routes],
    )
    _show_confusions(found)
    click.echo(f"a decision takes {spread.p50:.2f} ms (p50), {spread.p95:.2f} (p95), {spread.p99:.2f} (p99)")


def _by_whom(routers: Mapping[str, int]) -> str:
    spoken = {name: "the embedded router" if name == "embedded" else name for name in routers}
    if len(spoken) <= 1:
        return next(iter(spoken.values()), "nobody")
    return ", ".join(f"{spoken[name]} ({count} turns)" for name, count in routers.items())


def _share(what: str, share: Share) -> tuple[str, ...]:
    return (
        what,
        f"{share.n:6}",
        percent(share.accuracy),
        f"{100 * share.low:.1f} to {100 * share.high:.1f} %",
    )


def _route(each: RouteAccuracy) -> tuple[str, ...]:
    return (
        _name(each.route),
        f"{each.n:5}",
        f"{each.predicted:5}",
        _rate(each.precision),
        _rate(each.recall),
    )


def _rate(rate: float | None) -> str:
    return f"{'-':>7}" if rate is None else f"{percent(rate):>7}"


def _name(route: str | None, longest: int = LONGEST_NAME) -> str:
    return NONE if route is None else _cut(printable(route), longest)


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else text[: longest - 1] + "…"


def _show_confusions(found: Accuracy) -> None:
    names = [each.route for each in found.routes]
    wrong = [(pair, count) for pair, count in found.confusion.items() if pair[0] != pair[1]]
    if not wrong:
        return
    if len(names) <= WIDEST_MATRIX:
        numbers = [str(place) for place in range(1, len(names) + 1)]
        show_table(
            "which turns (rows) were given which route (columns)",
            ("", "route", *(f"{number:>4}" for number in numbers)),
            [
                (
                    number,
                    _name(gold, LONGEST_NAME_IN_MATRIX),
                    *(_count(found.confusion.get((gold, given), 0)) for given in names),
                )
                for number, gold in zip(numbers, names, strict=True)
            ],
        )
        return
    wrong.sort(key=lambda each: (-each[1], str(each[0])))
    rest = f", the {MOST_CONFUSIONS} most frequent of {len(wrong)}" if len(wrong) > MOST_CONFUSIONS else ""
    show_table(
        f"confusions{rest}",
        ("should be", "was given", "turns"),
        [(_name(gold), _name(given), f"{count:5}") for (gold, given), count in wrong[:MOST_CONFUSIONS]],
    )


def _count(count: int) -> str:
    return f"{count or '.':>4}"


def show_errors(data: str, errors: Sequence[Judged]) -> None:
    """Turns that went wrong, with what was asked and how near it was."""
    if errors:
        click.echo("\nwrong:")
    for each in errors:
        reason = each.reason
        measured = "" if reason.score is None else f", score {reason.score:.2f}"
        measured += "" if reason.margin is None else f", margin {reason.margin:.2f}"
        nearest = f", nearest {_name(reason.route)}" if each.predicted is None and reason.route else ""
        place = f"  {printable(data)}:{each.turn.line}: "
        click.echo(place + _ask(each, max(WIDTH - len(place), 20)))
        click.echo(f"      should be {_name(each.turn.gold)}; got {_name(each.predicted)}{nearest}{measured}")


def _ask(each: Judged, longest: int) -> str:
    """The beginning of the words that were routed, on one line."""
    return _cut(printable(" ".join(each.turn.ask[: 4 * WIDTH].split())), longest)
