"""What a request asks of the ladder: the model it names, the routes it brings, the session it belongs to,
the words to route by.

The proxied paths, the decision endpoints and the in-process router all read it here.
"""

from __future__ import annotations

from collections.abc import Callable

from plano.exchange.sessions import Claim, SessionFinder
from plano.routing.asked import Asked
from plano.routing.inline import InlineRoutes
from plano.routing.reading import read
from plano.routing.route_set import RouteSet
from plano.routing.utterance import Utterance
from plano.wire.dialects import Codec
from plano.wire.splice import Head

ROUTES = "routing_preferences"


class Asking:
    """Reads requests for the ladder; remembers the routes that requests bring again and again."""

    def __init__(self, inline: InlineRoutes, finder: SessionFinder, *, budget_tokens: int) -> None:
        """`budget_tokens`: how much of a conversation a router reads."""
        self._inline = inline
        self._finder = finder
        self._budget_tokens = budget_tokens

    def routes(self, head: Head) -> RouteSet | None:
        """The routes that the request brings; None: it brings none. Raises InvalidRequest."""
        raw = head.raw(ROUTES)
        if raw is None:
            return None
        return self._inline.read(raw)

    async def asked(self, head: Head, codec: Codec, routes: RouteSet | None, claim: Claim | None) -> Asked:
        """Raises InvalidRequest for a conversation that had to be read and cannot be."""
        session = None
        if claim is not None:
            session = await self._finder.find(claim, lambda: codec.conversation(head))
        return Asked(head.model, self._conversation(head, codec), routes, session)

    def _conversation(self, head: Head, codec: Codec) -> Callable[[], tuple[Utterance, ...]]:
        return lambda: read(codec.conversation(head), budget_tokens=self._budget_tokens)
