"""The threshold under which no route fits, fitted to labelled turns, and what it honestly gains.

The gain is cross-validated: conversations are dealt into folds, each fold is judged with the
threshold that the others would have chosen, so that no turn helps to choose what it is judged by.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Final

from plano.evaluation.accuracy import Z95, Share, clustered

STEPS_PER_UNIT: Final = 100
HIGHEST: Final = 3
"""Thresholds are tried from 0 to 3, as the configuration takes them, in hundredths: scores tell no finer."""
FOLDS: Final = 10
FEWEST: Final = 20
"""Turns with a route, and turns without, under which a threshold is fitted to chance."""


@dataclass(frozen=True, slots=True)
class Scored:
    """A labelled turn, and the route that it is given unless its score is under the threshold."""

    conversation: str
    gold: str | None
    nearest: str | None
    """None: it is given none whatever its score, as small talk is."""
    score: float

    def is_right(self, threshold: float) -> bool:
        """Whether this threshold gives it what it should get."""
        chosen = self.nearest if self.score >= threshold else None
        return chosen == self.gold


@dataclass(frozen=True, slots=True)
class Effect:
    """How often a threshold is right."""

    threshold: float
    in_scope: Share
    """Turns that have a route."""
    out_of_scope: Share
    """Turns that have none."""
    both: Share


@dataclass(frozen=True, slots=True)
class Gain:
    """What fitting wins on turns that it has not seen, in shares of all turns."""

    mean: float
    low: float
    high: float
    """95 % of the time the true gain lies between the two."""
    held_out: Share
    """How often thresholds fitted without a turn are right about it."""

    @property
    def is_sure(self) -> bool:
        return self.low > 0


@dataclass(frozen=True, slots=True)
class Calibration:
    """The fitted threshold beside the present one."""

    before: Effect
    after: Effect
    gain: Gain

    @property
    def has_few(self) -> bool:
        """Whether there are too few turns of either kind to rely on it."""
        return min(self.after.in_scope.n, self.after.out_of_scope.n) < FEWEST


def calibrate(scored: Sequence[Scored], present: float) -> Calibration:
    """`present` is the threshold in use. Raises ValueError unless some turns have a route and some none."""
    if len({turn.gold is None for turn in scored}) < 2:
        raise ValueError("expected turns with a route and turns without one")
    threshold = fit(scored, present)
    return Calibration(effect(scored, present), effect(scored, threshold), _gain(scored, present))


def fit(scored: Sequence[Scored], present: float) -> float:
    """The threshold that is right most often: the middle of the widest range of equals, or the present one
    where none is better."""
    judged = [turn for turn in scored if turn.nearest is not None]
    kept = sorted(turn.score for turn in judged if turn.gold == turn.nearest)
    refused = sorted(turn.score for turn in judged if turn.gold is None)

    def right(threshold: float) -> int:
        return len(kept) - bisect_left(kept, threshold) + bisect_left(refused, threshold)

    steps = range(HIGHEST * STEPS_PER_UNIT + 1)
    counts = [right(step / STEPS_PER_UNIT) for step in steps]
    most = max(counts)
    if right(present) >= most:
        return present
    return _middle_of_widest([step for step in steps if counts[step] == most]) / STEPS_PER_UNIT


def effect(scored: Sequence[Scored], threshold: float) -> Effect:
    """What a threshold does to turns with a route, to turns without, and to all."""
    judged = [(turn.conversation, turn.gold is None, turn.is_right(threshold)) for turn in scored]
    return Effect(
        threshold,
        _share([(name, right) for name, is_none, right in judged if not is_none]),
        _share([(name, right) for name, is_none, right in judged if is_none]),
        _share([(name, right) for name, _, right in judged]),
    )


def _gain(scored: Sequence[Scored], present: float) -> Gain:
    fold_of = _folds(scored)
    thresholds = [
        fit([turn for turn in scored if fold_of[turn.conversation] != fold], present) for fold in range(FOLDS)
    ]
    held_out = [(turn.conversation, turn.is_right(thresholds[fold_of[turn.conversation]])) for turn in scored]
    wins: dict[str, list[int]] = {}
    for turn, (name, right) in zip(scored, held_out, strict=True):
        wins.setdefault(name, []).append(right - turn.is_right(present))
    mean, error = _mean_and_error(list(wins.values()))
    return Gain(mean, mean - Z95 * error, mean + Z95 * error, _share(held_out))


def _folds(scored: Sequence[Scored]) -> dict[str, int]:
    """Each conversation's fold. Conversations that have a turn without a route are dealt first, so that
    every fold gets its share of them."""
    without = {turn.conversation for turn in scored if turn.gold is None}
    names = list(dict.fromkeys(turn.conversation for turn in scored))
    dealt = [*(name for name in names if name in without), *(name for name in names if name not in without)]
    return {name: place % FOLDS for place, name in enumerate(dealt)}


def _share(judged: Sequence[tuple[str, bool]]) -> Share:
    conversations: dict[str, list[bool]] = {}
    for name, right in judged:
        conversations.setdefault(name, []).append(right)
    return clustered(list(conversations.values()))


def _mean_and_error(clusters: Sequence[Sequence[int]]) -> tuple[float, float]:
    """The mean over all, and its standard error where what stands in one cluster hangs together
    (W. G. Cochran, "Sampling Techniques", 1977, chapter 9A)."""
    n = sum(map(len, clusters))
    mean = sum(map(sum, clusters)) / n
    if len(clusters) < 2:
        return mean, 1.0
    squares = sum((sum(cluster) - mean * len(cluster)) ** 2 for cluster in clusters)
    return mean, sqrt(squares * len(clusters) / (len(clusters) - 1)) / n


def _middle_of_widest(steps: Sequence[int]) -> int:
    """Of ascending numbers, the middle of the longest unbroken run."""
    runs: list[list[int]] = []
    for step in steps:
        if runs and runs[-1][-1] == step - 1:
            runs[-1].append(step)
        else:
            runs.append([step])
    widest = max(runs, key=len)
    return widest[len(widest) // 2]
