"""How sure totals are: the Poisson bootstrap over sessions.

A session is the unit that repeats: its requests hang together. Each resample counts every session a random
number of times, Poisson distributed with mean 1, which is the ordinary bootstrap's binomial for many
sessions (J. A. Hanley and B. MacGibbon, "Creating non-parametric bootstrap samples using Poisson
frequencies", 2006). The number follows from the session's name and the seed alone, so that sessions can be
counted one by one and forgotten, in any order, with the same result.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b
from typing import Final

import numpy as np
from numpy.typing import NDArray

RESAMPLES: Final = 1000
LOW, HIGH = 2.5, 97.5
FEWEST_SESSIONS: Final = 2
"""Of one nobody can tell how sessions differ."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A number, and between which bounds it lies at 95 %."""

    value: float
    low: float | None = None
    """None, as `high`: there is nothing to tell it by."""
    high: float | None = None


class Totals:
    """Sums over sessions of a fixed number of quantities, and the same sums of every resample."""

    def __init__(self, quantities: int, *, seed: int = 0, resamples: int = RESAMPLES) -> None:
        self._seed = seed.to_bytes(8, "big")
        self._sums = np.zeros(quantities)
        self._resampled = np.zeros((resamples, quantities))
        self._weights = np.zeros(resamples)
        self.sessions = 0

    def add(self, session: str, quantities: NDArray[np.float64]) -> None:
        """Count a session; what of it comes later under the same name is counted with the same weights."""
        weights = self._weights_of(session)
        self._sums += quantities
        self._resampled += weights[:, np.newaxis] * quantities
        self._weights += weights
        self.sessions += 1

    def total(self, quantity: int) -> Estimate:
        """The sum, as it would be of as many sessions."""
        value = float(self._sums[quantity])
        is_drawn = self._weights > 0
        if self.sessions < FEWEST_SESSIONS or not is_drawn.any():
            return Estimate(value)
        drawn = self._resampled[is_drawn, quantity] / self._weights[is_drawn] * self.sessions
        return _between(value, drawn)

    def ratio(self, quantity: int, other: int) -> Estimate | None:
        """One sum in parts of another; None where that is zero."""
        if not self._sums[other]:
            return None
        value = float(self._sums[quantity] / self._sums[other])
        is_drawn = self._resampled[:, other] > 0
        if self.sessions < FEWEST_SESSIONS or not is_drawn.any():
            return Estimate(value)
        return _between(value, self._resampled[is_drawn, quantity] / self._resampled[is_drawn, other])

    def _weights_of(self, session: str) -> NDArray[np.float64]:
        name = session.encode("utf-8", "surrogatepass")
        seed = int.from_bytes(blake2b(name, digest_size=16, key=self._seed).digest(), "big")
        chance = np.random.Generator(np.random.PCG64(seed))
        return chance.poisson(1.0, len(self._weights)).astype(np.float64)


def _between(value: float, drawn: NDArray[np.float64]) -> Estimate:
    low, high = (float(bound) for bound in np.percentile(drawn, (LOW, HIGH)))
    return Estimate(value, min(low, value), max(high, value))
