"""The ladder: explicit, alias, affinity, preference, default. Each step answers or abstains with a
reason; the first that answers is the decision.

What a name leads to never changes while a catalog lives, so decisions for names are made once,
and at once. Only affinity and preference have to ask somebody, and only for requests that come to
them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from plano.catalog.allowance import Allowance
from plano.catalog.catalog import NOT_NAMED, Catalog, Found, Missing
from plano.catalog.linking import shown_to
from plano.catalog.names import RequestedModel
from plano.errors import ModelNotFound, NoModel
from plano.routing.asked import Asked
from plano.routing.capability import Preflight
from plano.routing.decision import Candidate, Decision, Reason, allowed
from plano.routing.preference import Preference
from plano.routing.session import Session
from plano.routing.sessions import Held, NotHeld, Sessions

MOST_REMEMBERED = 4096
"""Decisions kept for names; wildcard members can be any number."""
LONGEST_REMEMBERED = 256
"""Of a longer name no decision is kept: no model has one, and a client may send one as long as a body."""
LONGEST_SHOWN = 120
"""How much of a name stands in a reason or a message."""

_HOW_NAMED = {
    "name": "is a declared name",
    "full": "is a declared model",
    "bare": "is the id of exactly one declared model",
    "wildcard": "is a member of a declared wildcard",
    "alias": "is an alias",
    "catch_all": "is caught by the alias '*'",
}
_UNNAMED = (
    Reason("explicit", "abstained", "no model named"),
    Reason("alias", "abstained", "no model named"),
)
_NO_ROUTES = Reason("preference", "abstained", "no routes are configured")
_NO_DEFAULT = Reason("default", "abstained", "no model is declared as default")
_DEFAULT_NOT_ALLOWED = Reason("default", "abstained", "the caller's key may not use the default model")
_PIN_NOT_ALLOWED = "the session's model is none that the caller's key may use"


class Ladder:
    """Decides which models should answer, from what is declared, asked for and talked about."""

    def __init__(
        self,
        catalog: Catalog,
        preference: Preference | None = None,
        *,
        sessions: Sessions | None = None,
        preflight: Preflight | None = None,
        route_explicit_models: bool = False,
        now: Callable[[], float] = lambda: 0.0,
    ) -> None:
        """`preference`: None when nobody can be asked; `sessions`: None when none are kept;
        `preflight`: None when nothing is known of what models can take.
        `route_explicit_models`: routes come before the model that a request names. `now`: seconds, for the
        time that steps took."""
        self._catalog = catalog
        self._preference = preference
        self._sessions = sessions
        self._preflight = preflight
        self._has_routes = preference is not None and len(preference.routes) > 0
        self._routes_explicit = route_explicit_models
        self._now = now
        self._default = self._last_resort()
        self._unrouted = replace(self._default, reasons=(*_UNNAMED, _NO_ROUTES, *self._default.reasons))
        self._remembered: dict[str, Decision] = {}

    def at_once(
        self,
        requested: str | None,
        *,
        brings_routes: bool = False,
        in_session: bool = False,
        allowance: Allowance | None = None,
    ) -> Decision | None:
        """The decision for a request that names `requested` (None: no model named), when nobody has to be
        asked for it; None: `decide` must. `brings_routes`: the request has routes of its own; `in_session`:
        it may belong to a session; `allowance`: what its caller may use, None: everything.

        Raises ModelNotFound for a name that nothing answers to, or nothing that the caller may use.
        """
        decision = self._settled(requested, brings_routes, in_session, allowance)
        if decision is None or self._preflight is None or len(decision.candidates) < 2:
            return decision
        return None if self._preflight.concerns(decision.candidates) else decision

    def _settled(
        self, requested: str | None, brings_routes: bool, in_session: bool, allowance: Allowance | None
    ) -> Decision | None:
        """The decision that follows from the name alone, before the request is held against it."""
        may_route = self._has_routes or (brings_routes and self._preference is not None)
        if requested is None or requested in NOT_NAMED:
            may_stay = in_session and self._sessions is not None
            return None if may_route or may_stay else _within(self._unrouted, allowance)
        if may_route and self._routes_explicit:
            return None
        return self._named(requested, allowance)

    async def decide(self, asked: Asked) -> Decision:
        """The decision. Its candidates are empty when nobody decided.

        Raises ModelNotFound for a name that nothing answers to, and what reading the conversation raises.
        """
        brings_routes, in_session = asked.routes is not None, asked.session is not None
        decision = self._settled(asked.requested, brings_routes, in_session, asked.allowance)
        if decision is not None:
            return await self._fitted(asked, decision)
        requested = asked.requested if asked.requested not in NOT_NAMED else None
        before = _UNNAMED if requested is None else (_kept(requested),)
        if asked.session is None or self._sessions is None:
            return await self._routed(asked, requested, before)
        decision = await self._in_session(asked, asked.session, self._sessions, requested, before)
        return await self._fitted(asked, decision)

    async def _fitted(self, asked: Asked, decision: Decision) -> Decision:
        """Without candidates that cannot take the request."""
        if self._preflight is None or asked.needs is None:
            return decision
        return await self._preflight.fitted(decision, asked.needs)

    async def _in_session(
        self,
        asked: Asked,
        session: Session,
        sessions: Sessions,
        requested: str | None,
        before: tuple[Reason, ...],
    ) -> Decision:
        looked = _pin_within(await sessions.look(session), asked.allowance)
        before = (*before, looked.reason)
        if isinstance(looked, Held) and session.follows:
            decision = sessions.followed(session, before, looked)
        else:
            decision = await self._routed(asked, requested, before)
            if isinstance(looked, Held):
                decision = sessions.judged(session, decision, looked)
            kept = await sessions.keep(session, decision, looked)
            # Another request of the session may have been first, whose caller may use other models.
            if _leads_within(kept, asked.allowance):
                decision = _within(kept, asked.allowance)
        return replace(decision, session_id=session.id)

    async def _routed(self, asked: Asked, requested: str | None, before: tuple[Reason, ...]) -> Decision:
        """From the preference step downwards: what a session is to keep is able to take the request."""
        return await self._fitted(asked, await self._preferred(asked, requested, before))

    async def _preferred(self, asked: Asked, requested: str | None, before: tuple[Reason, ...]) -> Decision:
        preference = self._preference
        if preference is None or (not self._has_routes and asked.routes is None):
            reasons: tuple[Reason, ...] = (*before, _NO_ROUTES)
        else:
            preferred = await preference.choose(asked)
            reasons = (*before, preferred.reason)
            if preferred.candidates:
                return Decision(preferred.candidates, "preference", reasons, preferred.route)
        if requested is None:
            otherwise = _within(self._default, asked.allowance)
        else:
            otherwise = self._named(requested, asked.allowance)
        return replace(otherwise, reasons=(*reasons, *otherwise.reasons))

    def _named(self, requested: str, allowance: Allowance | None) -> Decision:
        decision = self._remembered.get(requested)
        if decision is None:
            decision = self._decide_name(RequestedModel(requested), allowance)
            if len(requested) <= LONGEST_REMEMBERED:
                if len(self._remembered) >= MOST_REMEMBERED:
                    self._remembered.clear()
                self._remembered[requested] = decision
        if allowance is None:
            return decision
        if not _leads_within(decision, allowance):
            # To this caller it is not there, so that nothing tells what others have.
            raise ModelNotFound(_not_found(RequestedModel(requested), Missing()), param="model")
        return _within(decision, allowance)

    def _decide_name(self, requested: RequestedModel, allowance: Allowance | None) -> Decision:
        began = self._now()
        found = self._catalog.find(requested)
        if isinstance(found, Missing):
            if allowance is not None:
                found = shown_to(allowance, found, self._catalog)
            raise ModelNotFound(_not_found(requested, found), param="model")
        return _decision_for(requested, found, (self._now() - began) * 1000.0)

    def _last_resort(self) -> Decision:
        model = self._catalog.default
        if model is None:
            return Decision((), None, (_NO_DEFAULT,))
        reason = Reason("default", "chose", f"{model.id!r} is declared as default")
        fallbacks = self._catalog.fallbacks.get(model.name, ())
        own = Candidate(model, model.upstream_model, model.id)
        return Decision((own, *map(Candidate.of, fallbacks)), "default", (reason,))


def _leads_within(decision: Decision, allowance: Allowance | None) -> bool:
    """Whether the caller may use the model that the decision prefers."""
    if allowance is None or not decision.candidates:
        return True
    first = decision.candidates[0]
    return allowance.allows(first.model, first.id)


def _within(decision: Decision, allowance: Allowance | None) -> Decision:
    """The decision without fallbacks that the caller may not use; none at all where the default is what they
    may not use."""
    if allowance is None:
        return decision
    if not _leads_within(decision, allowance):
        return Decision((), None, (*decision.reasons[:-1], _DEFAULT_NOT_ALLOWED))
    candidates = allowed(decision.candidates, allowance)
    ranked = None if decision.ranked is None else allowed(decision.ranked, allowance)
    if candidates is decision.candidates and ranked is decision.ranked:
        return decision
    return replace(decision, candidates=candidates, ranked=ranked)


def _pin_within(looked: Held | NotHeld, allowance: Allowance | None) -> Held | NotHeld:
    """A pin on a model that the caller may not use is none for them, and stays for those who may."""
    if allowance is None or not isinstance(looked, Held):
        return looked
    pinned = looked.candidates[0]
    if not allowance.allows(pinned.model, pinned.id):
        elapsed_ms = looked.reason.elapsed_ms
        reason = Reason("affinity", "abstained", _PIN_NOT_ALLOWED, kind="stale", elapsed_ms=elapsed_ms)
        return NotHeld(reason, may_keep=False)
    return replace(looked, candidates=allowed(looked.candidates, allowance))


def nobody_decided(decision: Decision | None) -> NoModel:
    """What to tell a caller whose request has a decision without candidates."""
    reasons = decision.reasons if decision else ()
    was_routed = any(reason.step == "preference" and reason is not _NO_ROUTES for reason in reasons)
    found = "no route fits the conversation" if was_routed else "no routes are configured"
    return NoModel(
        f"No model was named, {found}, and no model is declared as default; name one in 'model' "
        "(GET /v1/models lists them), or set 'default: true' on one of model_providers.",
        param="model",
    )


def _decision_for(requested: RequestedModel, found: Found, elapsed_ms: float) -> Decision:
    shown = _shown(requested)
    because = f"{shown!r} {_HOW_NAMED[found.by]}"
    if found.by in ("alias", "catch_all"):
        passed = Reason("explicit", "abstained", f"{shown!r} is not a declared model", elapsed_ms=elapsed_ms)
        return Decision(Candidate.in_turn(found), "alias", (passed, Reason("alias", "chose", because)))
    reason = Reason("explicit", "chose", because, elapsed_ms=elapsed_ms)
    return Decision(Candidate.in_turn(found), "explicit", (reason,))


def _kept(requested: str) -> Reason:
    because = f"{_shown(requested)!r} is kept for when no route fits (route_explicit_models)"
    return Reason("explicit", "abstained", because)


def _shown(requested: str) -> str:
    return requested if len(requested) <= LONGEST_SHOWN else requested[:LONGEST_SHOWN] + "…"


def _not_found(requested: RequestedModel, missing: Missing) -> str:
    shown = _shown(requested)
    if missing.ambiguous:
        choices = ", ".join(map(repr, missing.ambiguous))
        return f"The model {shown!r} is declared by several providers; name one of {choices}."
    if missing.near:
        near = ", ".join(map(repr, missing.near))
        return (
            f"The model {shown!r} is not declared here (did you mean {near}?). GET /v1/models lists what is."
        )
    return f"The model {shown!r} is not declared here. GET /v1/models lists what is."
