"""The composition root: configuration in, running objects out. Nothing else constructs an adapter.

Start: alarms, recording, pools, exchange, listeners; ready when the listeners listen. Stop in
the opposite order: readiness off, every answer announces its connection's end, idle connections
close after a grace in which clients learn of it, what still runs at the drain limit is ended
with an error its client can read.
"""

from __future__ import annotations

import asyncio
import random
import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal

from plano.catalog.catalog import Catalog
from plano.config.load import Configuration
from plano.deciding import Deciding
from plano.exchange.exchange import Exchange, Timing
from plano.http1.alarms import Alarms
from plano.http1.limits import ServerLimits
from plano.http1.server import Server
from plano.observe.access_log import AccessLog, LogFormat
from plano.observe.gauges import Gauges
from plano.observe.log_writer import DescriptorOutput, LogWriter
from plano.observe.metrics import Metrics, Snapshot
from plano.observe.recording import InFlight, Recording
from plano.observe.routing_counts import RoutingCounter
from plano.observe.session_log import AppendedFile, SessionLog
from plano.outward import Outward
from plano.routing.affinity import StoreState
from plano.routing.ports import AffinityStore
from plano.server.admin import Admin, Render
from plano.server.app import App
from plano.server.inference import Sessions
from plano.stores.memory import MemoryStore

event_loop: Callable[[], asyncio.AbstractEventLoop]
"""uvloop's where it is installed, else the standard one: it is faster, and nothing depends on it."""
try:
    import uvloop
except ImportError:
    event_loop = asyncio.new_event_loop
else:
    event_loop = uvloop.new_event_loop

BACKLOG = 2048
"""Connections the kernel keeps while we are busy; Linux cuts it to net.core.somaxconn."""
LAST_WORDS_S = 2.5
"""What ended answers have for their last bytes to be read."""
ADMIN_LIMITS = ServerLimits(max_connections=32, body_bytes=4096)
"""For a scraper, a probe and a person or two; nothing they send has a body."""


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line adds to the configuration."""

    log_format: LogFormat = "json"
    log_descriptor: int = 1
    environment: Mapping[str, str] | None = None
    """Where proxy variables are read; None: no proxies."""
    most_connections: int | None = None
    """What the descriptor limit allows; None: whatever is configured."""


class Gateway:
    """A running worker: one listener, its pools, its recording."""

    def __init__(self, configuration: Configuration, catalog: Catalog, options: Options) -> None:
        self._loop = asyncio.get_running_loop()
        self._configuration = configuration
        self.state: Literal["starting", "ready", "draining", "stopped"] = "starting"
        self._alarms = Alarms(self._loop)
        self.in_flight = InFlight()
        self._outward = Outward(configuration, catalog, alarms=self._alarms, environment=options.environment)
        self._deciding = Deciding(
            configuration,
            catalog,
            upstreams=self._outward.upstreams,
            alarms=self._alarms,
            environment=options.environment,
        )
        self._session_logs = _session_logs(configuration)
        self.recording = self._recording(catalog, options)
        self.limits = _within(options.most_connections, configuration.server_limits)
        self.server = self._server(catalog, self._exchange())
        self._listener: asyncio.Server | None = None

    # -- construction

    def _recording(self, catalog: Catalog, options: Options) -> Recording:
        writer = LogWriter(DescriptorOutput(options.log_descriptor))
        return Recording(
            access_log=AccessLog(writer, options.log_format),
            metrics=Metrics((model.id for model in catalog.models), _routing_counter(self._deciding)),
            in_flight=self.in_flight,
            call_later=self._loop.call_later,
            others=(self._deciding, *self._session_logs),
            gauges=partial(_gauges, self._deciding),
        )

    def _exchange(self) -> Exchange:
        limits = self._configuration.client_limits
        return Exchange(
            ladder=self._deciding.ladder,
            asking=self._deciding.asking,
            health=self._deciding.health,
            upstreams=self._outward.upstreams,
            recorder=self.recording,
            timing=Timing(
                limits.first_byte_s, limits.exchange_s, limits.reply_bytes, limits.first_byte_with_another_s
            ),
            now=time.monotonic,
            today=time.time,
        )

    def _sessions(self) -> Sessions:
        header = self._configuration.routing.session_cache.tenant_header
        return Sessions(
            None if header is None else header.lower().encode("ascii"),
            self._deciding.session_rules.are_implicit,
        )

    def _server(self, catalog: Catalog, exchange: Exchange) -> Server:
        app = App(
            catalog=catalog,
            exchange=exchange,
            sessions=self._sessions(),
            recorder=self.recording,
            is_ready=self.is_ready,
            affinity=lambda: self.affinity,
            new_id=new_request_id,
            now=time.monotonic,
            today=time.time,
        )
        return Server(
            app.handle,
            refuse=app.refuse,
            defect=app.defect,
            limits=self.limits,
            in_flight=self.in_flight,
            alarms=self._alarms,
            loop=self._loop,
        )

    # -- life

    def is_ready(self) -> bool:
        return self.state == "ready"

    @property
    def store(self) -> AffinityStore:
        """Where sessions' pins are kept."""
        return self._deciding.store

    @property
    def affinity(self) -> StoreState:
        """How the store of pins is doing."""
        return self._deciding.store.state

    def load(self) -> None:
        """Load now what would hold up the event loop when it was first needed. For who serves at once."""
        self._deciding.load()

    async def listen(self, listening: socket.socket) -> None:
        """Serve what connects to `listening`, a bound socket; ready from then on."""
        self._listener = await self._loop.create_server(self.server.protocol, sock=listening, backlog=BACKLOG)
        self._deciding.start()
        self.state = "ready"

    async def stop(self, *, grace_s: float | None = None, hurry: asyncio.Event | None = None) -> int:
        """Drain and end; how many answers had to be cut short.

        For `grace_s` (the limits' `drain_idle_s`) clients are served as before and told to go: those with
        an idle connection, and those that still come because nobody has told them of another address.
        What is being answered has until `drain_s`, or until `hurry` is set, whatever is first.
        """
        if self.state == "stopped":
            return 0
        self.state = "draining"
        limits = self.limits
        hurry = hurry or asyncio.Event()
        deadline = self._loop.time() + limits.drain_s
        self.server.drain()
        grace_s = limits.drain_idle_s if grace_s is None else grace_s
        await _first((hurry,), min(grace_s, limits.drain_s))
        if self._listener is not None:
            self._listener.close()
        self.server.close_idle()
        await _first((self.server.idle, hurry), deadline - self._loop.time())
        cut_short = self.in_flight.count
        self.server.cancel_active()
        await _first((self.server.idle,), LAST_WORDS_S)
        self.server.abort()
        await self._deciding.close()
        await self._outward.close()
        self.recording.close()
        for log in self._session_logs:
            log.close(LAST_WORDS_S)
        self._alarms.close()
        self.state = "stopped"
        return cut_short


class AdminListener:
    """Metrics and health on a listener of their own, for one worker or for the process that has several."""

    def __init__(self, *, render: Render, is_ready: Callable[[], bool]) -> None:
        self._loop = asyncio.get_running_loop()
        self._alarms = Alarms(self._loop)
        admin = Admin(render=render, is_ready=is_ready, new_id=new_request_id)
        self._server = Server(
            admin.handle,
            refuse=admin.refuse,
            defect=admin.defect,
            limits=ADMIN_LIMITS,
            in_flight=InFlight(),
            alarms=self._alarms,
            loop=self._loop,
        )
        self._listener: asyncio.Server | None = None

    async def listen(self, listening: socket.socket) -> None:
        self._listener = await self._loop.create_server(self._server.protocol, sock=listening, backlog=16)

    def stop(self) -> None:
        if self._listener is not None:
            self._listener.close()
        self._server.abort()
        self._alarms.close()


async def render(snapshot: Snapshot, accept: str) -> tuple[str, bytes]:
    """A scrape's answer, made off the loop: the exposition library takes its time to load."""
    return await asyncio.get_running_loop().run_in_executor(None, _rendered, snapshot, accept)


def _rendered(snapshot: Snapshot, accept: str) -> tuple[str, bytes]:
    from plano.observe import exposition  # noqa: PLC0415 - loads a library no start should wait for

    return exposition.render(snapshot, accept)


def _routing_counter(deciding: Deciding) -> RoutingCounter:
    preference = deciding.preference
    routes = [route.name for route in preference.routes]
    return RoutingCounter(routers=preference.routers, routes=routes, store=deciding.store.name)


def _gauges(deciding: Deciding) -> Gauges:
    store = deciding.store
    return Gauges(
        affinity_degraded=int(store.state.status == "degraded"),
        affinity_sessions=len(store) if isinstance(store, MemoryStore) else None,
        quotes_age_s={each.name: each.age_s for each in deciding.board.states if each.age_s is not None},
    )


def _session_logs(configuration: Configuration) -> tuple[SessionLog, ...]:
    path = configuration.session_log_path
    return () if path is None else (SessionLog(LogWriter(AppendedFile(path), name="session-log")),)


async def _first(events: tuple[asyncio.Event, ...], timeout_s: float) -> None:
    """Wait for any of the events, no longer than `timeout_s`."""
    waits = [asyncio.ensure_future(event.wait()) for event in events]
    try:
        await asyncio.wait(waits, timeout=max(timeout_s, 0.0), return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()


def new_request_id() -> str:
    """128 random bits in hex, as a trace id has them. Not a secret, so the fast generator will do."""
    return f"{random.getrandbits(128):032x}"


def _within(most_connections: int | None, limits: ServerLimits) -> ServerLimits:
    if most_connections is None or limits.max_connections <= most_connections:
        return limits
    return replace(limits, max_connections=most_connections)


def bind(host: str, port: int) -> socket.socket:
    """A TCP socket on which connections can wait already. Raises OSError as the system says it."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
        listening.listen(BACKLOG)
        listening.setblocking(False)
    except OSError:
        listening.close()
        raise
    return listening
