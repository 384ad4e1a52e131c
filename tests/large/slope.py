"""What grows: the slope of a series by least squares, with an interval that allows for slow waves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import inf, sqrt

HOUR_S = 3600.0
SURE = 1.96
"""Standard errors on both sides of 95 %."""


@dataclass(frozen=True, slots=True)
class Slope:
    """Per hour."""

    typical: float
    low: float
    high: float


def slope(times_s: Sequence[float], values: Sequence[float]) -> Slope:
    """Samples that follow one another closely say the same thing twice: the interval counts them by how
    much each tells that the one before did not (AR(1): n (1 - r) / (1 + r))."""
    count = len(values)
    if count < 3:
        return Slope(0.0, -inf, inf)
    middle_s, mean = sum(times_s) / count, sum(values) / count
    spread = sum((time - middle_s) ** 2 for time in times_s)
    per_s = sum((t - middle_s) * (v - mean) for t, v in zip(times_s, values, strict=True)) / spread
    rest = [v - mean - per_s * (t - middle_s) for t, v in zip(times_s, values, strict=True)]
    squares = sum(each * each for each in rest)
    if squares == 0:
        return Slope(per_s * HOUR_S, per_s * HOUR_S, per_s * HOUR_S)
    together = max(0.0, sum(a * b for a, b in pairwise(rest)) / squares)
    apart = max(3.0, count * (1 - together) / (1 + together))
    error = sqrt(squares / (apart - 2) / spread * (count / apart)) if apart > 2 else inf
    return Slope(*(HOUR_S * each for each in (per_s, per_s - SURE * error, per_s + SURE * error)))
