"""The slope that a long run reports: right on a line, unsure in noise, not fooled by slow waves."""

from __future__ import annotations

import random
from math import pi, sin

import pytest

from tests.large.slope import slope

TIMES_S = [3.0 * number for number in range(200)]
"""Ten minutes."""


def test_a_line_has_its_slope() -> None:
    """And no doubt about it."""
    found = slope(TIMES_S, [5.0 + time * 2.0 / 3600 for time in TIMES_S])

    assert (found.typical, found.low, found.high) == pytest.approx((2.0, 2.0, 2.0), abs=1e-6)


def test_noise_has_no_slope_for_sure() -> None:
    """In 100 series of nothing but noise at most a few may look like a leak."""
    chance = random.Random(5)
    series = [[chance.gauss(0.0, 1.0) for _ in TIMES_S] for _ in range(100)]

    assert sum(slope(TIMES_S, each).low > 0.0 for each in series) <= 6


def test_a_wave_is_no_leak() -> None:
    """What rises and falls with the minutes makes a steep line through its samples, which must not count."""
    wave = [sin(2 * pi * time / 240.0) for time in TIMES_S]
    found = slope(TIMES_S, wave)

    assert found.low < 0.0 < found.high


def test_a_leak_is_seen_through_noise() -> None:
    """Or the report would be worth nothing."""
    chance = random.Random(6)
    found = slope(TIMES_S, [time * 600.0 / 3600 + chance.gauss(0.0, 10.0) for time in TIMES_S])

    assert found.low > 300.0


def test_two_samples_say_nothing() -> None:
    """A run that was too short is no proof."""
    found = slope([0.0, 1.0], [0.0, 100.0])

    assert found.low < 0.0 < found.high
