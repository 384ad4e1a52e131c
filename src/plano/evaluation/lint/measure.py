"""The embedded router as a measuring rule: how far ahead a route is for a text, and what a change of
its words does to that.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from plano.catalog.catalog import Route
from plano.catalog.names import RouteName
from plano.classifiers.embedded.profile import Encode, Vectors, profile_of


class Measure:
    """Scores texts against routes exactly as the embedded router does; every text is embedded once."""

    def __init__(self, encode: Encode) -> None:
        self._embed = encode
        self._vectors: dict[str, Vectors] = {}

    def encode(self, texts: Sequence[str]) -> Vectors:
        """One unit row a text."""
        for text in texts:
            if text not in self._vectors:
                self._vectors[text] = self._embed([text])[0].copy()
        return np.stack([self._vectors[text] for text in texts])

    def scores(self, texts: Sequence[str], routes: Sequence[Route]) -> Vectors:
        """One row a text, one column a route."""
        profile = profile_of(routes, self.encode)
        return np.stack([profile.likeness(vector) for vector in self.encode(texts)])

    def leads(self, texts: Sequence[str], at: int, routes: Sequence[Route]) -> Vectors:
        """For each text by how much the route at `at` is ahead of the best other one."""
        return leads(self.scores(texts, routes), at)

    def lead(self, texts: Sequence[str], at: int, routes: Sequence[Route]) -> float:
        """The mean of `leads`."""
        return float(self.leads(texts, at, routes).mean())


def leads(scores: Vectors, at: int) -> Vectors:
    """A route that is alone is ahead of nothing at all: of zero."""
    others = np.delete(scores, at, axis=1)
    best: Vectors = others.max(axis=1) if others.shape[1] else np.zeros(len(scores), np.float32)
    ahead: Vectors = scores[:, at] - best
    return ahead


def reworded(
    routes: Sequence[Route], at: int, *, name: str | None = None, description: str | None = None
) -> tuple[Route, ...]:
    """The routes, with other words for one of them."""
    route = routes[at]
    changed = replace(
        route,
        name=route.name if name is None else RouteName(name),
        description=route.description if description is None else description,
    )
    return (*routes[:at], changed, *routes[at + 1 :])
