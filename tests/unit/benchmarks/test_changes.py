"""Turns changed in ways that change nothing: each change does what it is called, and nothing else."""

from __future__ import annotations

import random
from typing import Any

from benchmarks.routing.changes import Line, OneMore, Paraphrased, Renamed, changed, mistyped, reordered
from tools.corpus.held import Conversation, Header, Message, Route, RouteSet

ROUTES = [{"name": name, "description": f"about {name}"} for name in ("a", "b", "c")]
LINE: Line = {
    "turn": "s/01#1",
    "set": "s",
    "messages": [{"role": "user", "content": "my grandmother wants another umbrella for her birthday"}],
    "route": "a",
    "routing_preferences": ROUTES,
}


def content(line: Line) -> str:
    text: str = line["messages"][-1]["content"]
    return text


def test_typos_leave_the_number_of_words_and_most_letters() -> None:
    """A reader still understands what is wanted."""
    typed = content(mistyped(LINE, random.Random(1)))

    assert (typed != content(LINE), len(typed.split())) == (True, len(content(LINE).split()))
    assert abs(len(typed) - len(content(LINE))) <= 3


def test_marks_of_an_envelope_are_not_mistyped() -> None:
    """No user types them; a broken one would swallow the words inside."""
    text = "<system-reminder>remember</system-reminder> ok"
    line: Line = LINE | {"messages": [{"role": "user", "content": text}]}

    assert content(mistyped(line, random.Random(1))) == text


def test_another_order_is_of_the_same_routes() -> None:
    """Nothing else may tell them apart."""
    orders = {
        tuple(each["name"] for each in reordered(LINE, random.Random(seed))["routing_preferences"])
        for seed in range(50)
    }

    assert len(orders) == 6
    assert LINE["routing_preferences"] == ROUTES


def test_one_route_more_is_of_another_set_of_a_narrow_kind() -> None:
    """A set of broad kinds would take over what it is not asked for."""
    other = held("t", "products", "refunds")
    change = OneMore([held("s", "products", "own"), held("u", "domains", "everything"), other])

    names = [each["name"] for each in change(LINE, random.Random(1))["routing_preferences"]]

    assert sorted(names) == ["a", "b", "c", "refunds (other)"]


def test_renamed_routes_take_their_golds_along() -> None:
    """None stays none."""
    other = {name: {"name": name.upper(), "description": "in other words"} for name in ("a", "b", "c")}
    line: Line = LINE | {"route": ["a", None]}

    (pair,) = changed([line], Renamed({"s": other}))

    assert pair[1]["route"] == ["A", None]
    assert [each["name"] for each in pair[1]["routing_preferences"]] == ["A", "B", "C"]


def test_what_has_no_other_words_is_left_out() -> None:
    """A turn that was not paraphrased says nothing about paraphrases."""
    lines: list[Line] = [LINE, LINE | {"turn": "s/01#2"}]

    pairs = list(changed(lines, Paraphrased({"s/01#2": "granny needs a brolly"})))

    assert [(before["turn"], content(after)) for before, after in pairs] == [
        ("s/01#2", "granny needs a brolly")
    ]


def held(name: str, kind: Any, route: str) -> RouteSet:
    header = Header(name, kind, "", "", "", [Route(route, "")])
    return RouteSet(header, "test", (Conversation(f"{name}/01", [], [Message("user", "x", route)]),))
