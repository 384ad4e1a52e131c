"""From rounds to figures. Everything is compared within a round and only then summed up, because
a shared machine is faster in one minute than in the next: differences and ratios hold, absolute
figures do not carry over."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

UPSTREAM, FLOOR, GATEWAY = "upstream", "floor", "plano"
"""The three that are always there; peers go by names of their own."""

Round = Mapping[str, Mapping[str, float]]
"""Target to metric to figure, all taken within a few seconds of each other."""


@dataclass(frozen=True, slots=True)
class Spread:
    """The median over the rounds, and how far they were apart."""

    typical: float
    low: float
    high: float


def over(rounds: Sequence[Round], figure: Callable[[Round], float | None]) -> Spread | None:
    """The spread of one figure over the rounds that have it; None when none has."""
    found = [value for value in map(figure, rounds) if value is not None]
    return Spread(median(found), min(found), max(found)) if found else None


def plain(target: str, metric: str) -> Callable[[Round], float | None]:
    return lambda taken: taken.get(target, {}).get(metric)


def added(target: str, metric: str, base: str) -> Callable[[Round], float | None]:
    """What a target adds to `base` in the same round."""

    def difference(taken: Round) -> float | None:
        with_it, without = taken.get(target, {}).get(metric), taken.get(base, {}).get(metric)
        return None if with_it is None or without is None else with_it - without

    return difference


def ratio(
    above: Callable[[Round], float | None], below: Callable[[Round], float | None]
) -> Callable[[Round], float | None]:
    """One figure by another of the same round; nothing where the lower one is not above zero."""

    def quotient(taken: Round) -> float | None:
        top, bottom = above(taken), below(taken)
        return None if top is None or bottom is None or bottom <= 0 else top / bottom

    return quotient
