"""The affinity step: a session that was decided stays on its model, for as long as its pin lasts.

A pin is checked whenever it is read, for what it names may be gone. The store may be in trouble: then
there is no affinity for this request, and the reasons say so.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import assert_never

from plano.catalog.catalog import Catalog, Found
from plano.catalog.names import ModelId, RouteName
from plano.routing.affinity import NoPin, Pin, Unavailable
from plano.routing.budget import Answered, Rates, Switch, after, context_tokens, judge
from plano.routing.decision import Candidate, Decision, Kind, Outcome, Reason
from plano.routing.ports import AffinityStore
from plano.routing.route_set import RouteSet
from plano.routing.session import Account, Session


@dataclass(frozen=True, slots=True)
class Held:
    """The session has a pin, and what it names is still there."""

    pin: Pin
    candidates: tuple[Candidate, ...]
    """The pinned model, then the others of its route."""
    reason: Reason

    @property
    def route(self) -> RouteName | None:
        return self.reason.route


@dataclass(frozen=True, slots=True)
class NotHeld:
    """No pin that could be used."""

    reason: Reason
    may_keep: bool
    """Whether there is a store to write to."""
    is_stale: bool = False
    """There is a pin, and it has to give way."""


class Sessions:
    """Reads and writes the pins of sessions."""

    def __init__(
        self,
        store: AffinityStore,
        catalog: Catalog,
        routes: RouteSet,
        *,
        rates: Rates,
        is_resting: Callable[[Candidate], bool],
        now: Callable[[], float],
        today: Callable[[], float],
    ) -> None:
        """`is_resting`: whether a candidate has failed so often that others go before it; `now`: seconds, for
        the time that the step took; `today`: seconds since 1970."""
        self._rates = rates
        self._is_resting = is_resting
        self._today = today
        self._store = store
        self._catalog = catalog
        self._routes = routes
        self._now = now

    async def look(self, session: Session) -> Held | NotHeld:
        """What the session's pin says."""
        began = self._now()
        found = await self._store.read(session.key)
        match found:
            case Pin():
                return self._checked(found, session, began)
            case NoPin():
                return NotHeld(
                    self._abstained("miss", "nothing is pinned for this session", began), may_keep=True
                )
            case Unavailable(because):
                reason = self._abstained("unavailable", f"{self._store.name}: {because}", began)
                return NotHeld(reason, may_keep=False)
            case _:
                assert_never(found)

    def followed(self, session: Session, reasons: tuple[Reason, ...], held: Held) -> Decision:
        """The decision that was pinned."""
        account = None
        if session.budget is not None:
            account = Account(session, held.pin.spending, held.candidates[0].id, None, self._today())
        return Decision(held.candidates, "affinity", reasons, held.route, is_pinned=True, account=account)

    def judged(self, session: Session, decision: Decision, held: Held) -> Decision:
        """The decision that a session may afford, which has a model already."""
        budget = session.budget
        if budget is None or not decision.candidates:
            return decision
        anchor, candidate = held.candidates[0], decision.candidates[0]
        spending, at = held.pin.spending, self._today()
        context = context_tokens(spending, session.body_bytes)
        verdict = judge(
            budget, spending, self._rates, anchor=anchor.id, candidate=candidate.id, context=context, now=at
        )
        account = Account(session, spending, anchor.id, verdict, at)
        if isinstance(verdict, Switch):
            reason = Reason("affinity", "abstained", verdict.because, kind=verdict.reason)
            return replace(decision, reasons=(*decision.reasons, reason), account=account)
        if verdict.reason == "same_model":
            return replace(decision, account=account)
        reasons = (*decision.reasons, Reason("affinity", "chose", verdict.because, kind=verdict.reason))
        others = [each for each in decision.candidates if each.id != anchor.id]
        route = None if held.pin.route_name is None else RouteName(held.pin.route_name)
        return Decision(
            (anchor, *others),
            "affinity",
            reasons,
            route,
            is_pinned=True,
            ranked=decision.candidates,
            account=account,
        )

    async def keep(self, session: Session, decision: Decision, before: Held | NotHeld) -> Decision:
        """Remember a decision for the session's next requests; the decision that holds. Where another request
        of the session was first, that is the other one's."""
        if not decision.candidates or (isinstance(before, NotHeld) and not before.may_keep):
            return decision
        if isinstance(before, Held) or before.is_stale:
            spending = before.pin.spending if isinstance(before, Held) else None
            pin = Pin(decision.candidates[0].id, decision.route, spending)
            taken = await self._store.pin(session.key, pin, session.ttl_s)
            has_switched = isinstance(before, Held) and before.pin.model_name != pin.model_name
            is_kept = not isinstance(taken, Unavailable)
            return self._counted(session, replace(decision, has_switched=has_switched, is_kept=is_kept))
        began = self._now()
        pin = Pin(decision.candidates[0].id, decision.route)
        holds = await self._store.pin_first(session.key, pin, session.ttl_s)
        if isinstance(holds, Unavailable) or _same(holds, pin):
            is_kept = not isinstance(holds, Unavailable)
            return self._counted(session, replace(decision, is_kept=is_kept))
        theirs = self._checked(holds, session, began)
        if isinstance(theirs, NotHeld):
            return decision
        reason = replace(
            theirs.reason,
            outcome="chose",
            kind="raced",
            because="another request of this session was decided first",
        )
        return Decision(
            theirs.candidates, "affinity", (*decision.reasons, reason), theirs.route, is_pinned=True
        )

    def _counted(self, session: Session, decision: Decision) -> Decision:
        """With an account, where one is kept and begins here."""
        if session.budget is None or decision.account is not None:
            return decision
        return replace(decision, account=Account(session, None, None, None, self._today()))

    async def moved(self, key: str, model: ModelId, route: RouteName | None) -> None:
        """Let the session stay on the model that has answered in the place of its own, for the rest of the
        pin's time."""
        await self._store.move(key, Pin(model, route))

    async def answered(self, account: Account, answered: Answered, route: RouteName | None) -> None:
        """Write what an answered request has cost its session: for the rest of the pin's time."""
        budget = account.session.budget
        if budget is None:
            return
        spending = after(
            budget,
            account.spending,
            self._rates,
            anchor=account.anchor,
            judged=account.judged,
            answered=answered,
        )
        await self._store.move(account.session.key, Pin(answered.model, route, spending))

    def _checked(self, pin: Pin, session: Session, began: float) -> Held | NotHeld:
        """A model that is no longer declared under its full name is no model to stay on."""
        found = self._catalog.find(pin.model_name)
        if not isinstance(found, Found) or found.id != pin.model_name:
            because = "the session is pinned to a model that is no longer declared"
            return NotHeld(self._abstained("stale", because, began), may_keep=True, is_stale=True)
        pinned = Candidate.of(found)
        if self._is_resting(pinned):
            because = "the session's model has failed too often and rests"
            return NotHeld(self._abstained("stale", because, began), may_keep=True, is_stale=True)
        route = None if pin.route_name is None else RouteName(pin.route_name)
        if session.follows:
            reason = self._reason("chose", "hit", "the session stays on its model", route, began)
        else:
            anew = "a new turn of the user's" if session.by_user_turn else "each request"
            reason = self._reason("abstained", "anew", f"{anew} is decided anew", route, began)
        return Held(pin, (pinned, *self._others(route, found)), reason)

    def _others(self, route: RouteName | None, pinned: Found) -> Sequence[Candidate]:
        if route is None:
            return [Candidate.of(each) for each in pinned.fallbacks]
        known = self._routes.named(route)
        if known is None:
            return ()
        candidates = map(Candidate.of, known.candidates)
        return [candidate for candidate in candidates if candidate.id != pinned.id]

    def _abstained(self, kind: Kind, because: str, began: float) -> Reason:
        return self._reason("abstained", kind, because, None, began)

    def _reason(
        self, outcome: Outcome, kind: Kind, because: str, route: RouteName | None, began: float
    ) -> Reason:
        elapsed_ms = (self._now() - began) * 1000.0
        return Reason("affinity", outcome, because, route, kind=kind, elapsed_ms=elapsed_ms)


def _same(one: Pin, other: Pin) -> bool:
    return one.model_name == other.model_name and one.route_name == other.route_name
