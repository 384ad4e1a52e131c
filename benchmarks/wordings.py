"""What the wording of a route is worth: `python -m benchmarks.wordings`.

The same routes, written in seven ways, on the router that ships and on the data of `benchmarks.routing`;
whether the pairs of routes that `plano lint` tells of do get mixed up; and whether it sees that two routes
have each other's names. docs/writing-routes.md has all three.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from rich.console import Console
from rich.table import Table

from benchmarks.routing.measuring import Judge, given, one_turn
from benchmarks.routing.public import (
    DRAWS,
    EXAMPLES,
    QUICK_DRAWS,
    ROUTES_DRAWN,
    SEED,
    Files,
    Labelled,
    read_arguments,
    route_sets,
)
from plano.catalog.catalog import Route
from plano.catalog.names import RouteName
from plano.classifiers.embedded.encoder import Encoder
from plano.classifiers.embedded.judgement import THRESHOLD
from plano.classifiers.embedded.router import EmbeddedRouter
from plano.evaluation.accuracy import Share, clustered
from plano.evaluation.lint.lint import lint
from plano.evaluation.lint.rewording import as_nouns
from plano.routing.route_set import RouteSet

Write = Callable[[int, Route], Route]
"""A route in other words; the number is its place among those drawn."""


@dataclass(frozen=True, slots=True)
class Wording:
    """One way to write routes."""

    what: str
    write: Write
    shows_examples: bool = False


WORDINGS = (
    Wording("a name and a description", lambda _, route: route),
    Wording(f"{EXAMPLES} examples, too", lambda _, route: route, shows_examples=True),
    Wording(
        f"a name and {EXAMPLES} examples",
        lambda _, route: replace(route, description=""),
        shows_examples=True,
    ),
    Wording("a name alone", lambda _, route: replace(route, description="")),
    Wording(
        'a name, and "anything related to" it',
        lambda _, route: replace(route, description=f"anything related to {route.name}"),
    ),
    Wording(
        "a description, under route_3", lambda at, route: replace(route, name=RouteName(f"route_{at + 1}"))
    ),
    Wording("nouns for commands", lambda _, route: replace(route, description=as_nouns(route.description))),
)


@dataclass(frozen=True, slots=True)
class Intents:
    """A set of routes, what users say to each, and where examples may be taken from."""

    title: str
    routes: Sequence[Route]
    asked: Sequence[Labelled]
    examples: Sequence[Labelled]


@dataclass(frozen=True, slots=True)
class Row:
    what: str
    shares: tuple[Share, ...]
    """One for each set of intents."""


def main() -> int:
    arguments = read_arguments(
        argparse.ArgumentParser(prog="python -m benchmarks.wordings", description=__doc__)
    )
    began = time.monotonic()
    router = EmbeddedRouter()
    files = Files(arguments.data)
    sets = intents(files)
    rows = list(measured(router.judge, sets, QUICK_DRAWS if arguments.quick else DRAWS))
    mixed_up = [lost(router.judge, each, pair) for each in sets for pair in overlapping(each.routes)]
    gateway = gateway_sets(files)
    told = [len(overlapping(routes.routes)) for routes in gateway]
    router.close()
    _show(rows, sets, quick=arguments.quick)
    _show_overlaps(mixed_up, told)
    _show_names(sets, gateway, QUICK_DRAWS if arguments.quick else DRAWS)
    print(f"seed {SEED}; {time.monotonic() - began:.0f} s")
    return 0


def intents(files: Files) -> tuple[Intents, ...]:
    """The two sets whose routes have both a name and a description."""
    return tuple(
        Intents(title, files.routes(name), files.labelled(asked), files.labelled(f"{name}_train"))
        for title, name, asked in (
            ("CLINC150", "clinc150", "clinc150_val"),
            ("HWU64", "hwu64", "hwu64_valid"),
        )
    )


def measured(judge: Judge, sets: Sequence[Intents], draws: int) -> Iterator[Row]:
    """One row a wording."""
    for wording in WORDINGS:
        yield Row(wording.what, tuple(worth(judge, each, wording, draws) for each in sets))


def worth(judge: Judge, asked: Intents, wording: Wording, draws: int) -> Share:
    """How many turns find their route when the routes are written so. Every wording meets the same draws
    of routes, and the same examples where it shows any; each draw is a cluster."""
    shown = asked.examples if wording.shows_examples else ()
    return clustered(
        [_right(judge, drawn, wording.write, asked.asked) for drawn in route_sets(asked.routes, draws, shown)]
    )


def _right(judge: Judge, drawn: RouteSet, write: Write, asked: Sequence[Labelled]) -> list[bool]:
    written = {route.name: write(at, route) for at, route in enumerate(drawn)}
    competing = RouteSet(list(written.values()))
    return [
        given(judge(one_turn(line.text), competing)) == written[RouteName(line.gold)].name
        for line in asked
        if line.gold in written
    ]


# --- overlaps ---


def overlapping(routes: Sequence[Route]) -> list[tuple[Route, Route]]:
    """The pairs that `plano lint` tells of."""
    return [
        (routes[finding.at], routes[finding.other])
        for finding in lint(routes, Encoder.load().encode, THRESHOLD)
        if finding.code == "overlap" and finding.other is not None
    ]


def lost(judge: Judge, asked: Intents, pair: tuple[Route, Route]) -> float:
    """The share of one route's turns that go to the other when the two are alone; the larger of both."""
    competing = RouteSet(pair)
    shares = []
    for own, other in (pair, pair[::-1]):
        given_to = [
            given(judge(one_turn(line.text), competing)) for line in asked.asked if line.gold == own.name
        ]
        shares.append(given_to.count(other.name) / max(1, len(given_to)))
    return max(shares)


# --- names ---


def misnamed(routes: Sequence[Route]) -> set[int]:
    """The routes whose names `plano lint` tells of, by their places; of two to exchange, both."""
    called = [each for each in lint(routes, Encoder.load().encode, THRESHOLD) if each.code == "name"]
    both = {each.other for each in called if each.other is not None and "exchange" in each.suggestion}
    return {each.at for each in called} | both


def exchanged(sets: Sequence[RouteSet], seed: int) -> tuple[int, int, int]:
    """With the names of two routes exchanged in each set: in how many one of them is told of, in how many
    both, and how many others are that were not before."""
    chance = random.Random(seed)
    one = both = others = 0
    for drawn in sets:
        at, other = chance.sample(range(len(drawn.routes)), 2)
        names = {at: drawn.routes[other].name, other: drawn.routes[at].name}
        told = misnamed(
            [replace(route, name=names.get(i, route.name)) for i, route in enumerate(drawn.routes)]
        )
        one += bool(told & {at, other})
        both += {at, other} <= told
        others += len(told - {at, other} - misnamed(drawn.routes))
    return one, both, others


def gateway_sets(files: Files) -> list[RouteSet]:
    """The route sets of the conversations as gateway users write them."""
    conversations = files.conversations("gateway_dev", quick=False)
    return list({asked.routes.key: asked.routes for asked, _ in conversations}.values())


# --- what is printed ---


def _show(rows: Sequence[Row], sets: Sequence[Intents], *, quick: bool) -> None:
    title = f"{ROUTES_DRAWN} routes, turns right" + (", a quick look" if quick else "")
    table = Table(title=title, title_justify="left")
    table.add_column("")
    for each in sets:
        for heading in (each.title, "95 %"):
            table.add_column(heading, justify="right")
    for row in rows:
        cells = [
            text
            for share in row.shares
            for text in (f"{share.accuracy:.1%}", f"{share.low * 100:.1f} to {share.high * 100:.1f}")
        ]
        table.add_row(row.what, *cells)
    console = Console(width=100)
    console.print(table)
    turns = ", ".join(f"{share.n} of {each.title}" for share, each in zip(rows[0].shares, sets, strict=True))
    console.print(f"turns a row: {turns}")


def _show_overlaps(mixed_up: Sequence[float], told: Sequence[int]) -> None:
    tenth, quarter = (sum(share >= least for share in mixed_up) for least in (0.10, 0.25))
    print(
        f"\nplano lint tells of {len(mixed_up)} overlapping pairs among all of these routes."
        f"\nOf the turns of one route of a pair, a tenth or more go to the other in {tenth} of them,"
        f" a quarter or more in {quarter}."
        f"\nAmong the {len(told)} route sets of the gateway conversations it tells of {sum(told)}."
    )


def _show_names(sets: Sequence[Intents], gateway: Sequence[RouteSet], draws: int) -> None:
    given_names = sum(len(each.routes) for each in sets)
    told = sum(len(misnamed(each.routes)) for each in sets)
    of_gateway = sum(len(misnamed(each.routes)) for each in gateway)
    print(
        f"\nOf the {given_names} names of these routes it tells of {told}, of the"
        f" {sum(len(each.routes) for each in gateway)} of the gateway sets of {of_gateway}."
        "\nWith the names of two routes exchanged at random, it tells"
    )
    for title, drawn in (
        *((each.title, list(route_sets(each.routes, draws, ()))) for each in sets),
        ("the gateway sets", [routes for routes in gateway for _ in range(draws // len(gateway) or 1)]),
    ):
        one, both, others = exchanged(drawn, SEED)
        print(
            f"  {title}: of one or both in {one} of {len(drawn)} sets, of both in {both}; of {others} others"
        )


if __name__ == "__main__":
    sys.exit(main())
