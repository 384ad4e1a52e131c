"""How often a measure fell into each bucket of a histogram; what workers count can be added up."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence

import msgspec


class Distribution(msgspec.Struct):
    """A histogram's counts a bucket (not cumulated; the last is beyond all bounds) and its sum."""

    counts: list[int]
    total: float = 0.0

    @classmethod
    def within(cls, bounds: Sequence[float]) -> Distribution:
        """An empty one."""
        return cls([0] * (len(bounds) + 1))

    def note(self, measure: float, bounds: Sequence[float]) -> None:
        """Count one measure; `bounds` are those it was made with."""
        self.counts[bisect_left(bounds, measure)] += 1
        self.total += measure

    def add(self, other: Distribution) -> None:
        self.counts = [mine + theirs for mine, theirs in zip(self.counts, other.counts, strict=True)]
        self.total += other.total
