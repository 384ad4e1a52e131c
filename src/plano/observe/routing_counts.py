"""Counts what the reasons of records say about routers, routes, sessions and candidates.

Reasons carry a kind for that; no text of theirs is read. A request that nobody had to be asked about
has none, and costs nothing here. Names are those of the configuration: what a request or a store
brings under another name is `_OTHER`.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from typing import Final, TypeVar, assert_never

import msgspec

from plano.exchange.record import ExchangeRecord
from plano.observe.distribution import Distribution
from plano.observe.vocabulary import (
    KEPT,
    LOOKUP_OUTCOMES,
    NONE,
    NOT_KEPT,
    NOTHING_TO_READ,
    OTHER,
    ROUTER_DURATION,
    STORE_OUTCOMES,
    SWITCH_REASONS,
    UNABLE,
    UNBUDGETED,
    VERDICT_OUTCOMES,
)
from plano.routing.decision import Reason

_MS: Final = 1000.0
_DURATION: Final = ROUTER_DURATION.bounds
Key = TypeVar("Key", bound=Hashable)


class RoutingCounts(msgspec.Struct):
    """What was decided, and how; by the labels it is scraped under."""

    verdicts: dict[tuple[str, str], int] = {}
    """By router and outcome."""
    durations: dict[str, Distribution] = {}
    """In seconds, by the router whose verdict it was."""
    routes: dict[str, int] = {}
    lookups: dict[tuple[str, str], int] = {}
    """By store and outcome."""
    switches: dict[str, int] = {}
    """By reason."""
    vetoed: int = 0
    replays: int = 0
    stores: dict[tuple[str, str], int] = {}
    """By store and whether it took the pin."""
    skipped: dict[str, int] = {}
    """Candidates that could not take a request, by what they cannot."""

    def add(self, other: RoutingCounts) -> None:
        _add(self.verdicts, other.verdicts)
        _add(self.routes, other.routes)
        _add(self.lookups, other.lookups)
        _add(self.stores, other.stores)
        _add(self.switches, other.switches)
        _add(self.skipped, other.skipped)
        self.vetoed += other.vetoed
        self.replays += other.replays
        for router, distribution in other.durations.items():
            self.durations.setdefault(router, Distribution.within(_DURATION)).add(distribution)


class RoutingCounter:
    """The counts of one worker."""

    __slots__ = ("_routers", "_routes", "_store", "counts")

    def __init__(self, *, routers: Iterable[str] = (), routes: Iterable[str] = (), store: str = NONE) -> None:
        """`routers` and `routes` as they are configured; `store`: the name of the one that keeps pins.

        Each of their combinations is there from the start, so that a rate over its first count is not lost.
        """
        self._routers = {router: router for router in routers}
        self._routes = {route: route for route in routes}
        self._store = store
        verdicts = {(router, outcome): 0 for router in self._routers for outcome in VERDICT_OUTCOMES}
        if verdicts:
            verdicts[NONE, NOTHING_TO_READ] = 0
        is_keeping = store != NONE
        self.counts = RoutingCounts(
            verdicts,
            routes=dict.fromkeys(self._routes, 0),
            lookups={(store, outcome): 0 for outcome in LOOKUP_OUTCOMES if is_keeping},
            stores={(store, outcome): 0 for outcome in STORE_OUTCOMES if is_keeping},
            switches={reason: 0 for reason in SWITCH_REASONS if is_keeping},
        )

    def take(self, record: ExchangeRecord) -> None:
        """Count a record that has reasons."""
        counts = self.counts
        was_judged = False
        for reason in record.reasons:
            match reason.kind:
                case None:
                    continue
                case "hit":
                    self._count_lookup(reason.kind)
                    counts.replays += record.is_user_turn is False
                case "miss" | "anew" | "stale" | "unavailable" | "raced":
                    self._count_lookup(reason.kind)
                case "matched" | "none_fits" | "unable" | "nothing_to_read":
                    self._count_verdict(reason, reason.kind)
                case "over_budget":
                    counts.vetoed += 1
                case "cheaper" | "within_budget" | "cold" | "unknown_price":
                    was_judged = True
                    _count(counts.switches, reason.kind)
                case "context_too_small" | "no_images" | "no_tools" | "no_structured_output":
                    _count(counts.skipped, reason.kind)
                case _:
                    assert_never(reason.kind)
        if record.is_kept is not None:
            _count(counts.stores, (self._store, KEPT if record.is_kept else NOT_KEPT))
        if record.has_switched and not was_judged:
            _count(counts.switches, UNBUDGETED)
        if record.route is not None:
            _count(counts.routes, self._routes.get(record.route, OTHER))

    def _count_lookup(self, outcome: str) -> None:
        _count(self.counts.lookups, (self._store, outcome))

    def _count_verdict(self, reason: Reason, outcome: str) -> None:
        verdicts = self.counts.verdicts
        for passed in reason.passed:
            _count(verdicts, (self._routers.get(passed, OTHER), UNABLE))
        router = NONE if reason.router is None else self._routers.get(reason.router, OTHER)
        if outcome != UNABLE:
            _count(verdicts, (router, outcome))
        if outcome == NOTHING_TO_READ:
            return  # nobody was asked, so there is no time to tell
        distribution = self.counts.durations.get(router)
        if distribution is None:
            distribution = self.counts.durations[router] = Distribution.within(_DURATION)
        distribution.note(reason.elapsed_ms / _MS, _DURATION)


def _count(counts: dict[Key, int], key: Key) -> None:
    counts[key] = counts.get(key, 0) + 1


def _add(counts: dict[Key, int], others: dict[Key, int]) -> None:
    for key, count in others.items():
        counts[key] = counts.get(key, 0) + count
