"""What is decided about: the model that a request names, and the conversation if it comes to that."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from plano.catalog.allowance import Allowance
from plano.routing import capability
from plano.routing.route_set import RouteSet
from plano.routing.session import Session
from plano.routing.utterance import Utterance

Reading = Callable[[], Awaitable[Sequence[Utterance]]]
"""Reads what a router may see, oldest first. May raise PlanoError for what cannot be read."""


def already_read(conversation: Sequence[Utterance]) -> Reading:
    """A conversation that need not be read any more."""

    async def read() -> Sequence[Utterance]:
        return conversation

    return read


@dataclass(frozen=True, slots=True)
class Asked:
    """One request, in the ladder's eyes."""

    requested: str | None
    """What stands in `model`; None when it is absent or null."""
    conversation: Reading
    """Called once, and only when a router will be asked."""
    routes: RouteSet | None = None
    """The routes that the request brings, which replace the configured ones; None: it brings none."""
    session: Session | None = None
    """The session that the request belongs to; None: it stands alone."""
    allowance: Allowance | None = None
    """What its caller may use; None: everything that is declared."""
    needs: capability.Reading | None = None
    """Called when several models could answer, and one of them is known not to take everything."""
