"""A route's own words, and other ways to write them."""

from __future__ import annotations

import pytest

from plano.catalog.catalog import Route
from plano.catalog.names import RouteName
from plano.evaluation.lint.rewording import as_nouns, says_no_more, vague_words, without_vague
from plano.evaluation.lint.wordings import fragments, spoken, wordings


def test_a_name_is_read_as_it_would_be_said() -> None:
    """Programs write names in one word; users do not."""
    names = ("code_review", "code-review", "codeReview", "code review", "law/contracts")

    assert [spoken(name).lower() for name in names] == ["code review"] * 4 + ["law contracts"]


def test_a_description_falls_into_what_it_lists() -> None:
    """Each may be what a user asks for."""
    listed = fragments(
        "Poems, song lyrics or short stories; plots (also of plays). Not for code, e.g. C, or poems"
    )

    assert listed == [
        "Poems",
        "song lyrics",
        "short stories",
        "plots",
        "also of plays",
        "Not for code",
        "poems",
    ]


def test_a_route_is_asked_for_by_its_name_and_by_what_it_lists() -> None:
    """In the ways in which users begin."""
    asked = wordings(Route(RouteName("code_review"), "diffs", ()))

    assert asked == [
        "code review",
        "can you help me with code review",
        "I need code review",
        "diffs",
        "can you help me with diffs",
        "I need diffs",
    ]


VAGUE = [
    ("anything related to coding, such as functions and bugs", "coding, functions and bugs"),
    ("general questions about law, contracts and courts", "law, contracts and courts"),
    ("poems, stories, etc.", "poems, stories"),
    ("poems, stories and so on", "poems, stories"),
    ("all kinds of equations, proofs and other things", "equations, proofs"),
    ("lights and other devices", "lights and devices"),
    ("Everything else", ""),
    ("other", ""),
    ("general questions", ""),
    ("miscellaneous", ""),
    ("clauses and obligations in contracts", "clauses and obligations in contracts"),
]


@pytest.mark.parametrize(("written", "better"), VAGUE)
def test_vague_words_are_left_out_and_the_rest_stays_whole(written: str, better: str) -> None:
    """It is offered to people to copy."""
    assert (without_vague(written), bool(vague_words(written))) == (better, written != better)


@pytest.mark.parametrize(
    ("name", "description", "expected"),
    [
        ("code_review", "", True),
        ("code review", "reviewing code", True),
        ("law", "anything related to law", True),
        ("law", "contracts", False),
        ("law", "law and contracts", False),
    ],
)
def test_a_description_may_say_no_more_than_the_name(name: str, description: str, expected: bool) -> None:
    """However many words it takes to do so."""
    assert says_no_more(name, description) is expected


def test_commands_become_nouns() -> None:
    """Only where an item begins; what is a noun already stays."""
    written = "Write code, fix bugs or run tests: plan a trip and translate; review"

    assert (
        as_nouns(written)
        == "Writing code, fixing bugs or running tests: planning a trip and translating; reviewing"
    )
    assert as_nouns("the code, bugs and code review") == "the code, bugs and coding review"
