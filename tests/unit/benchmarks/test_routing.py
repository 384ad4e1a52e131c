"""The benchmark of routing asks the same of every router, and counts as it says."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from benchmarks.routing.measuring import Row, dialogues
from benchmarks.routing.public import ROUTES_DRAWN, Files, Labelled, drawn, flat, route_sets
from plano.catalog.catalog import Route
from plano.catalog.names import RouteName
from plano.evaluation.accuracy import wilson
from plano.routing.route_set import RouteSet
from plano.routing.utterance import Utterance
from plano.routing.verdict import Matched, NoneFits, Verdict

ROUTES = [Route(RouteName(f"route {number}"), "", ()) for number in range(30)]
LINES = [Labelled(f"{route.name}, please", route.name) for route in ROUTES for _ in range(4)]
OUT_OF_SCOPE = Labelled("nobody knows", None)


def knows(conversation: Sequence[Utterance], routes: RouteSet) -> Verdict:
    """Right about every line above."""
    name = conversation[-1].text.removesuffix(", please")
    return Matched(RouteName(name), 1.0) if routes.named(name) else NoneFits("it is not there")


def test_every_run_and_every_row_draws_the_same_routes() -> None:
    """Rows with and without examples differ by the examples alone, and two versions by the version alone."""
    plain, again = list(route_sets(ROUTES, 5)), list(route_sets(ROUTES, 5))
    shown = list(route_sets(ROUTES, 5, LINES))

    assert [each.key for each in plain] == [each.key for each in again]
    assert [[route.name for route in each] for each in plain] == [
        [route.name for route in each] for each in shown
    ]
    assert {len(route.examples) for each in shown for route in each} == {3}


def test_only_lines_of_the_routes_drawn_are_asked() -> None:
    """The others would be out of scope, which is a row of its own."""
    share = drawn(knows, ROUTES, [*LINES, OUT_OF_SCOPE], draws=5)

    assert (share.n, share.accuracy) == (5 * ROUTES_DRAWN * 4, 1.0)


def test_lines_out_of_scope_are_left_out_where_all_routes_compete() -> None:
    """That row is about telling routes apart."""
    share = flat(knows, ROUTES[:15], [*LINES, OUT_OF_SCOPE], quick=False)

    assert (share.n, share.accuracy) == (len(LINES), 0.5)


def test_conversations_are_read_as_a_request_is(tmp_path: Path) -> None:
    """With their own routes, and what their lines say of themselves."""
    line = {
        "conversation": "c",
        "set": "s",
        "style": "plain",
        "messages": [
            {"role": "system", "content": "be brief"},
            {"role": "user", "content": "route 1, please"},
        ],
        "route": "route 1",
        "routing_preferences": [{"name": "route 1", "description": "", "models": ["a/b"]}],
    }
    (tmp_path / "told.jsonl").write_text(json.dumps(line) + "\n", "utf-8")

    told = dialogues(knows, Files(tmp_path).conversations("told", quick=False))
    assert (told.by("set"), told.by("style")) == ({"s": [[True]]}, {"plain": [[True]]})


def test_a_row_is_met_at_its_floor() -> None:
    """'At least' includes the figure itself; a row without one cannot be missed."""
    rows = [Row("", wilson(8, 10), floor) for floor in (0.8, 0.81, None)]

    assert [row.is_met for row in rows] == [True, False, True]
