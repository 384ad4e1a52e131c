"""The composition root: configuration in, running objects out. Nothing else constructs an adapter.

Start: alarms, recording, pools, exchange, listeners; ready when the listeners listen. Stop in
the opposite order: readiness off, every answer announces its connection's end, idle connections
close after a grace in which clients learn of it, what still runs at the drain limit is ended
with an error its client can read. In between another configuration may take over (`reload`).
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import msgspec

from plano.catalog.catalog import Catalog
from plano.config.load import Configuration
from plano.exchange.record import ExchangeRecord
from plano.http1.alarms import Alarms
from plano.http1.limits import ServerLimits
from plano.http1.server import Face, Server
from plano.observe.access_log import AccessLog, LogFormat
from plano.observe.gauges import Gauges
from plano.observe.log_writer import DescriptorOutput, LogWriter
from plano.observe.memory import MemoryLimit
from plano.observe.metrics import Metrics, Snapshot
from plano.observe.recording import InFlight, Recording
from plano.observe.session_log import SessionLog
from plano.observe.upkeep import Upkeep
from plano.observe.watchdog import Watchdog
from plano.routing.affinity import StoreState
from plano.routing.ports import AffinityStore
from plano.server.admin import Admin, Render
from plano.server.app import App
from plano.serving import Serving, beforehand, new_request_id

_log = logging.getLogger(__name__)
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
UNSENT_BYTES = 128 * 1024
"""What the kernel takes for a connection beyond what is on its way. Without it, Linux takes 2.5 MiB of a
stream that nobody reads: as much as a fast client might need."""
LAST_WORDS_S = 2.5
"""What ended answers have for their last bytes to be read."""
LOOK_EVERY_S = 1.0
"""How old what is known of the memory may be; bodies that come in meanwhile have a limit of their own."""
SHEDDING = "larger requests are turned away with 503 until there is more (memory_percent)"
ACCEPTED_S = 0.05
"""What a connection that was accepted as the port was closed has to be known of."""
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
    memory: MemoryLimit | None = None
    """What there is of it; None: without a limit."""


class Gateway:
    """A running worker: one listener, its recording, and the configuration that serves."""

    def __init__(self, configuration: Configuration, catalog: Catalog, options: Options) -> None:
        self._loop = asyncio.get_running_loop()
        self._options = options
        self.state: Literal["starting", "ready", "draining", "stopped"] = "starting"
        self._alarms = Alarms(self._loop)
        self.in_flight = InFlight()
        self._session_logs: list[SessionLog] = []
        self._session_lines_dropped = 0
        """By logs that are closed."""
        self._key_answers_untold = 0
        self._serving = Serving(
            configuration,
            catalog,
            alarms=self._alarms,
            environment=options.environment,
            lose=self._lose_key_answers,
        )
        self._replaced: dict[Serving, asyncio.Task[None]] = {}
        """Those whose requests have not all ended, each with who waits for that."""
        self._metrics = Metrics(
            (model.id for model in catalog.models), self._serving.routing_counter(), self._serving.key_names
        )
        self._opened(self._serving.session_log)
        self.recording = self._recording(options)
        self.limits = _within(options.most_connections, configuration.server_limits)
        app = self._serving.app(self.recording, self.is_ready)
        self.server = Server(
            _face(app),
            limits=self.limits,
            in_flight=self.in_flight,
            alarms=self._alarms,
            loop=self._loop,
            under_way=self._serving.under_way,
        )
        self._listener: asyncio.Server | None = None
        self._watchdog = Watchdog()
        self._looking: asyncio.Task[None] | None = None

    def _recording(self, options: Options) -> Recording:
        writer = LogWriter(DescriptorOutput(options.log_descriptor))
        return Recording(
            access_log=AccessLog(writer, options.log_format),
            metrics=self._metrics,
            in_flight=self.in_flight,
            call_later=self._loop.call_later,
            others=(_Told(self._learn), _Told(self._log_sessions)),
            gauges=self._gauges,
            upkeep=self._upkeep,
        )

    # -- told to whoever serves at that moment

    def _learn(self, records: Sequence[ExchangeRecord]) -> None:
        self._serving.deciding.take(records)

    def _log_sessions(self, records: Sequence[ExchangeRecord]) -> None:
        self._serving.log_sessions(records)

    def _gauges(self) -> Gauges:
        longest_s = self._watchdog.longest_s
        return msgspec.structs.replace(self._serving.gauges(), loop_blocked_longest_s=longest_s)

    def _upkeep(self) -> Upkeep:
        dropped = self._session_lines_dropped + sum(log.dropped for log in self._session_logs)
        return Upkeep(
            loop_blocked=self._watchdog.blocked,
            session_lines_dropped=dropped,
            key_answers_untold=self._key_answers_untold,
        )

    def _lose_key_answers(self, count: int) -> None:
        self._key_answers_untold += count

    def _opened(self, log: SessionLog | None) -> None:
        if log is not None and log not in self._session_logs:
            self._session_logs.append(log)

    def _closed(self, log: SessionLog | None) -> None:
        if log is not None:
            self._session_logs.remove(log)
            self._session_lines_dropped += log.dropped

    # -- life

    def is_ready(self) -> bool:
        return self.state == "ready"

    @property
    def store(self) -> AffinityStore:
        """Where sessions' pins are kept."""
        return self._serving.deciding.store

    @property
    def affinity(self) -> StoreState:
        """How the store of pins is doing."""
        return self.store.state

    @property
    def replaced(self) -> int:
        """Configurations that were replaced and still have requests."""
        return len(self._replaced)

    def load(self) -> None:
        """Load now what would hold up the event loop when it was first needed. For who serves at once."""
        self._serving.load()

    async def listen(self, listening: socket.socket) -> None:
        """Serve what connects to `listening`, a bound socket; ready from then on."""
        self._listener = await self._loop.create_server(self.server.protocol, sock=listening, backlog=BACKLOG)
        self._serving.start()
        self._watchdog.start()
        if self._options.memory is not None:
            self._looking = self._loop.create_task(self._look_at(self._options.memory), name="memory")
        self.state = "ready"

    async def reload(self, configuration: Configuration, catalog: Catalog) -> None:
        """Give every further request to another configuration; one at a time.

        What is under way stays with the one it has, counts and connections of clients stay. Raises OSError
        where a file that it names cannot be read; then nothing has changed.
        """
        before, environment = self._serving, self._options.environment
        context = await beforehand(configuration, catalog)
        serving = Serving(
            configuration,
            catalog,
            alarms=self._alarms,
            environment=environment,
            context=context,
            before=before,
            lose=self._lose_key_answers,
        )
        await self._loop.run_in_executor(None, serving.load)
        if self.state != "ready":
            others = [before, *self._replaced]
            await serving.close(others)
            serving.close_log(LAST_WORDS_S, others)
            return
        serving.start()
        self._swap(serving)
        self._replaced[before] = self._loop.create_task(self._outlive(before), name="replaced configuration")

    def _swap(self, serving: Serving) -> None:
        """One step: nothing runs between."""
        self.recording.flush()  # what has ended is told to whom it ended with
        self._serving = serving
        self._opened(serving.session_log)
        self.limits = _within(self._options.most_connections, serving.configuration.server_limits)
        self._metrics.configure(
            (model.id for model in serving.catalog.models), serving.routing_counter(), serving.key_names
        )
        app = serving.app(self.recording, self.is_ready)
        self.server.replace(_face(app), limits=self.limits, under_way=serving.under_way)

    async def _outlive(self, serving: Serving) -> None:
        """Close a replaced configuration once its last request has ended."""
        await serving.under_way.none.wait()
        del self._replaced[serving]
        others = [self._serving, *self._replaced]
        await serving.close(others)
        self._closed(await self._loop.run_in_executor(None, serving.close_log, LAST_WORDS_S, others))

    async def _look_at(self, memory: MemoryLimit) -> None:
        """Shed larger bodies while memory is short."""
        while True:
            used = await self._loop.run_in_executor(None, memory.percent_used)
            is_short = self.limits.memory_percent < 100 and used >= self.limits.memory_percent
            if is_short and not self.server.is_short_of_memory:
                _log.warning(
                    "%.0f %% of %d bytes of memory are in use: %s", used, memory.limit_bytes, SHEDDING
                )
            self.server.is_short_of_memory = is_short
            await asyncio.sleep(LOOK_EVERY_S)

    def begin_drain(self) -> None:
        """From now on it is not ready, and every answer says so."""
        self.state = "draining"
        self.server.drain()

    async def stop(
        self,
        *,
        grace_s: float | None = None,
        hurry: asyncio.Event | None = None,
        others_accept: bool = False,
    ) -> int:
        """Drain and end; how many answers had to be cut short.

        For `grace_s` (the limits' `drain_idle_s`) clients are served as before and told to go: those with
        an idle connection, and those that still come because nobody has told them of another address.
        What is being answered has until `drain_s`, or until `hurry` is set, whatever is first. Where
        `others_accept` on the same port nobody new is let in, and nobody waits longer than there are clients.
        """
        if self.state == "stopped":
            return 0
        self.begin_drain()
        limits = self.limits
        hurry = hurry or asyncio.Event()
        deadline = self._loop.time() + limits.drain_s
        grace_s = limits.drain_idle_s if grace_s is None else grace_s
        if others_accept and self._listener is not None:
            self._listener.close()
            await _first((hurry,), ACCEPTED_S)
            await _first((hurry, self.server.idle), min(grace_s, limits.drain_s))
        else:
            await _first((hurry,), min(grace_s, limits.drain_s))
        if self._listener is not None:
            self._listener.close()
        self.server.close_idle()
        await _first((self.server.idle, hurry), deadline - self._loop.time())
        cut_short = self.in_flight.count
        self.server.cancel_active()
        await _first((self.server.idle,), LAST_WORDS_S)
        self.server.abort()
        await self._close()
        self._alarms.close()
        self._watchdog.stop()
        if self._looking is not None:
            self._looking.cancel()
        self.state = "stopped"
        return cut_short

    async def _close(self) -> None:
        """End every configuration, the one that serves last."""
        waiting = tuple(self._replaced.values())
        for task in waiting:
            task.cancel()
        if waiting:
            await asyncio.wait(waiting)
        remaining = [*self._replaced, self._serving]
        for number, serving in enumerate(remaining, 1):
            await serving.close(remaining[number:])
        self.recording.close()
        for number, serving in enumerate(remaining, 1):
            self._closed(serving.close_log(LAST_WORDS_S, remaining[number:]))


class _Told:
    """A reader of records."""

    def __init__(self, take: Callable[[Sequence[ExchangeRecord]], None]) -> None:
        self.take = take


def _face(app: App) -> Face:
    return Face(app.handle, app.refuse, app.defect, app.screen)


class AdminListener:
    """Metrics and health on a listener of their own, for one worker or for the process that has several."""

    def __init__(self, *, render: Render, is_ready: Callable[[], bool]) -> None:
        self._loop = asyncio.get_running_loop()
        self._alarms = Alarms(self._loop)
        admin = Admin(render=render, is_ready=is_ready, new_id=new_request_id)
        self._server = Server(
            Face(admin.handle, admin.refuse, admin.defect),
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


async def _first(events: tuple[asyncio.Event, ...], timeout_s: float) -> None:
    """Wait for any of the events, no longer than `timeout_s`."""
    waits = [asyncio.ensure_future(event.wait()) for event in events]
    try:
        await asyncio.wait(waits, timeout=max(timeout_s, 0.0), return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()


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
        if hasattr(socket, "TCP_NOTSENT_LOWAT"):  # Linux, macOS; connections have it from the listener
            listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, UNSENT_BYTES)
        listening.bind((host, port))
        listening.listen(BACKLOG)
        listening.setblocking(False)
    except OSError:
        listening.close()
        raise
    return listening
