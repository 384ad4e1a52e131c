"""Builds the ladder and those it asks; the gateway and the in-process router decide through it.

One that replaces another takes over what it would have made in the same way (`lasting.py`).

Everything here lives on the event loop that runs when it is made.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Callable, Collection, Coroutine, Mapping, Sequence
from typing import TYPE_CHECKING, TypeVar

from plano.catalog.catalog import Catalog
from plano.catalog.known_capabilities import KnownCapabilities
from plano.catalog.names import ModelId
from plano.catalog.sources import QuoteSources, quote_sources
from plano.chat.dialect import Dialect
from plano.chat.usage import Usage
from plano.classifiers.router_model import RouterModel
from plano.config.load import Configuration
from plano.config.schema import RoutingBudget
from plano.exchange.asking import Asking
from plano.exchange.ports import Recorder, Upstream
from plano.exchange.record import ExchangeRecord
from plano.exchange.sessions import Claim, SessionFinder, SessionRules
from plano.http1.alarms import Alarms
from plano.http1.dial import client_context
from plano.http1.pool import Pool
from plano.http1.proxies import Proxies
from plano.lasting import Lasting, Pins, Quoting, Reading
from plano.observe.batches import take_each
from plano.quotes.board import Board
from plano.quotes.fetch import PoolFetch
from plano.routing.budget import Answered, Budget
from plano.routing.capability import Preflight
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

LAST_WRITES_S = 1.0
"""What is being written when a configuration has done its work, and the gateway goes on."""


class SessionRecorder:
    """Records, and has written what an answer means for its session: at once, for an agent's next request
    comes sooner than a batch of records is full."""

    def __init__(self, deciding: Deciding, recorder: Recorder) -> None:
        self._deciding = deciding
        self._recorder = recorder

    def record(self, record: ExchangeRecord) -> None:
        if record.session is not None and record.status == 200 and record.chosen is not None:
            self._deciding.note_session(record, record.session, record.chosen)
        self._recorder.record(record)


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
        context: ssl.SSLContext | None = None,
        before: Deciding | None = None,
    ) -> None:
        """`upstreams` by the scheme of the endpoint, for a served router model; `environment`: where proxy
        variables are read for sources of prices and latencies, None: no proxies; `context`: TLS for those
        sources, None: made here if they need it; `before`: whom this one replaces."""
        self._routes = RouteSet(catalog.routes)
        self._configuration = configuration
        self._catalog = catalog
        self.lasting = Lasting(
            self._pins(before),
            self._quoting(before, alarms, environment, context),
            self._reading(before),
            self._health(before),
        )
        self.board = self.lasting.quoting.board
        self._embedded = self.lasting.reading.router
        self._classifiers = self._asked_in_turn(upstreams)
        self.preference = Preference(
            routes=self._routes,
            classifiers=self._classifiers,
            quotes=self.board,
            timeout_s=configuration.routing.decision_timeout_ms / 1000.0,
            now=time.monotonic,
        )
        self.health = self.lasting.health
        self.store = self.lasting.pins.store
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
        self._capabilities = KnownCapabilities()
        self.ladder = Ladder(
            catalog,
            self.preference,
            sessions=self._sessions,
            preflight=Preflight(self._capabilities.of),
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

    # -- what lasts

    def _pins(self, before: Deciding | None) -> Pins:
        if before is not None and _pinned_in(before._configuration) == _pinned_in(self._configuration):
            return before.lasting.pins
        return Pins(_store(self._configuration))

    def _quoting(
        self,
        before: Deciding | None,
        alarms: Alarms,
        environment: Mapping[str, str] | None,
        context: ssl.SSLContext | None,
    ) -> Quoting:
        configuration = self._configuration
        if before is not None and _quoted_from(before._configuration) == _quoted_from(configuration):
            return before.lasting.quoting
        sources = quote_sources(configuration, self._catalog)
        pool = _sources_pool(configuration, sources, alarms, environment, context)
        board = Board(
            self._catalog,
            sources,
            fetch=PoolFetch(pool),
            prices_sessions=configuration.routing.routing_budget is not None,
        )
        return Quoting(board, pool)

    def _reading(self, before: Deciding | None) -> Reading:
        threshold = self._configuration.routing.embedded_threshold
        if before is None:
            return Reading(threshold)
        if before._configuration.routing.embedded_threshold == threshold:
            return before.lasting.reading
        return Reading(threshold, before.lasting.reading.load_encoder)

    def _health(self, before: Deciding | None) -> Health:
        """Unless entries were edited: who has mended one wants it tried."""
        if before is not None and before._configuration.providers == self._configuration.providers:
            return before.health
        return Health(time.monotonic)

    # -- who is asked

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
        if self._catalog.has_alternatives:
            self._capabilities.load()
        if self._reads_routes():
            self._embedded.load()

    def start(self) -> None:
        """Begin to read the routes, and to ask for prices; waits for neither."""
        for part in self.lasting.parts:
            part.start()
        if self._reads_routes():
            self._embedded.warm(self._routes)

    def _reads_routes(self) -> bool:
        return bool(self._routes) and self._embedded in self._classifiers

    async def refresh(self, *, within_s: float) -> None:
        """Wait for prices and latencies once: for who asks a question or two and goes."""
        await self.board.refresh(within_s=within_s)

    def take(self, records: Sequence[ExchangeRecord]) -> None:
        """Learn from finished exchanges how long models take. Raises as `take_each` does."""
        take_each(records, self.board.observe)

    def note_session(self, record: ExchangeRecord, key: str, chosen: ModelId) -> None:
        """Write what a session has spent, or that another model than its own has answered."""
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

    async def close(self, others: Collection[Deciding] = ()) -> None:
        """End what is under way, and close every part that none of the `others` uses."""
        if others and self._writing:
            await asyncio.wait(self._writing, timeout=LAST_WRITES_S)
        for task in self._writing:
            task.cancel()
        kept = {id(part) for other in others for part in other.lasting.parts}
        for part in reversed(self.lasting.parts):
            if id(part) not in kept:
                await part.close()


def _pinned_in(configuration: Configuration) -> tuple[object, ...]:
    """Everything that says where pins are kept."""
    return configuration.routing.session_cache, configuration.routing.session_max_entries


def _quoted_from(configuration: Configuration) -> tuple[object, ...]:
    """Everything that says whose prices and latencies are known, and where they are asked for."""
    return (
        configuration.metrics_sources,
        configuration.providers,
        configuration.aliases,
        configuration.routes,
        configuration.routing.routing_budget,
        configuration.client_limits,
        configuration.upstream_ca_path,
    )


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
    context: ssl.SSLContext | None,
) -> Pool:
    ca_path = configuration.upstream_ca_path
    if context is None and sources.needs_tls:
        context = client_context(ca_path)
    return Pool(
        asyncio.get_running_loop(),
        configuration.client_limits,
        alarms,
        tls=lambda: context or client_context(ca_path),
        proxies=Proxies.read(environment or {}),
    )
