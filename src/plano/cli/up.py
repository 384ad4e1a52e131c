"""`plano up`: run the gateway in the foreground, in this process or in several."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path

import click
import msgspec

from plano import bootstrap
from plano.catalog.build import load_catalog
from plano.catalog.catalog import Catalog
from plano.cli import descriptors, signals
from plano.cli.affinity import affinity_line, not_shared
from plano.cli.counted_apart import counted_apart
from plano.cli.exits import ConfigurationAtFault, OutsideAtFault
from plano.cli.exposure import exposure
from plano.cli.ports import ADMIN_HOST, ADMIN_PORT, Ports
from plano.cli.reload import Apply, Reloaded, Reloading
from plano.cli.standard_error import StandardError
from plano.cli.worker import Orders, prepare, run_worker
from plano.config.load import Configuration, ConfigurationInvalid, find
from plano.config.texts import Texts
from plano.observe import metrics
from plano.observe.access_log import LogFormat
from plano.observe.metrics import Snapshot
from plano.server.admin import Render
from plano.serving import beforehand
from plano.workers import Supervisor

EXAMPLES = """\
\b
Examples:
  plano up                                          on ./config.yaml
  plano up gateway.yaml --host 127.0.0.1 --port 12000
  plano up gateway.yaml --port 0 --admin-port 0     on free ports, which are printed
  plano up gateway.yaml --workers 4                 one process a core
"""
FEW_CONNECTIONS = 1000
"""So many serve a team; whoever has less, and did not ask for it, should know."""
ONE_PROCESS = (
    "plano: SIGUSR2 restarts workers one after the other, and there is one process; start it with --workers 2"
    " or more for that"
)
KILL_AFTER_S = 10.0
"""Beyond its own drain limit, before a worker that does not end is killed."""


@click.command("up", epilog=EXAMPLES)
@click.argument("file", required=False, type=click.Path(path_type=Path, dir_okay=False))
@click.option("--host", help="The address to listen on; the listener's own by default.")
@click.option("--port", type=click.IntRange(0, 65535), help="The port to listen on; 0 picks a free one.")
@click.option(
    "--admin-port",
    type=click.IntRange(0, 65535),
    default=ADMIN_PORT,
    show_default=True,
    help=f"Metrics and health, on {ADMIN_HOST}; 0 picks a free one.",
)
@click.option(
    "--workers", type=click.IntRange(1, 256), default=1, show_default=True, help="Processes on the port."
)
@click.option(
    "--log-format",
    type=click.Choice(("json", "text")),
    default="json",
    show_default=True,
    help="The access log's, on standard output.",
)
def command(
    file: Path | None,
    host: str | None,
    port: int | None,
    admin_port: int,
    workers: int,
    log_format: LogFormat,
) -> None:
    """Run the gateway in the foreground, until SIGTERM or Ctrl-C.

    FILE defaults to config.yaml, then plano_config.yaml, in the current folder; with neither, every
    provider whose key is in the environment is declared, or simulated models if there is none.
    """
    descriptors.open_standard()
    source = file or find(Path.cwd())
    texts = None if source is None else Texts.take(source)
    try:
        configuration, catalog = load_catalog(texts, os.environ)
    except ConfigurationInvalid as invalid:
        raise ConfigurationAtFault(invalid) from invalid
    listener = configuration.listener
    with contextlib.ExitStack() as stack:
        say = stack.enter_context(StandardError()).say
        for warning in configuration.warnings:
            say(f"warning: {warning}")
        _warn_of_descriptors(configuration, say)
        ports = stack.enter_context(
            Ports.bound(host or listener.address, listener.port if port is None else port, admin_port)
        )
        start = _Start(configuration, catalog, Orders(texts, log_format), ports, say, workers)
        start.warn(catalog)
        with asyncio.Runner(loop_factory=bootstrap.event_loop) as runner:
            runner.run(start.alone() if workers == 1 else start.supervise())


def _flags() -> list[str]:
    """A worker finds its modules where this process found them: `-m` alone would look into the current
    folder first, where anything may lie."""
    return [] if str(Path.cwd()) in sys.path else ["-P"]


def _with_reloads(snapshot: Snapshot, reloading: Reloading | None) -> Snapshot:
    return snapshot if reloading is None else metrics.merge([snapshot, reloading.counts()])


def _warn_of_descriptors(configuration: Configuration, say: Callable[[str], None]) -> None:
    limit = descriptors.raise_limit()
    allowed = descriptors.allowed_connections(limit)
    if allowed < descriptors.FEWEST_CLIENTS:
        raise OutsideAtFault(
            f"this process may open {limit} files and connections, and needs {descriptors.FEWEST} at least; "
            "`ulimit -n` sets the limit"
        )
    wanted = configuration.server_limits.max_connections
    is_asked_for = "max_connections" in configuration.listener.limits
    if allowed < (wanted if is_asked_for else FEW_CONNECTIONS):
        say(
            f"warning: {limit} file descriptors are enough for {allowed} connections a process, instead of "
            f"{wanted} (max_connections); more are turned away. `ulimit -n` sets the limit"
        )


@dataclass(slots=True)
class _Start:
    """Everything that is known when the gateway starts."""

    configuration: Configuration
    """The one that serves: another one after a reload."""
    catalog: Catalog
    """Of the first."""
    orders: Orders
    ports: Ports
    say: Callable[[str], None]
    workers: int

    def warn(self, catalog: Catalog) -> None:
        """What the configuration means in this place."""
        address, port = self.ports.models.getsockname()[:2]
        asks_for_keys = self.configuration.listener.keys is not None
        if exposed := exposure(address, port, catalog, asks_for_keys=asks_for_keys):
            self.say(f"warning: {exposed}")
        for apart in (
            not_shared(self.configuration, self.workers),
            counted_apart(self.configuration, self.workers),
        ):
            if apart:
                self.say(f"warning: {apart}")

    async def alone(self) -> None:
        """One worker, in this process, with the admin listener beside it."""
        stop = signals.Stop()
        gateway = prepare(self.configuration, self.catalog, self.orders)

        async def apply(found: Reloaded) -> bool:
            await gateway.reload(found.configuration, found.catalog)
            self._changed(found)
            return True

        def end(number: signal.Signals) -> None:
            stop.signalled(number)
            if gateway.state == "ready":
                gateway.begin_drain()

        reloading = self._reloading(apply)
        self._watch(
            end,
            lambda: gateway.in_flight.count == 0,
            reload=self._no_file if reloading is None else reloading.ask,
            roll=lambda: self.say(ONE_PROCESS),
        )

        async def render(accept: str) -> tuple[str, bytes]:
            return await bootstrap.render(_with_reloads(gateway.recording.snapshot(), reloading), accept)

        async with self._admin(render, gateway.is_ready), self._while_serving() as begin:

            def on_ready() -> None:
                self._announce("1 process")
                if reloading is not None:
                    begin(reloading.run())

            await run_worker(gateway, self.ports.models, stop, on_ready=on_ready, say=self.say)
        signals.ignore()

    async def supervise(self) -> None:
        """Several workers; this process keeps the admin listener and the count of everything."""
        supervisor = Supervisor(
            count=self.workers,
            command=(sys.executable, *_flags(), "-m", "plano.cli.worker"),
            orders=msgspec.msgpack.encode(self.orders),
            listening=self.ports.models,
            say=lambda text: self.say(f"plano: {text}"),
        )

        async def apply(found: Reloaded) -> bool:
            await beforehand(found.configuration, found.catalog)
            orders = Orders(found.texts, self.orders.log_format)
            troubles = await supervisor.reorder(msgspec.msgpack.encode(orders))
            for trouble in troubles:
                self.say(f"plano: {trouble}; it goes on with the configuration that it has")
            self._changed(found)
            supervisor.kill_after_s = self._kill_after_s()
            return not troubles

        reloading = self._reloading(apply)
        rolling = asyncio.Event()
        self._watch(
            supervisor.stop,
            lambda: not supervisor.is_ready(),
            reload=self._no_file if reloading is None else reloading.ask,
            roll=rolling.set,
        )

        async def render(accept: str) -> tuple[str, bytes]:
            return await bootstrap.render(_with_reloads(await supervisor.snapshot(), reloading), accept)

        async with self._admin(render, supervisor.is_ready), self._while_serving() as begin:
            begin(self._announce_when_ready(supervisor))
            begin(self._roll_when_asked(supervisor, rolling))
            if reloading is not None:
                begin(reloading.run())
            await supervisor.run(kill_after_s=self._kill_after_s())
        signals.ignore()

    # -- what is asked for while it runs

    def _reloading(self, apply: Apply) -> Reloading | None:
        return None if self.orders.texts is None else Reloading(self.orders.texts, apply, self.say)

    def _no_file(self) -> None:
        self.say("plano: there is no configuration file to read again; the gateway goes on as it is")

    def _changed(self, found: Reloaded) -> None:
        """Another configuration serves."""
        before, after = self.configuration.listener, found.configuration.listener
        self.configuration = found.configuration
        self.warn(found.catalog)
        if (before.address, before.port) != (after.address, after.port):
            self.say(
                f"warning: listeners: {after.address} port {after.port} takes effect when the gateway is "
                f"started anew; until then it stays on {self.ports.address}"
            )

    async def _roll_when_asked(self, supervisor: Supervisor, asked: asyncio.Event) -> None:
        while True:
            await asked.wait()
            asked.clear()
            self.say("plano: a rolling restart begins")
            self.say(f"plano: {await supervisor.roll()}")

    def _kill_after_s(self) -> float:
        return self.configuration.server_limits.drain_s + KILL_AFTER_S

    @contextlib.asynccontextmanager
    async def _while_serving(self) -> AsyncIterator[Callable[[Coroutine[None, None, None]], None]]:
        """Begins what is to go on until the gateway has ended."""
        async with asyncio.TaskGroup() as group:
            tasks: list[asyncio.Task[None]] = []
            yield lambda work: tasks.append(group.create_task(work))
            for task in tasks:
                task.cancel()

    def _watch(
        self,
        stop: Callable[[signal.Signals], None],
        idle: Callable[[], bool],
        *,
        reload: Callable[[], None],
        roll: Callable[[], None],
    ) -> None:
        came: list[signal.Signals] = []

        def stopped(number: signal.Signals) -> None:
            came.append(number)
            self.say(signals.in_words(came, self.configuration.server_limits, idle=idle()))
            stop(number)

        signals.watch(stopped, reload=reload, roll=roll)

    @contextlib.asynccontextmanager
    async def _admin(self, render: Render, is_ready: Callable[[], bool]) -> AsyncIterator[None]:
        admin = bootstrap.AdminListener(render=render, is_ready=is_ready)
        await admin.listen(self.ports.admin)
        try:
            yield
        finally:
            admin.stop()

    async def _announce_when_ready(self, supervisor: Supervisor) -> None:
        await supervisor.ready.wait()
        if supervisor.is_ready():
            self._announce(f"{self.workers} processes")

    def _announce(self, processes: str) -> None:
        self.say(affinity_line(self.configuration))
        self.say(f"plano is ready on {self.ports.address} ({processes})")
