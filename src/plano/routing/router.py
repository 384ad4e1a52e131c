"""The ladder: explicit, alias, default. Each step answers or abstains with a reason; the first
that answers is the decision.

What a name leads to never changes while a catalog lives, so decisions for names are made once.
"""

from __future__ import annotations

from plano.catalog.catalog import NOT_NAMED, Catalog, Missing
from plano.catalog.names import RequestedModel
from plano.errors import ModelNotFound, NoModel
from plano.routing.decision import Candidate, Decision, Reason

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


class Ladder:
    """Decides which models should answer, from what is declared and what is asked for."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._default = self._decide_default()
        self._remembered: dict[str, Decision] = {}

    def decide(self, requested: str | None) -> Decision:
        """The decision for a request that names `requested` (None: no model named).

        Raises ModelNotFound for a name nothing answers to, NoModel when nobody decided.
        """
        if requested is None or requested in NOT_NAMED:
            return self._undecided()
        decision = self._remembered.get(requested)
        if decision is None:
            decision = self._decide_name(RequestedModel(requested))
            if len(requested) <= LONGEST_REMEMBERED:
                if len(self._remembered) >= MOST_REMEMBERED:
                    self._remembered.clear()
                self._remembered[requested] = decision
        return decision

    def _decide_name(self, requested: RequestedModel) -> Decision:
        found = self._catalog.find(requested)
        if isinstance(found, Missing):
            raise ModelNotFound(_not_found(requested, found), param="model")
        candidate = Candidate(found.model, found.upstream_model, found.id)
        shown = _shown(requested)
        because = f"{shown!r} {_HOW_NAMED[found.by]}"
        if found.by in ("alias", "catch_all"):
            passed = Reason("explicit", "abstained", f"{shown!r} is not a declared model")
            return Decision((candidate,), "alias", (passed, Reason("alias", "chose", because)))
        return Decision((candidate,), "explicit", (Reason("explicit", "chose", because),))

    def _undecided(self) -> Decision:
        if self._default is None:
            raise NoModel(
                "No model was named and none is declared as default; name one in 'model' "
                "(GET /v1/models lists them), or set 'default: true' on one of model_providers.",
                param="model",
            )
        return self._default

    def _decide_default(self) -> Decision | None:
        model = self._catalog.default
        if model is None:
            return None
        reasons = (
            Reason("explicit", "abstained", "no model named"),
            Reason("alias", "abstained", "no model named"),
            Reason("default", "chose", f"{model.id!r} is declared as default"),
        )
        return Decision((Candidate(model, model.upstream_model, model.id),), "default", reasons)


def _shown(requested: RequestedModel) -> str:
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
