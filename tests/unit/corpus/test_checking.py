"""What keeps the splits of the corpus apart, and what says how varied and how agreed upon it is."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from tools.corpus.agreement import agreement
from tools.corpus.checking import faults, near_duplicates
from tools.corpus.diversity import diversity
from tools.corpus.held import Conversation, Header, Message, Route, RouteSet, Split

LONG = "my grandmother's sewing machine eats the thread whenever I change direction quickly"
NEARLY = "my grandmother's sewing machine eats the thread whenever I change direction slowly"


def held(name: str, split: Split, asks: Sequence[tuple[str, str | None]], domain: str = "") -> RouteSet:
    conversations = tuple(
        Conversation(f"{name}/{number:02d}", [], [Message("user", text, gold)])
        for number, (text, gold) in enumerate(asks, 1)
    )
    header = Header(name, "domains", domain or name, "", name, [Route("a", "one"), Route("b", "two")])
    return RouteSet(header, split, conversations)


@pytest.mark.parametrize(("split", "found"), [("test", 1), ("train", 0)])
def test_what_is_nearly_said_in_another_split_is_found(split: Split, found: int) -> None:
    """A router that was trained on the one has seen the other; within a split it does no harm."""
    sets = [held("one", "train", [(LONG, "a")]), held("two", split, [(NEARLY, "a")])]

    pairs = list(near_duplicates([turn for each in sets for turn in each.turns()]))

    assert [(one.id, other.id) for one, other, _ in pairs] == [("one/01#1", "two/01#1")] * found


def test_short_turns_are_nobodys() -> None:
    """Everybody says them."""
    sets = [
        held("one", "train", [("thanks that worked", None)]),
        held("two", "test", [("thanks that worked", None)]),
    ]

    assert list(near_duplicates([turn for each in sets for turn in each.turns()])) == []


def test_a_route_that_is_never_asked_for_and_a_field_in_two_splits_are_faults() -> None:
    """The one measures nothing, the other something else than it says."""
    asks = [("x", "a"), ("y", "a"), ("z", "b")]
    sets = [held("one", "train", asks, "law"), held("two", "test", [*asks, ("w", "b")], "law")]

    told = list(faults(sets))

    assert [each for each in told if not each.startswith("expected ")] == [
        "one: expected 2 asks of 'b' at least; found 1",
        "domain 'law': expected it in one split; found it in test, train",
    ]


def test_agreement_counts_either_and_takes_chance_away() -> None:
    """Where all labels are one, agreement says nothing; where they differ, agreeing does."""
    sets = held("one", "test", [("w", "a"), ("x", "a"), ("y", "b"), ("z", "b")])
    seconds = ["a", "a", "b", "a"]

    found = agreement([(turn, turn.gold, second) for turn, second in zip(sets.turns(), seconds, strict=True)])

    assert (found.turns, found.share, found.kappa, found.by_kind) == (4, 0.75, 0.5, {"domains": (4, 0.75)})


def test_a_template_is_less_varied_than_people() -> None:
    """By every measure that is to tell them apart."""
    template = [f"please help me with my {thing} problem today" for thing in ("car", "bank", "knee", "boss")]
    people = ["car wont start", "what's an overdraft?!", "knee hurts since sunday, ice?", "boss shouts again"]
    places = {text: place for place, text in enumerate([*template, *people])}

    def encode(texts: Sequence[str]) -> np.typing.NDArray[np.float32]:
        return np.eye(len(places), dtype=np.float32)[[places[text] for text in texts]]

    same, varied = diversity(template, encode), diversity(people, encode)

    assert same.distinct_2 < varied.distinct_2
    assert (same.overlap > 0.4, varied.overlap) == (True, 0.0)
