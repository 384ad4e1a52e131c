"""What is kept of a route set: where its words lie in the encoder's space, and which kinds of work
its routes are.

Every constant here was chosen on public data sets and on hand-written conversations, none of which is
in the package; docs/routing.md has the figures, and how flat they are around what was chosen.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from plano.catalog.catalog import Route
from plano.catalog.names import RouteName
from plano.classifiers.embedded.kinds import Kinds, shipped_kinds, softmax
from plano.classifiers.embedded.vectors import Encode, Vectors

__all__ = ["Encode", "Profile", "Vectors", "profile_of"]

WORDING_WEIGHT = 1.0
"""Of `name: description`."""
NAME_WEIGHT = 0.35
PLEA_WEIGHT = 0.6
"""Of the description as somebody would ask for it: `help me <description>`."""
FRAGMENT_WEIGHT = 0.3
"""Of the best fragment: one route often lists several things."""
EXAMPLES_WEIGHT = 1.0
"""Of the centre of the examples, where there are any."""
ORDINARY_WEIGHT = 0.7
"""By how much a wording is held back that is near to anything anybody asks."""
KINDS_WEIGHT = 0.6
"""Of how likely it is that the text and the route are of one kind."""

UNKNOWN_BELOW = 0.45
KNOWN_FROM = 0.53
"""How near a route set's wordings must be, on average, to the kinds of work for these to tell its routes
apart. Kinds of work for language models lie above, from 0.53 to 0.86; the intents of a shop's or a
phone's assistant below, at 0.33 to 0.45, and there the kinds say nothing."""
AFFINITY_SHARPNESS = 0.08
NO_AFFINITY = 0.25
"""A kind that is no nearer to any route belongs rather to none, or to the route for everything else."""
REST = 0.6
"""How much of what belongs to no other route is the one's for everything else."""
TAKES_SMALL_TALK = 0.42
"""A route this near to small talk is meant for it."""

_BETWEEN_FRAGMENTS = re.compile(r"[,;:.]|\bor\b")
_DENIAL = re.compile(
    r"(?:^|(?<=[.;] ))(?:not|never|no|nothing|don't|except|without)\b[^.;]*[.;]?", re.IGNORECASE
)
"""What a route is not for; an encoder reads it as what the route is for."""
_EVERYTHING_ELSE = re.compile(
    r"\b(?:everything|anything|something) else\b|\b(?:any|all) others?\b|\bnone of the (?:others|above)\b",
    re.IGNORECASE,
)
_NAMED_FOR_THE_REST = re.compile(
    r"\b(?:others?|general|misc\w*|everything|anything|default|fallback|rest)\b", re.IGNORECASE
)


@dataclass(frozen=True, slots=True, eq=False)
class Profile:
    """A route set as the encoder sees it. Rows are in the order of `names`."""

    names: tuple[RouteName, ...]
    wordings: Vectors
    """Of `name: description`."""
    prototypes: Vectors
    """Wording, name, plea and examples, each by its weight."""
    handicaps: Vectors
    """What is taken off each route for being near to anything."""
    fragments: Vectors
    """Of all routes' descriptions, one route's after the other's."""
    first_fragment: npt.NDArray[np.intp]
    """Where each route's begin; each has at least one."""
    examples: Vectors
    """The centre of each route's examples; zero where there are none."""
    kinds: Kinds
    affinities: Vectors
    """How much of each kind (column) is each route's (row)."""
    known: float
    """From 0 to 1: how far these routes are kinds of work at all."""
    takes_small_talk: bool
    """One of the routes is meant for it."""

    @property
    def size(self) -> int:
        """About how many bytes it takes."""
        held = (self.wordings, self.prototypes, self.fragments, self.examples, self.affinities)
        return sum(vectors.nbytes for vectors in held) + 200 * len(self.names)

    def likeness(self, vector: Vectors) -> Vectors:
        """How near each route is to one text: a number a route, comparable within this profile."""
        best = np.maximum.reduceat(self.fragments @ vector, self.first_fragment)
        near: Vectors = (self.prototypes @ vector - self.handicaps + FRAGMENT_WEIGHT * best).astype(
            np.float32
        )
        if self.known:
            near += np.float32(KINDS_WEIGHT * self.known) * (self.affinities @ self.kinds.likely(vector))
        return near

    def directness(self, vector: Vectors) -> float:
        """The cosine of one text with the nearest words of any route."""
        return float(max((words @ vector).max() for words in (self.wordings, self.fragments, self.examples)))

    def small_talk(self, vector: Vectors) -> float:
        """How likely the text is small talk."""
        return float(self.kinds.likely(vector)[self.kinds.small_talk])


def profile_of(routes: Sequence[Route], encode: Encode, kinds: Kinds | None = None) -> Profile:
    """The profile of at least one route; `kinds` are of the same encoder, None: those that ship."""
    kinds = shipped_kinds() if kinds is None else kinds
    names = [_spoken(route.name) for route in routes]
    asserted = [_asserted(route.description) for route in routes]
    wordings = encode([_wording(name, text) for name, text in zip(names, asserted, strict=True)])
    pleas = encode([f"help me {_lowered(text or name)}" for name, text in zip(names, asserted, strict=True)])
    fragments = [_fragments(text) or [name] for name, text in zip(names, asserted, strict=True)]
    first_fragment = np.cumsum([0, *map(len, fragments[:-1])])
    embedded = encode([fragment for each in fragments for fragment in each])
    examples = np.stack([_centre(route.examples, encode, wordings.shape[1]) for route in routes])
    nearness = np.maximum(
        wordings @ kinds.words.T, np.maximum.reduceat(embedded @ kinds.words.T, first_fragment)
    )
    takes_small_talk = bool(nearness[:, kinds.small_talk].max() > TAKES_SMALL_TALK)
    return Profile(
        names=tuple(route.name for route in routes),
        wordings=wordings,
        prototypes=WORDING_WEIGHT * wordings
        + NAME_WEIGHT * encode(names)
        + PLEA_WEIGHT * pleas
        + EXAMPLES_WEIGHT * examples,
        handicaps=ORDINARY_WEIGHT * (wordings @ kinds.ordinary),
        fragments=embedded,
        first_fragment=first_fragment,
        examples=examples,
        kinds=kinds,
        affinities=_affinities(routes, nearness, None if takes_small_talk else kinds.small_talk),
        known=_known(wordings, kinds),
        takes_small_talk=takes_small_talk,
    )


def _known(wordings: Vectors, kinds: Kinds) -> float:
    mean = float((wordings @ kinds.words.T).max(axis=1).mean())
    return min(1.0, max(0.0, (mean - UNKNOWN_BELOW) / (KNOWN_FROM - UNKNOWN_BELOW)))


def _affinities(routes: Sequence[Route], nearness: Vectors, nobodys: int | None) -> Vectors:
    """Each kind's share that is each route's; what is left is for the routes that take everything else."""
    none = np.full((1, nearness.shape[1]), NO_AFFINITY)
    logits: Vectors = (np.concatenate([nearness, none]) / AFFINITY_SHARPNESS).astype(np.float32)
    shares = softmax(logits)
    affinities, left = shares[:-1], shares[-1]
    if nobodys is not None:
        affinities[:, nobodys] = left[nobodys] = 0.0
    rest = np.array([_is_for_the_rest(route) for route in routes])
    if rest.any():
        affinities[rest] += REST * left / rest.sum()
    return affinities


def _is_for_the_rest(route: Route) -> bool:
    return bool(_NAMED_FOR_THE_REST.search(_spoken(route.name)) or _EVERYTHING_ELSE.search(route.description))


def _wording(name: str, description: str) -> str:
    return f"{name}: {description}" if description else name


def _spoken(name: str) -> str:
    return name.replace("_", " ").replace("-", " ")


def _asserted(description: str) -> str:
    """The description without what it says that the route is not for."""
    return _DENIAL.sub("", description).strip() or description


def _lowered(text: str) -> str:
    return text[:1].lower() + text[1:]


def _fragments(description: str) -> list[str]:
    parts = (part.strip() for part in _BETWEEN_FRAGMENTS.split(description))
    return [part for part in parts if len(part) > 2]


def _centre(examples: Sequence[str], encode: Encode, dimensions: int) -> Vectors:
    if not examples:
        return np.zeros(dimensions, np.float32)
    mean = encode(examples).mean(axis=0)
    centre: Vectors = mean / max(float(np.linalg.norm(mean)), 1e-9)
    return centre
