"""Which models should answer, in which order, and why: an answer that explains itself."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from plano.catalog.allowance import Allowance
from plano.catalog.catalog import Found, Model
from plano.catalog.names import ModelId, RouteName
from plano.routing.session import Account

Step = Literal["explicit", "alias", "affinity", "preference", "default"]
"""The rungs of the ladder, and the value of `x-plano-decision`."""


Outcome = Literal["chose", "abstained", "skipped"]
"""`skipped`: one of the candidates of the step that chose cannot take the request."""


Inability = Literal["context_too_small", "no_images", "no_tools", "no_structured_output"]
"""Why a candidate cannot take a request, for counting."""

Kind = Literal[
    "matched",
    "none_fits",
    "unable",
    "nothing_to_read",
    "hit",
    "miss",
    "stale",
    "unavailable",
    "anew",
    "raced",
    "over_budget",
    "cheaper",
    "within_budget",
    "cold",
    "unknown_price",
    Inability,
]
"""What a reason comes to, for counting. Of the preference or the affinity step: a route matched, none did, no
router was able to tell, there was nothing to route by; the session's pin was used, there was none, it named
what is gone, its store was in trouble, it was not to be used, another request was first; and what the
budget made of a change of models. Of a candidate that was skipped: why."""


@dataclass(frozen=True, slots=True)
class Reason:
    """What one step of the ladder said."""

    step: Step
    outcome: Outcome
    because: str
    route: RouteName | None = None
    """The route that was chosen, or the nearest of those that were not."""
    score: float | None = None
    margin: float | None = None
    """By how much that route leads the next."""
    router: str | None = None
    """Who was asked which route fits: `embedded`, or the full name of a served model."""
    kind: Kind | None = field(default=None, compare=False)
    elapsed_ms: float = field(default=0.0, compare=False)
    """How long the step took; for what is remembered, how long it took when it was worked out."""
    passed: tuple[str, ...] = field(default=(), compare=False)
    """The routers that were asked before `router` and were unable to tell, by name, for counting."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """One model that may answer, under the name it is sent by."""

    model: Model
    upstream_model: str
    """What goes into the body's `model`: for a wildcard member, the name that was asked for."""
    id: ModelId
    """`provider/model` in full, the wildcard filled in; what `x-plano-model` shows."""

    @classmethod
    def of(cls, found: Found) -> Candidate:
        return cls(found.model, found.upstream_model, found.id)

    @classmethod
    def in_turn(cls, found: Found) -> tuple[Candidate, ...]:
        """The model, then those that answer when it fails."""
        return (cls.of(found), *map(cls.of, found.fallbacks))


@dataclass(frozen=True, slots=True)
class Decision:
    """The ranked candidates, the step that chose, and what every step said."""

    candidates: tuple[Candidate, ...]
    """Empty when nobody decided."""
    step: Step | None
    """None when nobody decided."""
    reasons: tuple[Reason, ...]
    route: RouteName | None = None
    session_id: str | None = None
    """The session that the request belongs to."""
    is_pinned: bool = False
    """An earlier decision of the session was used."""
    has_switched: bool = False
    """The session had another model before."""
    is_kept: bool | None = None
    """Whether the session's store took the pin; None: none was to be written."""
    ranked: tuple[Candidate, ...] | None = None
    """What the router would have had, where the session stays on its model nevertheless."""
    account: Account | None = None
    """What a session's account is written from, once the request was answered; None: none is kept."""


def allowed(candidates: tuple[Candidate, ...], allowance: Allowance | None) -> tuple[Candidate, ...]:
    """Those that the caller may use, in their order; the same object where that is all of them."""
    if allowance is None or all(allowance.allows(each.model, each.id) for each in candidates):
        return candidates
    return tuple(each for each in candidates if allowance.allows(each.model, each.id))
