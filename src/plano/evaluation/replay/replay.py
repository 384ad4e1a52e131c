"""Follows policies through a log, and adds up what each would have cost.

Sessions are held while they go on: one that has been quiet for a day of the log's own time is closed, and so
is the quietest when there are too many, so that a log of any length takes the same memory.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from plano.catalog.names import ModelId
from plano.catalog.prices import Price
from plano.evaluation.replay.caches import bill
from plano.evaluation.replay.intervals import RESAMPLES, Estimate, Totals
from plano.evaluation.replay.log import Request
from plano.evaluation.replay.policies import Course, Logged, Policy
from plano.routing.budget import Rates

QUIET_S: Final = 24 * 3600.0
"""Every cache, and every session's life, is over by then."""
MOST_OPEN: Final = 50_000
"""Sessions held at once, of some kilobytes each."""
OUT_OF_ORDER_S: Final = 3600.0
"""Lines are written when requests end, and so may be older than one before by as long as an answer takes."""

READS, WRITES, MISSES, OUTPUT, COST, SWITCHES, LOOP_SWITCHES, AS_ROUTED, REQUESTS = range(9)
QUANTITIES: Final = 9
"""What is added up for a policy; `COST` is the sum of the first four."""


@dataclass(frozen=True, slots=True)
class PolicyCost:
    """One policy over the whole log. US dollars, and counts."""

    policy: Policy
    cost: Estimate
    against_first: Estimate | None
    """The cost in parts of the first policy's; None where that is zero, and for the first."""
    cache_reads: Estimate
    cache_writes: Estimate
    misses: Estimate
    output: Estimate
    switches: Estimate
    loop_switches: Estimate
    """Switches on requests inside a tool loop."""
    as_routed: Estimate
    """The share of requests that had the model which routing preferred."""


@dataclass(slots=True)
class Notes:
    """What of the log was used, and what could not be."""

    requests: int = 0
    """All lines."""
    priced: int = 0
    sessions: int = 0
    """Those priced; a request without a session is one of its own."""
    first_at: float | None = None
    last_at: float | None = None
    failed: int = 0
    """Answered with an error, or not at all: they cost nothing here, and change nothing."""
    without_tokens: int = 0
    estimated: int = 0
    """Priced by the bytes of their bodies."""
    without_output: int = 0
    unpriced_requests: int = 0
    unpriced_sessions: int = 0
    unpriced_models: Counter[ModelId] = field(default_factory=Counter)
    guessed_cached_prices: set[ModelId] = field(default_factory=set)
    without_session: int = 0
    unrouted: int = 0
    """The log does not say whom routing preferred; who answered stands for it."""
    without_turns: int = 0
    """The log does not say whether a user spoke; one is taken to have."""
    out_of_order: int = 0
    closed_early: int = 0
    reported_cached: int = 0
    """Tokens that providers say were in their caches, of the requests where they say so."""
    modelled_cached: int = 0
    """Tokens that should have been, of the same requests, by the lifetimes of caches alone."""


@dataclass(frozen=True, slots=True)
class Replayed:
    """What came of it."""

    policies: tuple[PolicyCost, ...]
    notes: Notes


@dataclass(slots=True)
class _Session:
    name: str
    courses: Sequence[Course]
    sums: NDArray[np.float64]
    last_at: float = 0.0
    requests: int = 0
    unpriced: set[ModelId] = field(default_factory=set)
    reported_cached: int = 0
    modelled_cached: int = 0


class Replay:
    """One run over one log."""

    def __init__(
        self,
        policies: Sequence[Policy],
        rates: Rates,
        *,
        discount: float,
        seed: int = 0,
        resamples: int = RESAMPLES,
        most_open: int = MOST_OPEN,
    ) -> None:
        """`discount`: what cached input costs, as a share of the input price, where no list says it."""
        self._policies = tuple(policies)
        self._followed: tuple[Policy, ...] = (*self._policies, Logged())  # the last checks the caches' model
        self._rates = _Remembered(rates)
        self._discount = discount
        self._totals = Totals(len(policies) * QUANTITIES, seed=seed, resamples=resamples)
        self._most_open = most_open
        self._open: OrderedDict[str, _Session] = OrderedDict()
        self._notes = Notes()

    def run(self, requests: Iterable[Request]) -> Replayed:
        """Take all of them. Raises what reading them raises."""
        for request in requests:
            self._take(request)
        while self._open:
            self._close(self._open.popitem(last=False)[1])
        return Replayed(tuple(map(self._cost, range(len(self._policies)))), self._notes)

    def _take(self, request: Request) -> None:
        notes = self._notes
        notes.requests += 1
        latest = notes.last_at if notes.last_at is not None else request.at
        notes.out_of_order += request.at < latest - OUT_OF_ORDER_S
        notes.first_at = request.at if notes.first_at is None else min(notes.first_at, request.at)
        notes.last_at = max(latest, request.at)
        if request.has_failed:
            notes.failed += 1
        elif request.tokens is None:
            notes.without_tokens += 1
        else:
            session = self._session_of(request)
            self._follow(session, request, request.tokens)
            if request.session is None:
                notes.without_session += 1
                self._close(self._open.pop(session.name))
        self._close_quiet(notes.last_at)

    def _session_of(self, request: Request) -> _Session:
        name = f"line {request.line}" if request.session is None else f"session {request.session}"
        session = self._open.get(name)
        if session is None:
            courses = [Course() for _ in self._followed]
            session = self._open[name] = _Session(name, courses, np.zeros(len(self._policies) * QUANTITIES))
        self._open.move_to_end(name)
        return session

    def _follow(self, session: _Session, request: Request, tokens: int) -> None:
        session.requests += 1
        session.last_at = max(session.last_at, request.at)
        models = {request.candidate, request.chosen}
        session.unpriced |= {model for model in models if self._rates.rates(model) is None}
        if session.unpriced:
            return
        self._note(request, models)
        hit = 0
        for number, (policy, course) in enumerate(zip(self._followed, session.courses, strict=True)):
            hit = self._step(policy, course, session.sums[number * QUANTITIES :], request, tokens)
        if request.cached_tokens is not None:
            session.reported_cached += request.cached_tokens
            session.modelled_cached += hit

    def _step(
        self, policy: Policy, course: Course, sums: NDArray[np.float64], request: Request, tokens: int
    ) -> int:
        """One request on one course; the tokens that were in the cache."""
        before = course.anchor
        model = policy.choose(course, request, tokens, self._rates)
        course.anchor = model
        read = course.caches.read(model, tokens, request.at)
        price = self._rates.rates(model)
        if len(sums) and price is not None:
            cost = bill(read, request.output_tokens or 0, price, self._discount)
            has_switched = before is not None and before != model
            parts = (cost.reads, cost.writes, cost.misses, cost.output)
            in_loop = has_switched and request.is_user_turn is False
            counts = (has_switched, in_loop, model == request.candidate, 1)
            sums[:QUANTITIES] += (*parts, sum(parts), *counts)
        return read.hit

    def _note(self, request: Request, models: set[ModelId]) -> None:
        notes = self._notes
        notes.estimated += not request.is_counted
        notes.without_output += request.output_tokens is None
        notes.unrouted += not request.is_routed
        notes.without_turns += request.is_user_turn is None
        for model in models:
            price = self._rates.rates(model)
            if price is not None and price.cached_usd_per_mtok is None:
                notes.guessed_cached_prices.add(model)

    # --- the end of a session ---

    def _close_quiet(self, now: float) -> None:
        while self._open:
            session = next(iter(self._open.values()))
            is_quiet = now - session.last_at > QUIET_S
            if not is_quiet and len(self._open) <= self._most_open:
                return
            self._notes.closed_early += not is_quiet
            del self._open[session.name]
            self._close(session)

    def _close(self, session: _Session) -> None:
        notes = self._notes
        if session.unpriced:
            notes.unpriced_sessions += 1
            notes.unpriced_requests += session.requests
            notes.unpriced_models.update(session.unpriced)
            return
        notes.sessions += 1
        notes.priced += session.requests
        notes.reported_cached += session.reported_cached
        notes.modelled_cached += session.modelled_cached
        self._totals.add(session.name, session.sums)

    def _cost(self, number: int) -> PolicyCost:
        totals, first = self._totals, number * QUANTITIES

        def total(quantity: int) -> Estimate:
            return totals.total(first + quantity)

        return PolicyCost(
            self._policies[number],
            total(COST),
            totals.ratio(first + COST, COST) if number else None,
            total(READS),
            total(WRITES),
            total(MISSES),
            total(OUTPUT),
            total(SWITCHES),
            total(LOOP_SWITCHES),
            totals.ratio(first + AS_ROUTED, first + REQUESTS) or Estimate(0.0),
        )


class _Remembered:
    """Prices, each looked up once."""

    def __init__(self, rates: Rates) -> None:
        self._rates = rates
        self._known: dict[ModelId, Price | None] = {}

    def rates(self, model: ModelId) -> Price | None:
        if model not in self._known:
            self._known[model] = self._rates.rates(model)
        return self._known[model]


def document(replayed: Replayed) -> Mapping[str, object]:
    """What `plano replay --json` prints of it."""
    notes = asdict(replayed.notes) | {
        "unpriced_models": dict(sorted(replayed.notes.unpriced_models.items())),
        "guessed_cached_prices": sorted(replayed.notes.guessed_cached_prices),
    }
    return {"policies": [_document(each) for each in replayed.policies], "log": notes}


def _document(each: PolicyCost) -> Mapping[str, object]:
    return {
        "policy": each.policy.name,
        "cost_usd": asdict(each.cost),
        "against_first": asdict(each.against_first) if each.against_first else None,
        "cache_reads_usd": asdict(each.cache_reads),
        "cache_writes_usd": asdict(each.cache_writes),
        "misses_usd": asdict(each.misses),
        "output_usd": asdict(each.output),
        "switches": asdict(each.switches),
        "loop_switches": asdict(each.loop_switches),
        "as_routed": asdict(each.as_routed),
    }
