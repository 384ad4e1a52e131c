"""Routes without models: what a router looks at."""

from __future__ import annotations

from plano.catalog.catalog import Route
from plano.catalog.names import RouteName
from plano.routing.route_set import RouteSet


def routes_of(*described: tuple[str, str]) -> RouteSet:
    """Routes by name and description."""
    return RouteSet([Route(RouteName(name), description, ()) for name, description in described])
