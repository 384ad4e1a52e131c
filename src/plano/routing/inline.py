"""The routes that requests bring, remembered: an agent sends the same ones with every step of its loop."""

from __future__ import annotations

from hashlib import blake2b
from typing import Final

import msgspec

from plano.catalog.allowance import Allowance
from plano.catalog.catalog import Catalog
from plano.catalog.inline import inline_routes, refuse_too_large
from plano.catalog.linking import declared
from plano.routing.route_set import RouteSet

MOST_REMEMBERED: Final = 128
"""Sets of routes, the latest used; with the largest that are accepted, some 30 MB."""


class InlineRoutes:
    """Reads the value of `routing_preferences` in a body; one that was read before is not read again."""

    def __init__(self, catalog: Catalog) -> None:
        self._names = declared(catalog)
        self._remembered: dict[bytes, RouteSet] = {}

    def read(self, raw: msgspec.Raw, allowance: Allowance | None = None) -> RouteSet | None:
        """The routes, linked; None for null, which brings none. Raises InvalidRequest, without names that are
        not in `allowance`; what it leaves of the routes is for whoever chooses one.

        Equal bytes give the same object, so that what was worked out for it need not be again.
        """
        refuse_too_large(raw)
        text = bytes(raw)
        if text == b"null":
            return None
        key = blake2b(text, digest_size=16).digest()
        routes = self._remembered.pop(key, None)
        if routes is None:
            routes = RouteSet(inline_routes(raw, self._names, allowance))
            if len(self._remembered) >= MOST_REMEMBERED:
                del self._remembered[next(iter(self._remembered))]
        self._remembered[key] = routes
        return routes
