"""What one configuration has become: a way out, who decides, who answers.

A gateway has one that new requests go to. One that was replaced lives on until its last request has
ended, and then closes what its successors have not taken over.
"""

from __future__ import annotations

import asyncio
import random
import ssl
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING

from plano.catalog.catalog import Catalog
from plano.catalog.gateway_keys import GatewayKey, gateway_keys
from plano.config.load import Configuration
from plano.deciding import Deciding, SessionRecorder
from plano.exchange.exchange import Exchange, Timing
from plano.exchange.ports import Recorder
from plano.exchange.record import ExchangeRecord
from plano.http1.alarms import Alarms
from plano.http1.server import UnderWay
from plano.keys.gate import Gate, SettlingRecorder
from plano.observe.gauges import Gauges
from plano.observe.log_writer import LogWriter
from plano.observe.routing_counts import RoutingCounter
from plano.observe.session_log import AppendedFile, SessionLog
from plano.outward import Outward, trusted
from plano.server.app import App
from plano.server.inference import Sessions
from plano.stores.memory import MemoryStore

if TYPE_CHECKING:
    from plano.keys.counts import Counts
    from plano.keys.sharing import Sharing


def _unheard(count: int) -> None:
    """Nobody counts what is lost."""


class Serving:
    """One configuration at work, on the event loop that runs when it is made; from `start` to `close`."""

    def __init__(
        self,
        configuration: Configuration,
        catalog: Catalog,
        *,
        alarms: Alarms,
        environment: Mapping[str, str] | None,
        context: ssl.SSLContext | None = None,
        before: Serving | None = None,
        lose: Callable[[int], None] = _unheard,
    ) -> None:
        """`context`: what `trusted` made; `before`: the one that this is to replace; `lose` is told how many
        answers had what will not be counted where all workers count."""
        self.configuration = configuration
        self.catalog = catalog
        self.under_way = UnderWay()
        """The requests that this one answers."""
        self._outward = Outward(
            configuration, catalog, alarms=alarms, environment=environment, context=context
        )
        self.deciding: Deciding = Deciding(
            configuration,
            catalog,
            upstreams=self._outward.upstreams,
            alarms=alarms,
            environment=environment,
            context=context,
            before=None if before is None else before.deciding,
        )
        self.session_log = _session_log(configuration, before)
        keys = gateway_keys(configuration, catalog)
        self._sharing = None if keys is None else self._shares(keys, before, lose)
        self._counts: Counts | None = None if before is None else before._counts
        """What keys have had, as soon as there were any: it outlives configurations that have none."""
        self._gate = None if keys is None else self._asks_for(keys)

    def _shares(
        self, keys: Sequence[GatewayKey], before: Serving | None, lose: Callable[[int], None]
    ) -> Sharing | None:
        """Who counts what keys have had together with other workers; None: nobody."""
        cache = self.configuration.routing.session_cache
        if cache.type != "redis" or cache.url is None or not any(key.has_windows for key in keys):
            return None
        if before is not None and before.configuration.routing.session_cache == cache and before._sharing:
            return before._sharing
        from plano.keys.sharing import Sharing  # noqa: PLC0415 - as below, and so does the other
        from plano.stores.redis.windows import RedisWindows  # noqa: PLC0415 - only where Redis is

        windows = RedisWindows.at(cache.url.reveal())
        return Sharing(windows, now=time.monotonic, mark=_new_mark, lose=lose)

    def _asks_for(self, keys: Sequence[GatewayKey]) -> Gate:
        """What keys have had outlives the configuration that let them."""
        prices = self.deciding.board.rates
        for found in self.catalog.models[:1]:
            if any(key.max_usd_per_day is not None for key in keys):
                prices(found.id)  # so that the table is loaded before somebody has spent anything
        from plano.keys.opening import gate_for  # noqa: PLC0415 - loads its library where it is wanted

        gate = gate_for(
            keys,
            counts=self._counts,
            prices=prices,
            now=time.monotonic,
            today=time.time,
            sharing=self._sharing,
        )
        self._counts = gate.counts
        return gate

    @property
    def key_names(self) -> Sequence[str]:
        """Of the keys that let somebody in."""
        return [row.name for row in self.configuration.listener.keys or ()]

    def app(self, recorder: Recorder, is_ready: Callable[[], bool]) -> App:
        """Who answers."""
        settling = recorder if self._gate is None else SettlingRecorder(self._gate, recorder)
        return App(
            catalog=self.catalog,
            exchange=self._exchange(SessionRecorder(self.deciding, settling)),
            gate=self._gate,
            sessions=self._sessions(),
            recorder=recorder,
            is_ready=is_ready,
            affinity=lambda: self.deciding.store.state,
            new_id=new_request_id,
            now=time.monotonic,
            today=time.time,
        )

    def _exchange(self, recorder: Recorder) -> Exchange:
        limits = self.configuration.client_limits
        return Exchange(
            ladder=self.deciding.ladder,
            asking=self.deciding.asking,
            health=self.deciding.health,
            upstreams=self._outward.upstreams,
            recorder=recorder,
            timing=Timing(
                limits.first_byte_s, limits.exchange_s, limits.reply_bytes, limits.first_byte_with_another_s
            ),
            now=time.monotonic,
            today=time.time,
        )

    def _sessions(self) -> Sessions:
        header = self.configuration.routing.session_cache.tenant_header
        return Sessions(
            None if header is None else header.lower().encode("ascii"),
            self.deciding.session_rules.are_implicit,
        )

    # -- what is told of it

    def log_sessions(self, records: Sequence[ExchangeRecord]) -> None:
        if self.session_log is not None:
            self.session_log.take(records)

    def routing_counter(self) -> RoutingCounter:
        """Counts under the names of this configuration."""
        preference = self.deciding.preference
        routes = [route.name for route in preference.routes]
        return RoutingCounter(routers=preference.routers, routes=routes, store=self.deciding.store.name)

    def gauges(self) -> Gauges:
        store = self.deciding.store
        states = self.deciding.board.states
        return Gauges(
            affinity_degraded=int(store.state.status == "degraded"),
            affinity_sessions=len(store) if isinstance(store, MemoryStore) else None,
            quotes_age_s={each.name: each.age_s for each in states if each.age_s is not None},
            candidates_resting=self.deciding.health.resting,
            keys_degraded=int(self._sharing is not None and self._sharing.state.status == "degraded"),
        )

    # -- life

    def load(self) -> None:
        """Load what would hold up the event loop when it was first needed; any thread."""
        self.deciding.load()

    def start(self) -> None:
        self.deciding.start()
        if self._sharing is not None:
            self._sharing.start()

    async def close(self, others: Collection[Serving] = ()) -> None:
        """End everything that none of the `others` uses."""
        sharing = self._sharing
        if sharing is not None and all(other._sharing is not sharing for other in others):
            await sharing.close()
        await self.deciding.close([other.deciding for other in others])
        await self._outward.close()

    def close_log(self, timeout_s: float, others: Collection[Serving] = ()) -> SessionLog | None:
        """Write out the log of sessions, unless one of the `others` goes on with it; blocks. The log that is
        closed now; None: there is none."""
        log = self.session_log
        if log is None or any(other.session_log is log for other in others):
            return None
        log.close(timeout_s)
        return log


async def beforehand(configuration: Configuration, catalog: Catalog) -> ssl.SSLContext | None:
    """What takes too long for a loop that has clients: TLS, made off it. Raises OSError."""
    return await asyncio.get_running_loop().run_in_executor(None, trusted, configuration, catalog)


def _session_log(configuration: Configuration, before: Serving | None) -> SessionLog | None:
    path = configuration.session_log_path
    if path is None:
        return None
    if before is not None and before.configuration.session_log_path == path:
        return before.session_log
    return SessionLog(LogWriter(AppendedFile(path), name="session-log"))


def _new_mark() -> str:
    """64 random bits in hex."""
    return f"{random.getrandbits(64):016x}"


def new_request_id() -> str:
    """128 random bits in hex, as a trace id has them. Not a secret, so the fast generator will do."""
    return f"{random.getrandbits(128):032x}"
