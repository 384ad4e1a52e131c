"""Which names look like one that nobody has."""

from __future__ import annotations

from difflib import SequenceMatcher, get_close_matches
from time import process_time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plano.catalog.near import LEAST_ALIKE, LONGEST_COMPARED, MOST_TOLD, Names

DECLARED = (
    "openai/gpt-4o", "openai/gpt-4o-mini", "openai/o3", "o3", "gpt-4o", "gpt-4o-mini", "claude-sonnet-4-5",
    "anthropic/claude-sonnet-4-5", "anthropic/claude-haiku-4-5", "claude-haiku-4-5", "fast", "careful",
    "together_ai/meta-llama/Llama-3.3-70B", "meta-llama/Llama-3.3-70B", "gemini/gemini-2.5-pro",
)  # fmt: skip
MISTAKES = [
    ("gpt-4p", "gpt-4o"),
    ("gtp-4o", "gpt-4o"),
    ("gpt4o", "gpt-4o"),
    ("GPT-4O", "gpt-4o"),
    ("opanai/gpt-4o", "openai/gpt-4o"),
    ("claude-sonnet-4.5", "claude-sonnet-4-5"),
    ("claude-sonnet-4-5-20250929", "claude-sonnet-4-5"),
    ("anthropic/claude-hiaku-4-5", "anthropic/claude-haiku-4-5"),
    ("gemini-2.5-pro", "gemini/gemini-2.5-pro"),
    ("fsat", "fast"),
    ("llama-3.3-70b", "meta-llama/Llama-3.3-70B"),
]


@pytest.mark.parametrize(("wrong", "meant"), MISTAKES)
def test_what_was_meant_comes_first(wrong: str, meant: str) -> None:
    """The name in the answer is what its reader types next."""
    assert Names(DECLARED).like(wrong)[0] == meant


@pytest.mark.parametrize("wrong", ["", "zzzz", "quite something else", "é" * 20])
def test_what_looks_like_nothing_is_told_nothing(wrong: str) -> None:
    """A guess that is no better than chance misleads."""
    assert Names(DECLARED).like(wrong) == ()


@given(st.text(alphabet="gptoclaude-45/ ", min_size=1, max_size=30))
def test_the_names_told_are_as_near_as_a_full_search_would_find_them(wrong: str) -> None:
    """Leaving most comparisons out must not tell names that are not near."""
    told = Names(DECLARED).like(wrong)

    alike = [SequenceMatcher(a=name.lower(), b=wrong.lower()).ratio() for name in told]
    assert len(told) <= MOST_TOLD
    assert alike == sorted(alike, reverse=True)
    assert all(ratio >= LEAST_ALIKE for ratio in alike)


@pytest.mark.parametrize("position", range(0, 1000, 97))
def test_among_a_thousand_names_the_nearest_is_found(position: int) -> None:
    """Large catalogs are where a name is mistyped."""
    names = [f"provider-{number % 7}/model-{number}-{number * 7919 % 1009}b" for number in range(1000)]
    wrong = names[position].replace("model", "modle")

    assert names[position] in Names(names).like(wrong)
    assert get_close_matches(wrong, names, n=1) == [Names(names).like(wrong)[0]]


def test_a_look_among_thousands_of_names_fits_between_two_answers() -> None:
    """A 404 must not hold up everybody else's answers; comparing all of these takes a tenth of a second."""
    names = Names(f"provider-{number % 7}/some-model-{number}-instruct" for number in range(2000))

    spent_s = min(_spent_s(names, f"provider-3/smoe-model-{number}-instruct") for number in range(10))

    assert spent_s < 0.005


def _spent_s(names: Names, wrong: str) -> float:
    """The processor's time, which does not depend on what else runs here."""
    before = process_time()
    names.like(wrong)
    return process_time() - before


def test_a_name_as_long_as_no_model_is_not_compared() -> None:
    """It would cost the square of its length."""
    assert Names(["a" * LONGEST_COMPARED]).like("a" * (LONGEST_COMPARED + 1)) == ()
