"""What is decided about: the model that a request names, and the conversation if it comes to that."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from plano.routing.route_set import RouteSet
from plano.routing.session import Session
from plano.routing.utterance import Utterance


@dataclass(frozen=True, slots=True)
class Asked:
    """One request, in the ladder's eyes."""

    requested: str | None
    """What stands in `model`; None when it is absent or null."""
    conversation: Callable[[], Sequence[Utterance]]
    """Reads what a router may see, oldest first; called once, and only when a router will be asked.
    May raise PlanoError for a conversation that cannot be read."""
    routes: RouteSet | None = None
    """The routes that the request brings, which replace the configured ones; None: it brings none."""
    session: Session | None = None
    """The session that the request belongs to; None: it stands alone."""
