"""One worker of `plano up`: a gateway on a listening socket, until a signal or its supervisor ends it.

Run as a module it is a worker that a supervisor started, on descriptors it inherited; it is not a
command for people.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
import socket
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec

from plano import bootstrap
from plano.catalog.build import load_catalog
from plano.catalog.catalog import Catalog
from plano.cli.exits import ExitCode
from plano.config.load import Configuration, ConfigurationInvalid
from plano.observe.access_log import LogFormat
from plano.workers import Post

YOUNG_OBJECTS = 20_000
"""Objects made before the collector looks for cycles: a request makes few, and they are freed by count."""


@dataclass(frozen=True, slots=True)
class Orders:
    """What a worker needs to know beside its descriptors."""

    source: Path | None
    log_format: LogFormat

    def encode(self) -> str:
        source = None if self.source is None else os.fspath(self.source)
        return msgspec.json.encode({"source": source, "log_format": self.log_format}).decode()

    @staticmethod
    def decode(text: str) -> Orders:
        said = msgspec.json.decode(text)
        return Orders(None if said["source"] is None else Path(said["source"]), said["log_format"])


def prepare(configuration: Configuration, catalog: Catalog, orders: Orders) -> bootstrap.Gateway:
    """A gateway that does not listen yet, and a collector that leaves what is there for good alone."""
    options = bootstrap.Options(log_format=orders.log_format, environment=os.environ)
    gateway = bootstrap.Gateway(configuration, catalog, options)
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS, 20, 20)
    return gateway


async def run_worker(
    gateway: bootstrap.Gateway, listening: socket.socket, *, on_ready: Callable[[], None]
) -> None:
    """Serve until SIGTERM or SIGINT, then drain; a second signal cuts the drain short.

    SIGINT comes from a person who waits at the terminal, so idle connections are closed at once.
    """
    loop = asyncio.get_running_loop()
    stop, hurry = asyncio.Event(), asyncio.Event()
    grace_s: list[float | None] = [None]

    def stopped(number: signal.Signals) -> None:
        if stop.is_set():
            hurry.set()
        elif number == signal.SIGINT:
            grace_s[0] = 0.0
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped, number)
    await gateway.listen(listening)
    on_ready()
    await stop.wait()
    await gateway.stop(grace_s=grace_s[0], hurry=hurry)


async def _serve(
    configuration: Configuration, catalog: Catalog, orders: Orders, listening: int, control: int
) -> None:
    gateway = prepare(configuration, catalog, orders)
    post = Post(socket.socket(fileno=control))
    loop = asyncio.get_running_loop()

    async def report() -> None:
        await post.serve(gateway.recording.snapshot)
        os.kill(os.getpid(), signal.SIGTERM)

    reporting: list[asyncio.Task[None]] = []
    await run_worker(
        gateway,
        socket.socket(fileno=listening),
        on_ready=lambda: reporting.append(loop.create_task(report())),
    )
    reporting[0].cancel()
    post.last_words(gateway.recording.snapshot())


def main(arguments: list[str]) -> int:
    """A supervised worker: its orders and two descriptors are all it is given."""
    orders = Orders.decode(arguments[0])
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    try:
        configuration, catalog = load_catalog(orders.source, os.environ)
    except ConfigurationInvalid as invalid:
        sys.stderr.write(f"{invalid}\n")
        return ExitCode.INPUT_AT_FAULT
    with asyncio.Runner(loop_factory=bootstrap.event_loop) as runner:
        runner.run(_serve(configuration, catalog, orders, int(arguments[1]), int(arguments[2])))
    return ExitCode.DONE


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
