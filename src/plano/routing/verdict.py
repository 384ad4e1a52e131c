"""What a router said of a conversation: a route, none of them, or that it cannot tell."""

from __future__ import annotations

from dataclasses import dataclass

from plano.catalog.names import RouteName


@dataclass(frozen=True, slots=True)
class Matched:
    """One route fits."""

    route: RouteName
    score: float | None = None
    """How well, by the router's own measure; None where it has none."""
    margin: float | None = None
    """By how much it leads the next; None where that is not known."""


@dataclass(frozen=True, slots=True)
class NoneFits:
    """The router looked and found that no route fits."""

    because: str
    """A clause for the reasons: `the best score, 0.21, is under the threshold, 0.30`."""
    nearest: RouteName | None = None
    score: float | None = None
    margin: float | None = None


@dataclass(frozen=True, slots=True)
class Unable:
    """The router could not look: no answer in time, too many waiting, an answer nobody understands."""

    because: str
    """A clause that carries nothing secret and nothing a stranger wrote unquoted."""


Verdict = Matched | NoneFits | Unable
