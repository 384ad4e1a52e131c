"""The bootstrap over sessions."""

from __future__ import annotations

import numpy as np
import pytest

from plano.evaluation.replay.intervals import Estimate, Totals


def totals(values: list[float], *, seed: int = 0, order: int = 1) -> Totals:
    """Of sessions named by number, each with its value and one that is always 2."""
    made = Totals(2, seed=seed)
    for number, value in list(enumerate(values))[::order]:
        made.add(f"s-{number}", np.array([value, 2.0]))
    return made


CHANCE = np.random.Generator(np.random.PCG64(5))
SPREAD = [float(value) for value in CHANCE.exponential(10.0, 400)]


def test_an_interval_is_what_theory_says() -> None:
    """The sum of n independent values varies by the root of n times their spread."""
    found = totals(SPREAD).total(0)

    half = 1.96 * float(np.std(SPREAD)) * len(SPREAD) ** 0.5
    assert found.value == pytest.approx(sum(SPREAD))
    assert (found.high or 0) - found.value == pytest.approx(half, rel=0.15)
    assert found.value - (found.low or 0) == pytest.approx(half, rel=0.15)


def test_the_same_sessions_give_the_same_interval_in_any_order() -> None:
    """And another seed a slightly different one."""
    one, same, other = totals(SPREAD), totals(SPREAD, order=-1), totals(SPREAD, seed=1)

    low = one.total(0).low or 0.0
    assert same.total(0).low == pytest.approx(low, rel=1e-12)
    assert other.total(0).low != pytest.approx(low, rel=1e-6)


def test_a_session_in_two_parts_is_drawn_as_one() -> None:
    """What was closed and came back still hangs together."""
    whole, parts = Totals(1), Totals(1)
    whole.add("a", np.array([3.0]))
    parts.add("a", np.array([1.0]))
    parts.add("a", np.array([2.0]))
    for made in (whole, parts):
        made.add("b", np.array([5.0]))

    assert parts._resampled == pytest.approx(whole._resampled)


def test_of_one_session_nothing_is_known_but_its_sum() -> None:
    """An interval of no width would say that all is certain."""
    assert totals([3.0]).total(0) == Estimate(3.0)


def test_a_ratio_is_surer_than_its_parts() -> None:
    """Two policies over the same sessions are dear or cheap together."""
    made = Totals(2)
    for number, value in enumerate(SPREAD):
        made.add(f"s-{number}", np.array([0.5 * value, value]))

    ratio = made.ratio(0, 1)

    assert ratio == Estimate(pytest.approx(0.5), pytest.approx(0.5), pytest.approx(0.5))  # type: ignore[arg-type] # pytest's own


def test_nothing_has_no_ratio() -> None:
    """Of sessions that cost nothing."""
    assert totals([0.0, 0.0]).ratio(1, 0) is None
