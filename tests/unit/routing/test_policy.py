"""The order of candidates: what is cheapest or fastest first, as declared otherwise."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plano.catalog.catalog import Endpoint, Model
from plano.catalog.names import ModelId, ProviderId
from plano.catalog.prices import Price
from plano.chat.dialect import Dialect
from plano.routing.decision import Candidate
from plano.routing.policy import Prefer, in_words, order

ENDPOINT = Endpoint("http", "127.0.0.1", 80, "/v1/chat/completions")
NAMES = "abcdefgh"


class Known:
    """Quotes from two tables."""

    def __init__(
        self,
        prices: Mapping[str, float | None] | None = None,
        times: Mapping[str, float | None] | None = None,
    ) -> None:
        self._prices = prices or {}
        self._times = times or {}

    def usd_per_mtok(self, model: ModelId) -> float | None:
        return self._prices.get(model)

    def rates(self, model: ModelId) -> Price | None:
        return None

    def latency_s(self, model: ModelId) -> float | None:
        return self._times.get(model)


def candidate(name: str) -> Candidate:
    model = Model(ModelId(name), name, ProviderId("p"), name, {Dialect.OPENAI_CHAT: ENDPOINT}, "bearer")
    return Candidate(model, name, model.id)


def ordered(names: str, known: Known, prefer: Prefer) -> str:
    return "".join(each.id for each in order([candidate(name) for name in names], known, prefer))


@pytest.mark.parametrize(("prefer", "expected"), [("cheapest", "cab"), ("fastest", "bca"), ("none", "abc")])
def test_each_policy_looks_at_its_own_figure(prefer: Prefer, expected: str) -> None:
    """Prices do not make a model fast."""
    known = Known({"a": 2.0, "b": 3.0, "c": 1.0}, {"a": 0.9, "b": 0.1, "c": 0.5})

    assert ordered("abc", known, prefer) == expected


def test_ties_keep_the_declared_order() -> None:
    """It is what the user wrote, and the same in every run."""
    assert ordered("cab", Known({"a": 1.0, "b": 1.0, "c": 1.0}), "cheapest") == "cab"


def test_models_without_data_go_last_as_declared() -> None:
    """They remain fallbacks; unknown is neither free nor fast."""
    assert ordered("abcd", Known({"b": 5.0, "d": 0.0}), "cheapest") == "dbac"


@pytest.mark.parametrize("prefer", ["cheapest", "fastest"])
def test_without_any_data_the_order_is_the_declared_one(prefer: Prefer) -> None:
    """A source that is down at the start costs the order, not the request."""
    assert ordered("bca", Known(), prefer) == "bca"


FIGURES = st.dictionaries(st.sampled_from(NAMES), st.none() | st.sampled_from([0.0, 0.5, 1.0, 2.0]))
LISTED = st.permutations(NAMES).flatmap(
    lambda names: st.integers(0, len(names)).map(lambda n: "".join(names[:n]))
)


@given(LISTED, FIGURES, st.sampled_from(["cheapest", "fastest"]))
def test_an_order_is_complete_ascending_and_stable(
    names: str, figures: dict[str, float | None], prefer: Prefer
) -> None:
    """For every list and every table: nobody is lost, and each stands before the next for a reason."""
    known = Known(figures, figures)

    found = ordered(names, known, prefer)

    def key(name: str) -> tuple[bool, float, int]:
        figure = figures.get(name)
        return figure is None, figure or 0.0, names.index(name)

    assert found == "".join(sorted(names, key=key))


@given(LISTED, FIGURES)
def test_ordering_twice_changes_nothing(names: str, figures: dict[str, float | None]) -> None:
    """The order depends on the figures, not on how it came about."""
    known = Known(figures)
    once = ordered(names, known, "cheapest")

    assert ordered(once, known, "cheapest") == once


def test_the_order_says_what_it_rests_on() -> None:
    """With the figures, so that nobody has to look them up to understand a decision."""
    known = Known({"a": 2.25, "b": 18.0}, {"a": 0.4215})
    candidates = [candidate(name) for name in "abc"]

    words = [in_words(candidates, known, prefer) for prefer in ("cheapest", "fastest", "none")]

    assert words == [
        "cheapest first: a ($2.25/Mtok), b ($18/Mtok), c (not known)",
        "fastest first: a (0.421 s), b (not known), c (not known)",
        None,
    ]


def test_one_candidate_is_in_no_order() -> None:
    """Nothing was compared."""
    assert in_words([candidate("a")], Known({"a": 1.0}), "cheapest") is None
