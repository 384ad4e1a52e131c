"""What is kept of a route set: where its words lie in the encoder's space.

A route is compared by its whole wording (`name: description`), by each fragment of its description
(one route often lists several things), and by the centre of its examples.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from plano.catalog.catalog import Route
from plano.catalog.names import RouteName

Vectors = npt.NDArray[np.float32]
Encode = Callable[[Sequence[str]], Vectors]
"""Texts to unit vectors, one row a text."""

FRAGMENT_WEIGHT = 0.5
"""How much the best fragment counts beside the whole wording."""

_BETWEEN_FRAGMENTS = re.compile(r"[,;:]|\bor\b")


@dataclass(frozen=True, slots=True, eq=False)
class Profile:
    """A route set as the encoder sees it. Rows are in the order of `names`."""

    names: tuple[RouteName, ...]
    wordings: Vectors
    """Of `name: description`."""
    fragments: Vectors
    """Of all routes' fragments, one route's after the other's."""
    first_fragment: npt.NDArray[np.intp]
    """Where each route's begin; each has at least one."""
    examples: Vectors
    """The centre of each route's examples; zero where there are none."""

    @property
    def size(self) -> int:
        """About how many bytes it takes."""
        return self.wordings.nbytes + self.fragments.nbytes + self.examples.nbytes + 200 * len(self.names)

    def likeness(self, vector: Vectors) -> Vectors:
        """How near each route is to one text: a number a route, comparable within this profile."""
        best = np.maximum.reduceat(self.fragments @ vector, self.first_fragment)
        likeness: Vectors = self.wordings @ vector + FRAGMENT_WEIGHT * best + self.examples @ vector
        return likeness


def profile_of(routes: Sequence[Route], encode: Encode) -> Profile:
    """The profile of at least one route."""
    fragments = [_fragments(route) for route in routes]
    counts = [len(each) for each in fragments]
    return Profile(
        names=tuple(route.name for route in routes),
        wordings=encode([_wording(route) for route in routes]),
        fragments=encode([fragment for each in fragments for fragment in each]),
        first_fragment=np.cumsum([0, *counts[:-1]]),
        examples=np.stack([_centre(route.examples, encode) for route in routes]),
    )


def _wording(route: Route) -> str:
    return f"{_spoken(route.name)}: {route.description}" if route.description else _spoken(route.name)


def _spoken(name: str) -> str:
    return name.replace("_", " ").replace("-", " ")


def _fragments(route: Route) -> list[str]:
    parts = (part.strip(" .") for part in _BETWEEN_FRAGMENTS.split(route.description))
    return [part for part in parts if len(part) > 2] or [_spoken(route.name)]


def _centre(examples: Sequence[str], encode: Encode) -> Vectors:
    if not examples:
        return np.zeros_like(encode([""])[0])
    mean = encode(examples).mean(axis=0)
    centre: Vectors = mean / max(float(np.linalg.norm(mean)), 1e-9)
    return centre
