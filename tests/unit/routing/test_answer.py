"""What a router model's answer means, whatever it looks like."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plano.catalog.names import RouteName
from plano.routing.answer import LONGEST_READ, read_answer
from plano.routing.verdict import Matched, NoneFits, Unable
from tests.unit.routing.route_sets import routes_of

ROUTES = routes_of(
    ("code generation", "writing code"),
    ("prose", "essays"),
    ("don't", "an apostrophe"),
    ('say "hi"', "quotes"),
    ("{braces}", "braces"),
    ("Sum", "addition"),
    ("sum", "a twin but for its case"),
    ("翻译", "another script"),
)

ACCEPTED = [
    pytest.param('{"route": ["prose"]}', "prose", id="a list"),
    pytest.param('{"route": ["prose", "code generation"]}', "prose", id="the first of a list"),
    pytest.param(
        '{"route": ["nobody", "code generation", "prose"]}', "code generation", id="the first known"
    ),
    pytest.param('{"route": [null, "", "prose"]}', "prose", id="behind nothing"),
    pytest.param('{"route": ["other", "prose"]}', "prose", id="behind other"),
    pytest.param('{"route": "prose"}', "prose", id="a name alone"),
    pytest.param('{"route":"prose"}\n', "prose", id="without spaces"),
    pytest.param('{"why": "essay", "route": "prose", "sure": 0.9, "x": {"y": [1]}}', "prose", id="more keys"),
    pytest.param("{'route': ['prose']}", "prose", id="single quotes"),
    pytest.param("{'route': 'code generation'}", "code generation", id="single quotes, a name alone"),
    pytest.param("{'route': [None, 'prose']}", "prose", id="as Python writes it"),
    pytest.param("{\"route\": ['prose']}", "prose", id="both quotes"),
    pytest.param("{'route': \"don't\"}", "don't", id="an apostrophe among single quotes"),
    pytest.param("{'route': 'don\\'t'}", "don't", id="an escaped apostrophe"),
    pytest.param('{"route": "don\'t"}', "don't", id="an apostrophe"),
    pytest.param("{'route': 'say \"hi\"'}", 'say "hi"', id="quotes among single quotes"),
    pytest.param('{"route": "say \\"hi\\""}', 'say "hi"', id="escaped quotes"),
    pytest.param('{"route": "{braces}"}', "{braces}", id="braces in a name"),
    pytest.param('{"route": "\\u7ffb\\u8bd1"}', "翻译", id="escapes"),
    pytest.param('{\\n  "route": ["prose"]\\n}', "prose", id="line ends written out"),
    pytest.param('```json\n{"route": ["prose"]}\n```', "prose", id="a fence"),
    pytest.param("```\n{'route': 'prose'}\n```", "prose", id="a fence of no language"),
    pytest.param('The answer is {"route": ["prose"]}, as {you} asked.', "prose", id="words around"),
    pytest.param("It's clear: {'route': 'prose'} - isn't it?", "prose", id="words with apostrophes around"),
    pytest.param('{"route": "prose"}\n{"route": "prose"}', "prose", id="twice the same"),
    pytest.param('{"name": "prose"} {"route": "prose"}', "prose", id="behind a repeated route"),
    pytest.param(
        '<think>\n{"route": "code generation"}?\n</think>\n\n{"route": "prose"}', "prose", id="thoughts"
    ),
    pytest.param('it is prose</think>{"route": "prose"}', "prose", id="thoughts that began in the prompt"),
    pytest.param('{"route": "PROSE"}', "prose", id="another case"),
    pytest.param('{"route": " Code  generation\\n"}', "code generation", id="other spaces"),
    pytest.param('{"route": "Sum"}', "Sum", id="twins, one exactly"),
    pytest.param('{"route": "sum"}', "sum", id="twins, the other exactly"),
]


@pytest.mark.parametrize(("answer", "route"), ACCEPTED)
def test_an_answer_that_names_a_route_is_understood(answer: str, route: str) -> None:
    """Small models and their servers wrap the same answer in many ways."""
    assert read_answer(answer, ROUTES) == Matched(RouteName(route))


NAMED_NONE = NoneFits("it named no route")
NONE = [
    pytest.param('{"route": []}', NAMED_NONE, id="an empty list"),
    pytest.param('{"route": null}', NAMED_NONE, id="null"),
    pytest.param('{"route": ""}', NAMED_NONE, id="an empty name"),
    pytest.param('{"route": [""]}', NAMED_NONE, id="a list of an empty name"),
    pytest.param('{"route": [null]}', NAMED_NONE, id="a list of null"),
    pytest.param('{"route": "other"}', NAMED_NONE, id="other"),
    pytest.param('{"route": ["Other"]}', NAMED_NONE, id="a list of Other"),
    pytest.param("{'route': None}", NAMED_NONE, id="None"),
    pytest.param('```json\n{"route": []}\n```', NAMED_NONE, id="in a fence"),
    pytest.param("[]", NAMED_NONE, id="a bare list"),
    pytest.param("null", NAMED_NONE, id="a bare null"),
    pytest.param('""', NAMED_NONE, id="a bare empty name"),
    pytest.param(" other\n", NAMED_NONE, id="a bare other"),
    pytest.param("```\n[]\n```", NAMED_NONE, id="a bare list in a fence"),
    pytest.param(
        '{"route": "poetry"}',
        NoneFits("it named 'poetry', which is none of the routes"),
        id="an unknown name",
    ),
    pytest.param(
        '{"route": ["other", "poetry", "music"]}',
        NoneFits("it named 'poetry', which is none of the routes"),
        id="unknown names",
    ),
    pytest.param(
        '{"route": "SUM"}', NoneFits("it named 'SUM', which is none of the routes"), id="which of two twins"
    ),
    pytest.param(
        '{"route": "code_generation"}',
        NoneFits("it named 'code_generation', which is none of the routes"),
        id="nearly a name",
    ),
    pytest.param(
        '{"route": "a\\u0000\\n\\u001b[31m\\u202e\\ud800"}',
        NoneFits("it named 'a\\x00\\n\\x1b[31m\\u202e\\ud800', which is none of the routes"),
        id="control characters",
    ),
    pytest.param(
        f'{{"route": "{"x" * 1000}"}}',
        NoneFits(f"it named '{'x' * 40}…', which is none of the routes"),
        id="a long name",
    ),
]


@pytest.mark.parametrize(("answer", "verdict"), NONE)
def test_an_answer_that_names_no_route_is_none(answer: str, verdict: NoneFits) -> None:
    """The model has looked: nobody else is asked. An unknown name is shown, so that a slip is found."""
    assert read_answer(answer, ROUTES) == verdict


UNUSABLE = [
    pytest.param("", "its answer is empty", id="nothing"),
    pytest.param(" \n", "its answer is empty", id="spaces"),
    pytest.param("<think>all of it</think>", "its answer is empty", id="thoughts alone"),
    pytest.param(
        '<think>perhaps {"route": "prose"}',
        "its answer ends before its thoughts do",
        id="thoughts without end",
    ),
    pytest.param(
        "Sure! Here is your essay.",
        "its answer is prose (25 characters), not a JSON object with 'route'",
        id="an answer to the user",
    ),
    pytest.param(
        "prose", "its answer is prose (5 characters), not a JSON object with 'route'", id="a bare name"
    ),
    pytest.param(
        '["prose"]',
        "its answer is prose (9 characters), not a JSON object with 'route'",
        id="a bare list of names",
    ),
    pytest.param(
        '{"route": "prose"',
        "its answer is incomplete JSON (17 characters), not a JSON object with 'route'",
        id="cut off",
    ),
    pytest.param(
        "{route: prose}",
        "its answer is incomplete JSON (14 characters), not a JSON object with 'route'",
        id="YAML",
    ),
    pytest.param("{}", "its answer is JSON without 'route'", id="an empty object"),
    pytest.param('{"name": "prose"}', "its answer is JSON without 'route'", id="another key"),
    pytest.param('{"answer": {"route": "prose"}}', "its answer is JSON without 'route'", id="deeper"),
    pytest.param('{"route": 1}', "its answer holds something else than names under 'route'", id="a number"),
    pytest.param('{"route": true}', "its answer holds something else than names under 'route'", id="a flag"),
    pytest.param(
        '{"route": {"name": "prose"}}',
        "its answer holds something else than names under 'route'",
        id="an object",
    ),
    pytest.param(
        '{"route": [["prose"]]}',
        "its answer holds something else than names under 'route'",
        id="a list of lists",
    ),
    pytest.param(
        '{"route": ["prose", 1]}',
        "its answer holds something else than names under 'route'",
        id="a mixed list",
    ),
    pytest.param(
        '{"route": "prose"} or {"route": "sum"}', "its answer says more than one thing", id="two answers"
    ),
    pytest.param(
        '{"route": "prose", "route": "sum"}', "its answer says more than one thing", id="a key twice"
    ),
    pytest.param(
        '{"route": "prose"}' * 17, "its answer has 17 objects where one was asked for", id="many objects"
    ),
    pytest.param(
        '{"route": "prose"}' + "!" * LONGEST_READ,
        "its answer has 4114 characters, and a route's name is not looked for in that",
        id="wordy",
    ),
]


@pytest.mark.parametrize(("answer", "because"), UNUSABLE)
def test_any_other_answer_is_none_at_all(answer: str, because: str) -> None:
    """Somebody else may still know. It is described and not repeated: it might be the user's words."""
    assert read_answer(answer, ROUTES) == Unable(because)


def test_a_route_that_is_called_other_can_be_named() -> None:
    """Then the word is a name."""
    assert read_answer('{"route": "other"}', routes_of(("other", "the rest"))) == Matched(RouteName("other"))


PIECES = st.sampled_from(
    [
        '{"route": ', "{'route': ", "{", "}", "[", "]", '"', "'", ", ", "prose", "sum", "other", "null",
        "None", "\\", "\\n", "\\'", "```", "```json\n", "<think>", "</think>", "route", ":", "\ud800", "\x00",
        " ", "\n",
    ]
)  # fmt: skip


@given(st.one_of(st.text(), st.lists(PIECES, max_size=40).map("".join)))
def test_no_answer_names_a_route_that_was_not_asked_about(answer: str) -> None:
    """Whoever writes the answer chooses among the candidates of this request and nothing else; and no
    answer fails a request."""
    verdict = read_answer(answer, ROUTES)

    assert not isinstance(verdict, Matched) or ROUTES.named(verdict.route) is not None
    assert isinstance(verdict, Matched) or verdict.because.isprintable()


SLOW = [
    pytest.param("{" * LONGEST_READ, id="braces"),
    pytest.param('{"a":' * 800, id="deep"),
    pytest.param("{'a':" * 16 + "[" * 4000, id="deep lists"),
    pytest.param("{'" * 16 + "\\'" * 2000, id="escapes"),
    pytest.param("{'" * 16 + "\\'" * 2000 + "\\", id="escapes, one open"),
    pytest.param('{"' * 16 + '\\"' * 2000 + "\\", id="escaped quotes, one open"),
    pytest.param("{'" + "'\"" * 2000, id="quotes"),
    pytest.param('{"route": ' + "[" * 2000 + "]" * 2000 + "}", id="a deep route"),
    pytest.param("<think>" + "{'a" * 20_000, id="long thoughts"),
    pytest.param("`" * LONGEST_READ, id="fences"),
]


@pytest.mark.parametrize("answer", SLOW)
def test_no_answer_is_slow_to_read(answer: str) -> None:
    """It is read on the event loop, which a hostile answer must not hold up."""
    read_answer(answer, ROUTES)

    began = time.process_time()
    for _ in range(5):
        read_answer(answer, ROUTES)

    assert (time.process_time() - began) / 5 < 0.02
