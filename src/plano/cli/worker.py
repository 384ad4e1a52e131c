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
from functools import partial

import msgspec

from plano import bootstrap
from plano.catalog.build import load_catalog
from plano.catalog.catalog import Catalog
from plano.cli import descriptors, signals, spare_memory
from plano.cli.exits import ExitCode
from plano.cli.standard_error import StandardError
from plano.config.load import Configuration, ConfigurationInvalid
from plano.config.texts import Texts
from plano.observe.access_log import LogFormat
from plano.observe.memory import MemoryLimit
from plano.workers import Ending, Post

_log = logging.getLogger(__name__)
YOUNG_OBJECTS = 20_000
"""Objects made before the collector looks for cycles: a request makes few, and they are freed by count."""


class Orders(msgspec.Struct, frozen=True):
    """What a worker needs to know beside its descriptors."""

    texts: Texts | None
    """What the supervisor has read and checked; None: the environment is the configuration."""
    log_format: LogFormat


def prepare(configuration: Configuration, catalog: Catalog, orders: Orders) -> bootstrap.Gateway:
    """A gateway that does not listen yet, and a collector that leaves what is there for good alone."""
    options = bootstrap.Options(
        log_format=orders.log_format,
        environment=os.environ,
        most_connections=descriptors.allowed_connections(descriptors.raise_limit()),
        memory=MemoryLimit.found(),
    )
    gateway = bootstrap.Gateway(configuration, catalog, options)
    gateway.load()
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS, 20, 20)
    return gateway


async def run_worker(
    gateway: bootstrap.Gateway,
    listening: socket.socket,
    stop: signals.Stop,
    *,
    on_ready: Callable[[], None],
    say: Callable[[str], None],
) -> None:
    """Serve until `stop`, then drain."""
    await gateway.listen(listening)
    server = gateway.server
    giving_back = asyncio.ensure_future(
        spare_memory.give_back(lambda: len(server.connections), lambda: server.buffered_bytes)
    )
    try:
        on_ready()
        await stop.asked.wait()
    finally:
        giving_back.cancel()
        await asyncio.wait([giving_back])
    cut_short = await gateway.stop(
        grace_s=0.0 if stop.leaves_idle else None, hurry=stop.hurry, others_accept=stop.others_accept
    )
    if cut_short:
        say(f"plano: {cut_short} answer{'s' * (cut_short > 1)} cut short, each with an error for its client")


async def _serve(
    gateway: bootstrap.Gateway, listening: socket.socket, post: Post, say: Callable[[str], None]
) -> None:
    """Serve under a supervisor: report to it, and do not outlive it.

    Only the supervisor can hurry: a signal that everybody was sent arrives here twice.
    """
    stop = signals.Stop()
    signals.watch(
        lambda number: stop.ask(leave_idle=number == signal.SIGINT),
        reload=signals.nothing,
        roll=signals.nothing,
    )
    reporting: list[asyncio.Task[None]] = []
    queue: asyncio.Queue[bytes] = asyncio.Queue()

    async def report() -> None:
        await post.serve(gateway.recording.snapshot, partial(_end, stop), queue.put_nowait)
        stop.ask(leave_idle=True)  # whoever starts another supervisor wants the port

    async with asyncio.TaskGroup() as group:
        obeying = group.create_task(_obey(gateway, queue, post))
        await run_worker(
            gateway,
            listening,
            stop,
            on_ready=lambda: reporting.append(group.create_task(report())),
            say=say,
        )
        await post.last_words(gateway.recording.snapshot())
        reporting[0].cancel()
        obeying.cancel()
    signals.ignore()


async def _obey(gateway: bootstrap.Gateway, queue: asyncio.Queue[bytes], post: Post) -> None:
    """Change over to each of the orders in turn, and say so. The supervisor has checked what they hold, but
    files that they name may have changed since."""
    while True:
        orders = msgspec.msgpack.decode(await queue.get(), type=Orders)
        try:
            await gateway.reload(*await _read(orders))
        except ConfigurationInvalid as invalid:
            post.reordered(str(invalid))
        except OSError as problem:
            post.reordered(problem.strerror or str(problem))
        except Exception as defect:  # noqa: BLE001 - in here it must not end a worker that serves
            _log.exception("a defect kept the configuration from being reloaded")
            post.reordered(f"a defect ({type(defect).__name__})")
        else:
            post.reordered("")


async def _read(orders: Orders) -> tuple[Configuration, Catalog]:
    """Off the loop: a large file takes its time."""
    return await asyncio.get_running_loop().run_in_executor(None, load_catalog, orders.texts, os.environ)


def _end(stop: signals.Stop, ending: Ending) -> None:
    match ending:
        case Ending.DRAIN | Ending.LEAVE | Ending.RETIRE:
            stop.ask(leave_idle=ending is Ending.LEAVE, others_accept=ending is Ending.RETIRE)
        case Ending.HURRY:
            stop.ask(leave_idle=True)
            stop.hurry.set()


async def _work(orders: Orders, listening: socket.socket, post: Post, say: Callable[[str], None]) -> None:
    configuration, catalog = load_catalog(orders.texts, os.environ)
    await _serve(prepare(configuration, catalog, orders), listening, post, say)


def main(arguments: list[str]) -> int:
    """A supervised worker: two descriptors are all it is given, the rest comes through one of them."""
    with (
        StandardError() as told,
        socket.socket(fileno=int(arguments[0])) as listening,
        socket.socket(fileno=int(arguments[1])) as control,
    ):
        post = Post(control)
        try:
            orders = msgspec.msgpack.decode(post.orders(), type=Orders)
            with asyncio.Runner(loop_factory=bootstrap.event_loop) as runner:
                runner.run(_work(orders, listening, post, told.say))
        except EOFError:
            return ExitCode.OUTSIDE_AT_FAULT
        except ConfigurationInvalid as invalid:
            told.say(str(invalid))
            return ExitCode.INPUT_AT_FAULT
    return ExitCode.DONE


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
