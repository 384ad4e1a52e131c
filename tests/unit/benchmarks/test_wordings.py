"""The benchmark of wordings asks the same of every wording, and counts by the routes as they were."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from benchmarks.routing.public import ROUTES_DRAWN, Labelled
from benchmarks.wordings import WORDINGS, Intents, Wording, lost, worth
from plano.catalog.catalog import Route
from plano.catalog.names import RouteName
from plano.routing.route_set import RouteSet
from plano.routing.utterance import Utterance
from plano.routing.verdict import Matched, NoneFits, Verdict

ROUTES = [Route(RouteName(f"name {number}"), f"write about {number}", ()) for number in range(30)]
LINES = [Labelled(route.name.removeprefix("name "), route.name) for route in ROUTES for _ in range(4)]
INTENTS = Intents("numbers", ROUTES, [*LINES, Labelled("nobody knows", None)], LINES)


class Knows:
    """Finds the route that any word of belongs to what is said, and remembers what it was shown."""

    def __init__(self) -> None:
        self.shown: list[RouteSet] = []

    def __call__(self, conversation: Sequence[Utterance], routes: RouteSet) -> Verdict:
        self.shown.append(routes)
        for route in routes:
            words = f"{route.name} {route.description} {' '.join(route.examples)}".split()
            if route.name.startswith("name") and route.name == f"name {conversation[-1].text}":
                return Matched(route.name, 1.0)
            if not route.name.startswith("name") and conversation[-1].text in words[1:]:
                return Matched(route.name, 1.0)
        return NoneFits("it is not there")


@pytest.mark.parametrize("wording", WORDINGS, ids=lambda wording: wording.what)
def test_a_turn_is_right_when_its_route_is_found_under_whatever_name(wording: Wording) -> None:
    """A route called `route_3` is still the one that the line is labelled with."""
    share = worth(Knows(), INTENTS, wording, draws=3)

    assert (share.n, share.accuracy) == (3 * ROUTES_DRAWN * 4, 1.0)


def test_every_wording_meets_the_same_draws() -> None:
    """Rows differ by the wording alone; examples are the same with and without a description."""
    shown = []
    for wording in WORDINGS:
        judge = Knows()
        worth(judge, INTENTS, wording, draws=2)
        shown.append([routes.routes for routes in judge.shown])

    described, exemplified, undescribed, named = shown[:4]
    assert [[each.name for each in routes] for routes in named] == [
        [each.name for each in routes] for routes in described
    ]
    assert [[each.examples for each in routes] for routes in undescribed] == [
        [each.examples for each in routes] for routes in exemplified
    ]


def test_what_a_pair_loses_is_the_share_of_the_worse_half() -> None:
    """An overlap that swallows one route altogether must not be halved by the other."""
    first, second = ROUTES[:2]

    def takes_all(_: Sequence[Utterance], __: RouteSet) -> Verdict:
        return Matched(first.name, 1.0)

    assert lost(takes_all, INTENTS, (first, second)) == 1.0
