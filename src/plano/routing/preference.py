"""The preference step: which route the conversation is about, and the models that are wanted for it.

Several routers may be asked in turn: the next one answers when one is unable to, never when one
has looked and found that nothing fits. Candidates are fixed before any router reads a word.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import assert_never

from plano.catalog.allowance import Allowance
from plano.catalog.catalog import Route
from plano.catalog.names import RouteName
from plano.routing import policy
from plano.routing.asked import Asked
from plano.routing.decision import Candidate, Kind, Reason, allowed
from plano.routing.ports import Quotes, RouteClassifier
from plano.routing.route_set import RouteSet
from plano.routing.utterance import Utterance
from plano.routing.verdict import Matched, NoneFits, Unable

RESERVED_S = 0.1
"""Of the time for a decision, what the first router leaves for the one that answers in its place."""
RESERVED_SHARE = 0.25
"""The most that may be reserved of a short time."""

NONE_ALLOWED = "the caller's key may use none of its models"


@dataclass(frozen=True, slots=True)
class Preferred:
    """What the step found: the route's candidates in order, or none of them, and why."""

    candidates: tuple[Candidate, ...]
    reason: Reason

    @property
    def route(self) -> RouteName | None:
        return self.reason.route if self.candidates else None


class Preference:
    """Routes, and who can tell which of them fits."""

    def __init__(
        self,
        *,
        routes: RouteSet,
        classifiers: Sequence[RouteClassifier],
        quotes: Quotes,
        timeout_s: float,
        now: Callable[[], float],
    ) -> None:
        """`classifiers` in the order in which they are asked; `timeout_s` is for all of them together."""
        self._classifiers = tuple(classifiers)
        self._quotes = quotes
        self._timeout_s = timeout_s
        self._now = now
        self.routes = routes
        self._candidates: Mapping[RouteName, tuple[Candidate, ...]] = {
            route.name: _candidates(route) for route in routes
        }

    @property
    def routers(self) -> tuple[str, ...]:
        """Who may be asked, by name, in turn."""
        return tuple(classifier.name for classifier in self._classifiers)

    async def choose(self, asked: Asked) -> Preferred:
        """The route for a conversation. Raises what reading the conversation raises."""
        routes = self.routes if asked.routes is None else asked.routes
        began = self._now()
        if not routes:
            return self._abstained("nothing_to_read", "the request brings an empty list of routes", began)
        conversation = await asked.conversation()
        if not conversation:
            because = "the conversation has no words of the user to route by"
            return self._abstained("nothing_to_read", because, began)
        return await self._ask(conversation, routes, asked.allowance, began)

    async def _ask(
        self,
        conversation: Sequence[Utterance],
        routes: RouteSet,
        allowance: Allowance | None,
        began: float,
    ) -> Preferred:
        passed: dict[str, str] = {}
        deadline = began + self._timeout_s
        last = len(self._classifiers) - 1
        for at, classifier in enumerate(self._classifiers):
            reserved = min(RESERVED_S, self._timeout_s * RESERVED_SHARE) if at < last else 0.0
            verdict = await classifier.classify(conversation, routes, deadline=deadline - reserved)
            match verdict:
                case Unable(because):
                    passed[classifier.name] = because
                case NoneFits():
                    return self._none_fits(verdict, classifier.name, passed, began)
                case Matched():
                    return self._matched(verdict, classifier.name, routes, allowance, passed, began)
                case _:
                    assert_never(verdict)
        return self._abstained("unable", "; ".join(_in_words(passed)), began, tuple(passed))

    def _matched(
        self,
        verdict: Matched,
        router: str,
        routes: RouteSet,
        allowance: Allowance | None,
        passed: Mapping[str, str],
        began: float,
    ) -> Preferred:
        route = routes.named(verdict.route)
        if route is None:  # a router can only pick among the routes of this request
            because = f"{router} named a route that was not asked about"
            return self._abstained("unable", because, began, (*passed, router))
        known = self._candidates.get(route.name) if routes is self.routes else None
        wanted = known or _candidates(route)
        usable = allowed(wanted, allowance)
        is_passed_over = not usable and bool(wanted)
        candidates = policy.order(usable, self._quotes, route.prefer)
        order = NONE_ALLOWED if is_passed_over else policy.in_words(candidates, self._quotes, route.prefer)
        because = "; ".join([f"the route that fits best{_instead(passed)}", *([order] if order else [])])
        reason = Reason(
            "preference",
            "abstained" if is_passed_over else "chose",
            because,
            route.name,
            verdict.score,
            verdict.margin,
            router,
            "matched",
            self._elapsed_ms(began),
            tuple(passed),
        )
        return Preferred(candidates, reason)

    def _none_fits(
        self, verdict: NoneFits, router: str, passed: Mapping[str, str], began: float
    ) -> Preferred:
        reason = Reason(
            "preference",
            "abstained",
            verdict.because + _instead(passed),
            verdict.nearest,
            verdict.score,
            verdict.margin,
            router,
            "none_fits",
            self._elapsed_ms(began),
            tuple(passed),
        )
        return Preferred((), reason)

    def _abstained(self, kind: Kind, because: str, began: float, passed: tuple[str, ...] = ()) -> Preferred:
        elapsed_ms = self._elapsed_ms(began)
        reason = Reason("preference", "abstained", because, kind=kind, elapsed_ms=elapsed_ms, passed=passed)
        return Preferred((), reason)

    def _elapsed_ms(self, began: float) -> float:
        return (self._now() - began) * 1000.0


def _instead(passed: Mapping[str, str]) -> str:
    return f" (instead of {', '.join(_in_words(passed))})" if passed else ""


def _in_words(passed: Mapping[str, str]) -> list[str]:
    return [f"{router}: {because}" for router, because in passed.items()]


def _candidates(route: Route) -> tuple[Candidate, ...]:
    return tuple(map(Candidate.of, route.candidates))
