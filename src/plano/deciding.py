"""Builds the ladder and those it asks; the gateway and the in-process router decide through it.

Everything here lives on the event loop that runs when it is made.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import TYPE_CHECKING, TypeVar

from plano.catalog.catalog import Catalog
from plano.catalog.names import ModelId
from plano.catalog.sources import QuoteSources, quote_sources
from plano.chat.dialect import Dialect
from plano.chat.usage import Usage
from plano.classifiers.embedded.router import EmbeddedRouter
from plano.classifiers.router_model import RouterModel
from plano.config.load import Configuration
from plano.config.schema import RoutingBudget
from plano.exchange.asking import Asking
from plano.exchange.ports import Upstream
from plano.exchange.record import ExchangeRecord
from plano.exchange.sessions import Claim, SessionFinder, SessionRules
from plano.http1.alarms import Alarms
from plano.http1.dial import client_context
from plano.http1.pool import Pool
from plano.http1.proxies import Proxies
from plano.quotes.board import Board
from plano.quotes.fetch import PoolFetch
from plano.routing.budget import Answered, Budget
from plano.routing.decision import Candidate, Decision
from plano.routing.health import Health
from plano.routing.inline import InlineRoutes
from plano.routing.ports import RouteClassifier
from plano.routing.preference import Preference
from plano.routing.question import Questions, wording_for
from plano.routing.route_set import RouteSet
from plano.routing.router import Ladder
from plano.routing.sessions import Sessions
from plano.stores.memory import MemoryStore
from plano.wire.dialects import Codec
from plano.wire.splice import Head

if TYPE_CHECKING:
    from plano.stores.redis.store import RedisStore


T = TypeVar("T")
MOST_WRITING = 256
"""What is written at the same time. Each takes 50 ms at most; more would wait for a Redis too slow."""


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
        self.board = Board(
            catalog,
            sources,
            fetch=PoolFetch(self._sources_pool),
            prices_sessions=configuration.routing.routing_budget is not None,
        )
        self._embedded = EmbeddedRouter(threshold=configuration.routing.embedded_threshold)
        self._classifiers = self._asked_in_turn(upstreams)
        self.preference = Preference(
            routes=self._routes,
            classifiers=self._classifiers,
            quotes=self.board,
            timeout_s=configuration.routing.decision_timeout_ms / 1000.0,
            now=time.monotonic,
        )
        self.health = Health(time.monotonic)
        self.store = _store(configuration)
        self._sessions = Sessions(
            self.store,
            catalog,
            self._routes,
            rates=self.board,
            is_resting=self.health.is_resting,
            now=time.monotonic,
            today=time.time,
        )
        self._writing: set[asyncio.Task[None]] = set()
        self.ladder = Ladder(
            catalog,
            self.preference,
            sessions=self._sessions,
            route_explicit_models=configuration.routing.route_explicit_models,
            now=time.monotonic,
        )
        self.session_rules = _session_rules(configuration)
        self.asking = Asking(
            InlineRoutes(catalog),
            SessionFinder(self.session_rules, aside=_aside),
            budget_tokens=configuration.overrides.orchestrator_model_context_length,
            aside=_aside,
        )
        self._connecting: asyncio.Task[None] | None = None

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

    def load(self) -> None:
        """Load what decides, if there are routes, and wait for it: nothing else can run meanwhile."""
        if self._reads_routes():
            self._embedded.load()

    def start(self) -> None:
        """Begin to read the routes, and to ask for prices; waits for neither."""
        loop = asyncio.get_running_loop()
        self.board.start(loop)
        if not isinstance(self.store, MemoryStore):
            self._connecting = loop.create_task(self.store.start(), name="affinity: connecting")
        if self._reads_routes():
            self._embedded.warm(self._routes)

    def _reads_routes(self) -> bool:
        return bool(self._routes) and self._embedded in self._classifiers

    async def refresh(self, *, within_s: float) -> None:
        """Wait for prices and latencies once: for who asks a question or two and goes."""
        await self.board.refresh(within_s=within_s)

    def take(self, records: Sequence[ExchangeRecord]) -> None:
        """Learn from finished exchanges how long models take, and what sessions have spent."""
        for record in records:
            self.board.observe(record)
            if record.session is not None and record.status == 200 and record.chosen is not None:
                self._note_session(record, record.session, record.chosen)

    def _note_session(self, record: ExchangeRecord, key: str, chosen: ModelId) -> None:
        """What a session has spent, and whether another model than its own has answered."""
        if record.account is not None:
            usage = record.usage or Usage()
            answered = Answered(
                chosen,
                record.account.at,
                record.bytes_in,
                usage.input_tokens,
                usage.cache_read_tokens,
                usage.cache_creation_tokens,
            )
            self._write(self._sessions.answered(record.account, answered, record.route))
        elif record.attempts > 1:
            self._write(self._sessions.moved(key, chosen, record.route))

    def _write(self, work: Coroutine[None, None, None]) -> None:
        """Unless so many are under way that the store must be in trouble."""
        if len(self._writing) >= MOST_WRITING:
            work.close()
            return
        task = asyncio.get_running_loop().create_task(work, name="affinity: writing")
        self._writing.add(task)
        task.add_done_callback(self._writing.discard)

    async def decide(self, head: Head, codec: Codec, claim: Claim | None) -> Decision:
        """The decision for a request. Raises PlanoError."""
        routes = self.asking.routes(head)
        return await self.ladder.decide(await self.asking.asked(head, codec, routes, claim))

    async def close(self) -> None:
        self._embedded.close()
        for task in self._writing:
            task.cancel()
        if not isinstance(self.store, MemoryStore):
            if self._connecting is not None:
                self._connecting.cancel()
                await asyncio.wait([self._connecting])
            await self.store.close()
        await self.board.close()
        await self._sources_pool.close()


def _store(configuration: Configuration) -> MemoryStore | RedisStore:
    routing = configuration.routing
    cache = routing.session_cache
    if cache.type == "redis" and cache.url is not None:
        from plano.stores.redis.store import RedisStore  # noqa: PLC0415 - its client only where it is wanted

        return RedisStore.at(cache.url.reveal())
    return MemoryStore(routing.session_max_entries)


def _session_rules(configuration: Configuration) -> SessionRules:
    routing, caching = configuration.routing, configuration.prompt_caching
    return SessionRules(
        ttl_s=float(routing.session_ttl_seconds),
        by_user_turn=routing.route_on_user_only,
        implicit_stays=caching.enabled and caching.session_affinity,
        implicit_ttl_s=None if caching.session_ttl_seconds is None else float(caching.session_ttl_seconds),
        are_logged=routing.session_log is not None,
        records_counterfactual=(
            routing.routing_budget is not None and routing.routing_budget.record_counterfactual
        ),
        budget=_budget(routing.routing_budget),
    )


def _budget(written: RoutingBudget | None) -> Budget | None:
    if written is None:
        return None
    return Budget(
        float(written.max_switch_spend_pct), float(written.cache_read_discount), written.replenish_on_rebind
    )


async def _aside(work: Callable[[], T], /) -> T:
    return await asyncio.get_running_loop().run_in_executor(None, work)


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
