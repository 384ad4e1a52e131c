"""Builds the ladder and those it asks; the gateway and the in-process router decide through it.

Everything here lives on the event loop that runs when it is made.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence

from plano.catalog.catalog import Catalog
from plano.catalog.sources import QuoteSources, quote_sources
from plano.chat.dialect import Dialect
from plano.classifiers.embedded.router import EmbeddedRouter
from plano.classifiers.router_model import RouterModel
from plano.config.load import Configuration
from plano.exchange.asking import Asking
from plano.exchange.ports import Upstream
from plano.exchange.record import ExchangeRecord
from plano.http1.alarms import Alarms
from plano.http1.dial import client_context
from plano.http1.pool import Pool
from plano.http1.proxies import Proxies
from plano.quotes.board import Board
from plano.quotes.fetch import PoolFetch
from plano.routing.decision import Candidate, Decision
from plano.routing.inline import InlineRoutes
from plano.routing.ports import RouteClassifier
from plano.routing.preference import Preference
from plano.routing.question import Questions, wording_for
from plano.routing.route_set import RouteSet
from plano.routing.router import Ladder
from plano.wire.dialects import Codec
from plano.wire.splice import Head


class Deciding:
    """The ladder, and what it asks, from `start` to `close`."""

    def __init__(
        self,
        configuration: Configuration,
        catalog: Catalog,
        *,
        upstreams: Mapping[str, Upstream],
        alarms: Alarms,
        environment: Mapping[str, str] | None,
    ) -> None:
        """`upstreams` by the scheme of the endpoint, for a served router model; `environment`: where proxy
        variables are read for sources of prices and latencies, None: no proxies."""
        self._routes = RouteSet(catalog.routes)
        self._configuration = configuration
        self._catalog = catalog
        sources = quote_sources(configuration, catalog)
        self._sources_pool = _sources_pool(configuration, sources, alarms, environment)
        self.board = Board(catalog, sources, fetch=PoolFetch(self._sources_pool))
        self._embedded = EmbeddedRouter(threshold=configuration.routing.embedded_threshold)
        self._classifiers = self._asked_in_turn(upstreams)
        self.preference = Preference(
            routes=self._routes,
            classifiers=self._classifiers,
            quotes=self.board,
            timeout_s=configuration.routing.decision_timeout_ms / 1000.0,
            now=time.monotonic,
        )
        self.ladder = Ladder(
            catalog,
            self.preference,
            route_explicit_models=configuration.routing.route_explicit_models,
            now=time.monotonic,
        )
        self.asking = Asking(
            InlineRoutes(catalog), budget_tokens=configuration.overrides.orchestrator_model_context_length
        )

    def _asked_in_turn(self, upstreams: Mapping[str, Upstream]) -> tuple[RouteClassifier, ...]:
        found = self._catalog.router_model
        if found is None:
            return (self._embedded,)
        budget_tokens = self._configuration.overrides.orchestrator_model_context_length
        form = wording_for(found.upstream_model, self._configuration.router_prompt)
        served = RouterModel(
            Candidate.of(found),
            upstreams[found.model.endpoints[Dialect.OPENAI_CHAT].scheme],
            Questions(form, budget_tokens=budget_tokens),
            now=time.monotonic,
        )
        if self._configuration.routing.fallback_router == "none":
            return (served,)
        return (served, self._embedded)

    def start(self) -> None:
        """Begin to load what answers, and to ask for prices; waits for neither."""
        self.board.start(asyncio.get_running_loop())
        if self._routes and self._embedded in self._classifiers:
            self._embedded.warm(self._routes)

    async def refresh(self, *, within_s: float) -> None:
        """Wait for prices and latencies once: for who asks a question or two and goes."""
        await self.board.refresh(within_s=within_s)

    def take(self, records: Sequence[ExchangeRecord]) -> None:
        """Learn from finished exchanges how long models take."""
        for record in records:
            self.board.observe(record)

    async def decide(self, head: Head, codec: Codec) -> Decision:
        """The decision for a request. Raises PlanoError."""
        routes = self.asking.routes(head)
        return await self.ladder.decide(self.asking.asked(head, codec, routes))

    async def close(self) -> None:
        self._embedded.close()
        await self.board.close()
        await self._sources_pool.close()


def _sources_pool(
    configuration: Configuration,
    sources: QuoteSources,
    alarms: Alarms,
    environment: Mapping[str, str] | None,
) -> Pool:
    ca_path = configuration.upstream_ca_path
    context = client_context(ca_path) if sources.needs_tls else None
    return Pool(
        asyncio.get_running_loop(),
        configuration.client_limits,
        alarms,
        tls=lambda: context or client_context(ca_path),
        proxies=Proxies.read(environment or {}),
    )
