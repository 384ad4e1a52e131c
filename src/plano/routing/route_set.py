"""The routes that compete for one conversation: configured ones, or those a request brings."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from hashlib import blake2b

from plano.catalog.catalog import Route
from plano.catalog.names import RouteName


class RouteSet:
    """Routes in their declared order; names are unique. Immutable."""

    def __init__(self, routes: Sequence[Route]) -> None:
        self.routes = tuple(routes)
        self._by_name = {route.name: route for route in self.routes}

    def __iter__(self) -> Iterator[Route]:
        return iter(self.routes)

    def __len__(self) -> int:
        return len(self.routes)

    def named(self, name: str) -> Route | None:
        """The route of exactly this name."""
        return self._by_name.get(RouteName(name))

    @cached_property
    def key(self) -> bytes:
        """A digest of everything a router may look at: equal for equal words, whatever models are wanted."""
        digest = blake2b(digest_size=16)
        for route in self.routes:
            for text in (route.name, route.description, *route.examples):
                encoded = text.encode("utf-8", "surrogatepass")
                digest.update(b"%d:%b" % (len(encoded), encoded))
            digest.update(b";")
        return digest.digest()
