"""Figures are compared within a round."""

from __future__ import annotations

from benchmarks.figures import Spread, added, over, plain, ratio

FAST_MINUTE = {"upstream": {"p50": 10.0}, "floor": {"p50": 30.0}, "plano": {"p50": 40.0}}
SLOW_MINUTE = {"upstream": {"p50": 100.0}, "floor": {"p50": 300.0}, "plano": {"p50": 400.0}}
ADDED = ratio(added("plano", "p50", "upstream"), added("floor", "p50", "upstream"))


def test_a_slow_minute_moves_no_ratio() -> None:
    """The machine is shared: a median of all fast figures by a median of all slow ones is chance."""
    assert over([FAST_MINUTE, SLOW_MINUTE], ADDED) == Spread(1.5, 1.5, 1.5)


def test_a_round_without_the_target_is_left_out() -> None:
    """A target that failed in one round keeps the figures of the others."""
    assert over([FAST_MINUTE, {"upstream": {"p50": 5.0}}], plain("floor", "p50")) == Spread(30.0, 30.0, 30.0)


def test_what_no_round_has_is_no_figure() -> None:
    """Not measured is not zero."""
    assert over([FAST_MINUTE], plain("smg", "p50")) is None


def test_a_floor_that_adds_nothing_gives_no_ratio() -> None:
    """In a noisy round the floor can come out faster than the upstream; that is no infinity."""
    noisy = {"upstream": {"p50": 30.0}, "floor": {"p50": 29.0}, "plano": {"p50": 60.0}}

    assert over([noisy], ADDED) is None
