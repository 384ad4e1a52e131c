"""What a request asks of the ladder: the model it names, the routes it brings, the session it belongs to,
the words to route by.

The proxied paths, the decision endpoints and the in-process router all read it here.
"""

from __future__ import annotations

from plano.catalog.allowance import Allowance
from plano.chat.needs import Needs
from plano.exchange.ports import Aside
from plano.exchange.sessions import Claim, SessionFinder
from plano.routing import capability
from plano.routing.asked import Asked, Reading
from plano.routing.capability import Worth
from plano.routing.inline import InlineRoutes
from plano.routing.reading import read
from plano.routing.route_set import RouteSet
from plano.routing.utterance import Utterance
from plano.wire.dialects import Codec
from plano.wire.splice import Head

ROUTES = "routing_preferences"
LARGE_BYTES = 2 * 1024 * 1024
"""Of a body: reading the words of a larger one may take more than 2 ms, too long for the event loop."""


class Asking:
    """Reads requests for the ladder; remembers the routes that requests bring again and again."""

    def __init__(
        self, inline: InlineRoutes, finder: SessionFinder, *, budget_tokens: int, aside: Aside
    ) -> None:
        """`budget_tokens`: how much of a conversation a router reads."""
        self._aside = aside
        self._inline = inline
        self._finder = finder
        self._budget_tokens = budget_tokens

    def routes(self, head: Head, allowance: Allowance | None = None) -> RouteSet | None:
        """The routes that the request brings; None: it brings none. Raises InvalidRequest."""
        raw = head.raw(ROUTES)
        if raw is None:
            return None
        return self._inline.read(raw, allowance)

    async def asked(
        self,
        head: Head,
        codec: Codec,
        routes: RouteSet | None,
        claim: Claim | None,
        allowance: Allowance | None = None,
    ) -> Asked:
        """Raises InvalidRequest for a conversation that had to be read and cannot be."""
        session = None
        if claim is not None:
            session = await self._finder.find(claim, len(head.body), lambda: codec.conversation(head))
        needs = self._needing(head, codec)
        return Asked(head.model, self._reading(head, codec), routes, session, allowance, needs)

    def _needing(self, head: Head, codec: Codec) -> capability.Reading:
        async def reading(worth: Worth) -> Needs:
            def needs() -> Needs:
                return codec.needs(head, worth.images, worth.tokens)

            return needs() if len(head.body) < LARGE_BYTES else await self._aside(needs)

        return reading

    def _reading(self, head: Head, codec: Codec) -> Reading:
        def words() -> tuple[Utterance, ...]:
            return read(codec.conversation(head), budget_tokens=self._budget_tokens)

        async def reading() -> tuple[Utterance, ...]:
            return words() if len(head.body) < LARGE_BYTES else await self._aside(words)

        return reading
