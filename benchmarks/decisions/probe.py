"""A worker of the gateway with a probe on its event loop.

    python -m benchmarks.decisions.probe CONFIGURATION PORT PROBE_PORT

It is made and run as `plano up` makes and runs a worker. On PROBE_PORT it answers each time that
`native/ping.c` sends with how many nanoseconds ago that was: what a socket that had become ready had to
wait for, be it the loop, the interpreter's lock or a processor. Ends by SIGTERM.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import cast

from plano import bootstrap
from plano.catalog.build import load_catalog
from plano.cli import descriptors, signals
from plano.cli.worker import Orders, prepare, run_worker

HOST = "127.0.0.1"
STAMP = 8


class Answering(asyncio.Protocol):
    """Answers every stamp with its age."""

    def __init__(self, now: Callable[[], int]) -> None:
        self._now = now
        self._kept = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's inherits from nothing of asyncio's

    def data_received(self, data: bytes) -> None:
        now = self._now()
        ages, self._kept = ages_of(self._kept + data, now)
        assert self._transport is not None
        self._transport.write(ages)


def ages_of(stamps: bytes, now: int) -> tuple[bytes, bytes]:
    """The age of each whole stamp, and what of the next is there."""
    whole = len(stamps) // STAMP * STAMP
    ages = b"".join(
        (now - int.from_bytes(stamps[at : at + STAMP], sys.byteorder)).to_bytes(
            STAMP, sys.byteorder, signed=True
        )
        for at in range(0, whole, STAMP)
    )
    return ages, stamps[whole:]


async def serve(file: Path, port: int, probe_port: int) -> None:
    """Until SIGTERM."""
    configuration, catalog = load_catalog(file, os.environ)
    gateway = prepare(configuration, catalog, Orders(None, "json"))
    stop = signals.Stop()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, lambda: stop.ask(leave_idle=True))
    probe = await loop.create_server(lambda: Answering(time.monotonic_ns), HOST, probe_port)
    async with probe:
        await run_worker(gateway, bootstrap.bind(HOST, port), stop, on_ready=lambda: None, say=print)


def main() -> None:
    descriptors.open_standard()
    file, port, probe_port = sys.argv[1:]
    with asyncio.Runner(loop_factory=bootstrap.event_loop) as runner:
        runner.run(serve(Path(file), int(port), int(probe_port)))


if __name__ == "__main__":
    main()
