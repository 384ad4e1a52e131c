"""`plano up`: run the gateway in the foreground, in this process or in several."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import os
import signal
import socket
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import click

from plano import bootstrap
from plano.catalog.build import load_catalog
from plano.catalog.catalog import Catalog
from plano.cli.exits import InputAtFault, OutsideAtFault
from plano.cli.worker import Orders, prepare, run_worker
from plano.config.load import Configuration, ConfigurationInvalid, find
from plano.workers import Supervisor

EXAMPLES = """\
\b
Examples:
  plano up                                          on ./config.yaml
  plano up gateway.yaml --host 127.0.0.1 --port 12000
  plano up gateway.yaml --port 0 --admin-port 0     on free ports, which are printed
  plano up gateway.yaml --workers 4                 one process a core
"""
ADMIN_HOST = "127.0.0.1"
ADMIN_PORT = 9092


@click.command("up", epilog=EXAMPLES)
@click.argument("file", required=False, type=click.Path(path_type=Path, dir_okay=False))
@click.option("--host", help="The address to listen on; the listener's own by default.")
@click.option("--port", type=click.IntRange(0, 65535), help="The port to listen on; 0 picks a free one.")
@click.option(
    "--admin-port",
    type=click.IntRange(0, 65535),
    default=ADMIN_PORT,
    show_default=True,
    help="Metrics and health.",
)
@click.option(
    "--workers", type=click.IntRange(1, 256), default=1, show_default=True, help="Processes on the port."
)
@click.option(
    "--log-format",
    type=click.Choice(("json", "text")),
    default="json",
    show_default=True,
    help="The access log's.",
)
def command(
    file: Path | None,
    host: str | None,
    port: int | None,
    admin_port: int,
    workers: int,
    log_format: Literal["json", "text"],
) -> None:
    """Run the gateway in the foreground, until SIGTERM or Ctrl-C.

    FILE defaults to config.yaml, then plano_config.yaml, in the current folder; with neither, every
    provider whose key is in the environment is declared.
    """
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    source = file or find(Path.cwd())
    try:
        configuration, catalog = load_catalog(source, os.environ)
    except ConfigurationInvalid as invalid:
        raise InputAtFault(str(invalid)) from invalid
    for warning in configuration.warnings:
        say(f"warning: {warning}")
    listener = configuration.listener
    host = host or listener.address
    with (
        _bound(host, listener.port if port is None else port, "--port") as listening,
        _bound(ADMIN_HOST, admin_port, "--admin-port") as admin,
    ):
        place = _Place(host, listening, admin)
        orders = Orders(source=source, log_format=log_format)
        with asyncio.Runner(loop_factory=bootstrap.event_loop) as runner:
            if workers == 1:
                runner.run(_alone(configuration, catalog, place, orders))
            else:
                runner.run(_supervise(configuration, place, orders, workers))


@dataclass(frozen=True, slots=True)
class _Place:
    """Where the gateway listens."""

    host: str
    listening: socket.socket
    admin: socket.socket

    def announce(self, processes: str) -> None:
        host = f"[{self.host}]" if ":" in self.host else self.host
        port, admin_port = self.listening.getsockname()[1], self.admin.getsockname()[1]
        say(
            f"plano is ready on http://{host}:{port}, admin on http://{ADMIN_HOST}:{admin_port} ({processes})"
        )


def say(text: str) -> None:
    """A word to whoever started this; the access log has standard output to itself."""
    click.echo(text, err=True)


@contextlib.contextmanager
def _bound(host: str, port: int, option: str) -> Iterator[socket.socket]:
    try:
        listening = bootstrap.bind(host, port)
    except OSError as problem:
        hint = (
            f"; stop what holds it, or choose another with {option}"
            if problem.errno == errno.EADDRINUSE
            else ""
        )
        raise OutsideAtFault(
            f"cannot listen on {host}:{port}: {os.strerror(problem.errno or 0)}{hint}"
        ) from problem
    with listening:
        yield listening


async def _alone(configuration: Configuration, catalog: Catalog, place: _Place, orders: Orders) -> None:
    """One worker, in this process, with the admin listener beside it."""
    gateway = prepare(configuration, catalog, orders)

    async def render(accept: str) -> tuple[str, bytes]:
        return await bootstrap.render(gateway.recording.snapshot(), accept)

    admin = bootstrap.AdminListener(render=render, is_ready=gateway.is_ready)
    await admin.listen(place.admin)
    await run_worker(gateway, place.listening, on_ready=lambda: place.announce("1 process"))
    admin.stop()


async def _supervise(configuration: Configuration, place: _Place, orders: Orders, count: int) -> None:
    """Several workers; this process keeps the port, the admin listener and the count of everything."""
    supervisor = Supervisor(
        count=count,
        command=(sys.executable, "-m", "plano.cli.worker", orders.encode()),
        listening=place.listening,
        say=lambda text: say(f"plano: {text}"),
    )

    async def render(accept: str) -> tuple[str, bytes]:
        return await bootstrap.render(await supervisor.snapshot(), accept)

    admin = bootstrap.AdminListener(render=render, is_ready=supervisor.is_ready)
    await admin.listen(place.admin)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def stopped(number: signal.Signals) -> None:
        if stop.is_set():
            supervisor.tell(number)
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped, number)
    drain_s = configuration.server_limits.drain_s
    async with asyncio.TaskGroup() as group:
        running = group.create_task(supervisor.run(stop, drain_s=drain_s))
        group.create_task(_announce_when_ready(supervisor, running, place, count))
    admin.stop()


async def _announce_when_ready(
    supervisor: Supervisor, running: asyncio.Task[None], place: _Place, count: int
) -> None:
    ready = asyncio.ensure_future(supervisor.ready.wait())
    await asyncio.wait((ready, running), return_when=asyncio.FIRST_COMPLETED)
    if ready.done():
        place.announce(f"{count} processes")
    ready.cancel()
