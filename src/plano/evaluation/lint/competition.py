"""Faults between routes: two that overlap, and one whose own words go elsewhere."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np

from plano.catalog.catalog import Route
from plano.classifiers.embedded.profile import Vectors
from plano.evaluation.lint.finding import Finding, Sample
from plano.evaluation.lint.measure import Measure, leads, reworded
from plano.evaluation.lint.wordings import asked, fragments, spoken, wordings

OVERLAP_LEAD: Final = 0.30
"""A pair of routes whose own wordings lead by less is told. Of the 17 such pairs among 150 assistant intents
and among 64 home ones, in 14 a tenth or more of users' real turns to one went to the other, in 9 a quarter
or more (benchmarks/wordings.py); among twelve of these routes drawn at random there is one such pair in four
to twenty draws. Under 0.40, there are twice as many pairs, and as many of them are right."""
WEAK_LEAD: Final = 0.15
"""A single wording that leads by less may as well go to the other route."""
GAIN: Final = 0.05
"""What other words must win to be worth a suggestion; random rewordings move leads by 0.02."""
MOST_SAMPLES: Final = 3


@dataclass(frozen=True, slots=True, weakref_slot=True)
class _Seen:
    """A route's own wordings, and how they score against all routes."""

    texts: list[str]
    scores: Vectors


class RouteReading:
    """A route set, with each route's own wordings scored once."""

    def __init__(self, routes: Sequence[Route], measure: Measure, threshold: float) -> None:
        """`threshold`: the score under which the embedded router says that none fits."""
        self.routes = tuple(routes)
        self.measure = measure
        self.threshold = threshold

    @cached_property
    def _seen(self) -> list[_Seen]:
        texts = [wordings(route) for route in self.routes]
        scores = self.measure.scores([text for each in texts for text in each], self.routes)
        ends = np.cumsum([len(each) for each in texts])
        return [_Seen(each, scores[end - len(each) : end]) for each, end in zip(texts, ends, strict=True)]

    def wordings(self, at: int) -> list[str]:
        return self._seen[at].texts

    def leads(self, at: int) -> Vectors:
        """Of each of its own wordings, over the best other route."""
        return leads(self._seen[at].scores, at)

    def lead(self, at: int) -> float:
        return float(self.leads(at).mean())

    def lost(self, at: int) -> list[bool]:
        """For each of its own wordings whether it goes to another route or to none."""
        own = self._seen[at].scores[:, at]
        return [
            bool(lead <= 0 or score < self.threshold) for lead, score in zip(self.leads(at), own, strict=True)
        ]

    def winners(self, at: int) -> list[int]:
        """For each of its own wordings the route that is nearest."""
        return [int(best) for best in self._seen[at].scores.argmax(axis=1)]

    def pair_leads(self, at: int) -> Vectors:
        """The mean lead of its own wordings over each route, in the routes' order; zero over itself."""
        scores = self._seen[at].scores
        mean: Vectors = (scores[:, [at]] - scores).mean(axis=0)
        return mean

    def samples(self, at: int, other: int) -> list[Sample]:
        """Its own wordings that lead least over the other route, the weakest first."""
        seen = self._seen[at]
        ahead = seen.scores[:, at] - seen.scores[:, other]
        return [Sample(seen.texts[each], float(ahead[each])) for each in ahead.argsort()[:MOST_SAMPLES]]


def unreachable(reading: RouteReading) -> Iterator[Finding]:
    """Routes at least half of whose own wordings go elsewhere."""
    for at, route in enumerate(reading.routes):
        lost = reading.lost(at)
        if 2 * sum(lost) < len(lost):
            continue
        winners = [winner for winner in reading.winners(at) if winner != at]
        other = max(set(winners), key=winners.count) if winners else None
        share = f"{sum(lost)} of {len(lost)} of its own wordings"
        measures = {"lost": float(sum(lost)), "wordings": float(len(lost)), "lead": reading.lead(at)}
        if other is None:
            message = f"{share} score under the threshold, {reading.threshold:.2f}: no route would be chosen"
            yield Finding("unreachable", at, "route", message, _DESCRIBE, measures)
            continue
        message = f"{share} go to {reading.routes[other].name!r} or to none: it will hardly be chosen"
        suggestion = (
            f"merge it with {reading.routes[other].name!r}, or write what sets {route.name!r} apart from it"
        )
        samples = tuple(reading.samples(at, other))
        yield Finding("unreachable", at, "route", message, suggestion, measures, other, samples)


_DESCRIBE: Final = "describe in a few noun phrases, as users would say it, what belongs to it"


def overlaps(reading: RouteReading, told: set[frozenset[int]]) -> Iterator[Finding]:
    """Pairs of routes whose own wordings are hardly nearer to the one than to the other.

    `told` holds pairs that have been told of already.
    """
    ahead = np.stack([reading.pair_leads(at) for at in range(len(reading.routes))])
    for at in range(len(reading.routes)):
        for other in range(at + 1, len(reading.routes)):
            lead = min(float(ahead[at, other]), float(ahead[other, at]))
            if lead < OVERLAP_LEAD and frozenset((at, other)) not in told:
                weak, strong = (at, other) if ahead[at, other] <= ahead[other, at] else (other, at)
                yield _overlap(reading, weak, strong, lead)


def _overlap(reading: RouteReading, at: int, other: int, lead: float) -> Finding:
    rival = reading.routes[other]
    samples = sorted((*reading.samples(at, other), *reading.samples(other, at)), key=lambda each: each.lead)
    message = (
        f"{reading.routes[at].name!r} and {rival.name!r} mean much the same: their own wordings lead by"
        f" {lead:.2f} on average;"
        f" under {OVERLAP_LEAD:.2f} users' turns get mixed up"
    )
    suggestion, tried = _apart(reading, at, other, lead)
    measures = {"lead": lead, **({} if tried is None else {"lead_as_suggested": tried})}
    return Finding(
        "overlap", at, "route", message, suggestion, measures, other, tuple(samples[:MOST_SAMPLES])
    )


def _apart(reading: RouteReading, at: int, other: int, lead: float) -> tuple[str, float | None]:
    """What sets the two apart: leaving out what they share where that helps, else one route for both."""
    best: tuple[float, int, str] | None = None
    for here, there in ((at, other), (other, at)):
        for shared in fragments(reading.routes[here].description):
            tried = _without(reading, here, there, shared)
            if tried is not None and (best is None or tried > best[0]):
                best = (tried, here, shared)
    if best is not None and best[0] >= lead + GAIN:
        tried, here, shared = best
        name = reading.routes[here].name
        return f"leave {shared!r} out of the description of {name!r}: the lead grows to {tried:.2f}", tried
    names = f"{reading.routes[at].name!r} and {reading.routes[other].name!r}"
    return f"make {names} one route, or write in each what the other does not do", None


def _without(reading: RouteReading, here: int, there: int, shared: str) -> float | None:
    """The weaker lead of the pair once `shared` is left out; None where nothing would be left."""
    pair = (reading.routes[here], reading.routes[there])
    rest = [each for each in fragments(pair[0].description) if each != shared]
    if not rest:
        return None
    changed = reworded(pair, 0, description=", ".join(rest))
    mine = asked([spoken(pair[0].name), *rest])
    return min(reading.measure.lead(mine, 0, changed), reading.measure.lead(wordings(pair[1]), 1, changed))
