"""What is embedded of a conversation, and when two questions are one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plano.catalog.catalog import Route
from plano.catalog.names import RouteName
from plano.classifiers.embedded.question import question_of
from plano.classifiers.embedded.reading import LONGEST, TURNS_READ, Heard, excerpt, heard
from plano.routing.route_set import RouteSet
from plano.routing.utterance import Utterance

ROUTES = RouteSet([Route(RouteName("a"), "first", ())])


def dialogue(*texts: str) -> list[Utterance]:
    """Turns in alternation that end with the user's."""
    ends_with_user = reversed(list(enumerate(reversed(texts))))
    return [Utterance("assistant" if back % 2 else "user", text) for back, text in ends_with_user]


def test_the_users_turns_are_read_in_order() -> None:
    """The assistant's words are not what the user wants."""
    assert heard(dialogue("one", "fine", "two")) == (Heard("one"), Heard("two"))


def test_the_question_that_a_turn_answers_is_read_with_it() -> None:
    """'Yes' means what was asked."""
    read = heard(dialogue("a table", "There is one at eight. Shall I book it?", "yes"))

    assert read[-1] == Heard("yes", "Shall I book it?")


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param("Who knows? I do. It is this. And that.", id="long before the end"),
        pytest.param("const a = b ? c : d;\nreturn a;", id="a question mark in code"),
        pytest.param("It is done.", id="none"),
    ],
)
def test_what_is_no_question_to_the_user_is_not_read(answer: str) -> None:
    """Long answers are full of question marks."""
    assert heard(dialogue("do it", answer, "thanks"))[-1].question == ""


def test_a_question_need_not_be_the_very_last_sentence() -> None:
    """Assistants add a word of courtesy."""
    assert heard(dialogue("x", "Shall I? Just say so.", "yes"))[-1].question == "Shall I?"


def test_only_the_last_turns_are_read() -> None:
    """A conversation costs no more however long it lasts."""
    read = heard([Utterance("user", f"{number}") for number in range(100)])

    assert [turn.text for turn in read] == [f"{number}" for number in range(100 - TURNS_READ, 100)]


@given(st.text(max_size=6 * LONGEST))
def test_an_excerpt_is_never_longer_than_is_embedded(text: str) -> None:
    """Time is bounded by what goes into the encoder."""
    assert len(excerpt(text)) <= LONGEST + len(" … ")


def test_an_excerpt_keeps_both_ends() -> None:
    """People ask before or after what they paste."""
    cut = excerpt("please explain " + "x " * 9000 + "thanks in advance")

    assert (cut.startswith("please explain"), cut.endswith("thanks in advance")) == (True, True)


@pytest.mark.parametrize(
    ("text", "words"),
    [("and shorter", 2), ("", 0), ("把它翻译成英文", 4), ("その続きをお願いします", 6)],
)
def test_words_are_counted_where_there_are_no_spaces(text: str, words: int) -> None:
    """A long sentence in Chinese is not a short turn."""
    assert Heard(text).words == words


@pytest.mark.parametrize(
    ("text", "affirms"),
    [("Yes, please", True), ("ok do it", True), ("sí, claro", True), ("yesterday", False), ("no", False)],
)
def test_a_turn_says_yes_by_its_first_word(text: str, affirms: bool) -> None:
    """That is what makes an offer the user's own wish."""
    assert Heard(text).affirms is affirms


def test_white_space_does_not_make_another_question() -> None:
    """Clients reflow what they send again."""
    keys = {question_of([Utterance("user", text)], ROUTES).key for text in ("a  b", " a\nb ", "a b")}

    assert len(keys) == 1


def test_what_may_change_the_answer_makes_another_question() -> None:
    """Two questions of one key would share one answer."""
    others = RouteSet([Route(RouteName("a"), "second", ())])
    keys = [
        question_of(dialogue("ab"), ROUTES).key,
        question_of(dialogue("ab"), others).key,
        question_of(dialogue("a", "well.", "b"), ROUTES).key,
        question_of(dialogue("b", "well.", "a"), ROUTES).key,
        question_of(dialogue("a", "why?", "b"), ROUTES).key,
    ]

    assert len(set(keys)) == len(keys)
