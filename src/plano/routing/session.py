"""The session that a request belongs to, as the ladder is told of it, and the account that is kept of it."""

from __future__ import annotations

from dataclasses import dataclass

from plano.catalog.names import ModelId
from plano.routing.affinity import Spending
from plano.routing.budget import Budget, Stay, Switch


@dataclass(frozen=True, slots=True)
class Session:
    """Requests that may have to stay on one model."""

    id: str
    """As it was named, or `implicit:…` for one that is known by how it began."""
    key: str
    """Under which its pin is kept."""
    stays: bool
    """Once decided it stays, whatever is said next; else each request is decided anew, but for those that
    follow a turn of the user's."""
    ttl_s: float
    """How long a pin lasts, from the decision."""
    is_user_turn: bool | None = None
    """The request brings new words of the user's, and not only what came of a tool; None: nobody looked."""
    by_user_turn: bool = False
    """What an agent does about a turn of the user's follows the decision on that turn."""
    budget: Budget | None = None
    """What changing models may cost; None: nobody counts."""
    body_bytes: int = 0
    """Of the request."""
    records_counterfactual: bool = False
    """What routing would have had is written down where the budget does not allow it."""

    @property
    def follows(self) -> bool:
        """Whether the decision that is remembered is to be used."""
        return self.stays or (self.by_user_turn and self.is_user_turn is False)


@dataclass(frozen=True, slots=True)
class Account:
    """What has to be known to write a session's account when the request was answered."""

    session: Session
    spending: Spending | None
    """As it was before."""
    anchor: ModelId | None
    """The model that the session was on; None: it begins."""
    judged: Stay | Switch | None
    """What was judged of this request; None: nothing was."""
    at: float
    """When, in seconds since 1970."""
