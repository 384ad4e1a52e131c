"""How often a router was right: by turn, by span and by conversation, each with a 95 % interval.

Intervals are Wilson's (E. B. Wilson, "Probable inference, the law of succession, and statistical
inference", 1927). Turns of one conversation, and spans of one, are right or wrong together more often
than chance, so that they tell less than as many independent ones: their number is divided by the
design effect (L. Kish, "Survey Sampling", 1965), taken from the variance of a ratio over clusters
(W. G. Cochran, "Sampling Techniques", 1977, chapter 9A: clusters of unequal sizes), before Wilson's
formula is applied.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil, sqrt

Z95 = 1.959963984540054
"""Of a normal distribution, 95 % lies within this many standard deviations."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """One labelled turn and what a router made of it."""

    conversation: str
    """Turns of one conversation share it; they are told in order."""
    gold: str | None
    """The right route; None: none of them."""
    predicted: str | None
    latency_ms: float


@dataclass(frozen=True, slots=True)
class Share:
    """How many of `n` were right, and between which bounds the true share lies at 95 %."""

    n: int
    accuracy: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class RouteAccuracy:
    """One route, or none of them (`route` None)."""

    route: str | None
    n: int
    """Turns that belong to it."""
    predicted: int
    """Turns that it was given."""
    right: int

    @property
    def precision(self) -> float | None:
        """Of the turns that it was given, how many belong to it; None: it was given none."""
        return self.right / self.predicted if self.predicted else None

    @property
    def recall(self) -> float | None:
        """Of the turns that belong to it, how many it was given; None: none belongs to it."""
        return self.right / self.n if self.n else None


@dataclass(frozen=True, slots=True)
class Latency:
    """Percentiles by nearest rank."""

    p50: float
    p95: float
    p99: float


@dataclass(frozen=True, slots=True)
class Accuracy:
    """All that is told of one measurement."""

    turns: Share
    spans: Share
    """A span is an unbroken run of turns of one gold route; right when every turn is."""
    conversations: Share
    """Right when every turn is."""
    routes: tuple[RouteAccuracy, ...]
    """By name, none of them last."""
    confusion: Mapping[tuple[str | None, str | None], int]
    """How many turns of a gold route were given each route."""
    latency_ms: Latency

    def document(self) -> dict[str, object]:
        """What `plano eval --json` prints."""
        return {
            "turns": _share(self.turns),
            "spans": _share(self.spans),
            "conversations": _share(self.conversations),
            "routes": [
                {"route": each.route, "n": each.n, "precision": each.precision, "recall": each.recall}
                for each in self.routes
            ],
            "latency_ms": {
                "p50": self.latency_ms.p50,
                "p95": self.latency_ms.p95,
                "p99": self.latency_ms.p99,
            },
        }


def accuracy(outcomes: Iterable[Outcome]) -> Accuracy:
    """What `outcomes` say of the router. Raises ValueError when there are none."""
    told = tuple(outcomes)
    if not told:
        raise ValueError("no outcome to measure: expected at least one labelled turn")
    conversations: dict[str, list[Outcome]] = {}
    for outcome in told:
        conversations.setdefault(outcome.conversation, []).append(outcome)
    turns = [[_right(turn) for turn in turns] for turns in conversations.values()]
    confusion = Counter((outcome.gold, outcome.predicted) for outcome in told)
    return Accuracy(
        turns=clustered(turns),
        spans=clustered([_spans(each) for each in conversations.values()]),
        conversations=wilson(sum(map(all, turns)), len(turns)),
        routes=_routes(confusion),
        confusion=confusion,
        latency_ms=latency([outcome.latency_ms for outcome in told]),
    )


def wilson(right: float, n: float) -> Share:
    """Wilson's score interval of `right` out of `n` independent trials."""
    if not n:
        return Share(0, 0.0, 0.0, 1.0)
    share = right / n
    return _interval(share, n, round(n))


def clustered(clusters: Sequence[Sequence[bool]]) -> Share:
    """The share of what is true, where what stands in one cluster may hang together."""
    sizes = [len(cluster) for cluster in clusters]
    n = sum(sizes)
    if not n:
        return Share(0, 0.0, 0.0, 1.0)
    share = sum(map(sum, clusters)) / n
    return _interval(share, n / _design_effect(clusters, share, n), n)


def latency(latencies_ms: Sequence[float]) -> Latency:
    """The percentiles of at least one latency."""
    ordered = sorted(latencies_ms)
    return Latency(*(ordered[ceil(len(ordered) * share) - 1] for share in (0.50, 0.95, 0.99)))


def _interval(share: float, effective: float, n: int) -> Share:
    shrunk = Z95 * Z95 / effective
    centre = (share + shrunk / 2) / (1 + shrunk)
    half = Z95 / (1 + shrunk) * sqrt(share * (1 - share) / effective + shrunk / (4 * effective))
    # At the very ends the bound is the share itself, which rounding may miss by a hair.
    return Share(n, share, min(share, max(0.0, centre - half)), max(share, min(1.0, centre + half)))


def _design_effect(clusters: Sequence[Sequence[bool]], share: float, n: int) -> float:
    """By how much clustering widens the variance; never under one, never over a cluster's mean size
    where all agree or one cluster is all there is, so that nothing can be estimated."""
    m = sum(1 for cluster in clusters if cluster)
    independent = share * (1 - share) / n
    if m < 2 or not independent:
        return n / m
    squares = sum((sum(cluster) - share * len(cluster)) ** 2 for cluster in clusters)
    return max(1.0, squares * m / (m - 1) / (n * n) / independent)


def _right(outcome: Outcome) -> bool:
    return outcome.gold == outcome.predicted


def _spans(turns: Sequence[Outcome]) -> list[bool]:
    spans: list[bool] = []
    for before, turn in zip((None, *turns), turns, strict=False):
        if before is None or before.gold != turn.gold:
            spans.append(True)
        spans[-1] = spans[-1] and _right(turn)
    return spans


def _routes(confusion: Mapping[tuple[str | None, str | None], int]) -> tuple[RouteAccuracy, ...]:
    belong: Counter[str | None] = Counter()
    given: Counter[str | None] = Counter()
    for (gold, predicted), count in confusion.items():
        belong[gold] += count
        given[predicted] += count
    names = sorted(belong.keys() | given.keys(), key=lambda name: (name is None, name or ""))
    return tuple(
        RouteAccuracy(name, belong[name], given[name], confusion.get((name, name), 0)) for name in names
    )


def _share(share: Share) -> dict[str, float]:
    return {"n": share.n, "accuracy": share.accuracy, "low": share.low, "high": share.high}
