"""The gateway under test as people run it: `plano up`, a process of its own.

For what only a process shows: signals, workers, exit codes, and everything it writes.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from typing import Literal

from tests.wall.canary import WITNESS
from tests.wall.gateway import Config, written

START_S = 20.0
"""A machine that is busy with other tests may take its time to import everything."""
STOP_S = 20.0

_READY = re.compile(rb"ready on http://[^ ]*:(\d+), admin on http://[^ ]*:(\d+)")


class GatewayProcess:
    """A running `plano up`, and all that it has written."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.port = 0
        self.admin_port = 0
        self.stdout = bytearray()
        self.stderr = bytearray()
        self._more = asyncio.Event()
        self._readers = [
            asyncio.create_task(self._read(process.stdout, self.stdout)),
            asyncio.create_task(self._read(process.stderr, self.stderr)),
        ]

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def output(self) -> str:
        """Both streams: what a scan for secrets looks through."""
        return (self.stdout + self.stderr).decode(errors="replace")

    def signal(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    async def ended(self, *, within_s: float = STOP_S) -> int:
        """The exit code, once the process is gone and its output is complete."""
        async with asyncio.timeout(within_s):
            code = await self._process.wait()
            await asyncio.wait(self._readers)
        return code

    async def said(
        self, pattern: str, on: Literal["stdout", "stderr"] = "stderr", *, within_s: float = START_S
    ) -> str:
        """Everything on a stream as soon as `pattern` is in it; AssertionError when the process
        ends without having said it."""
        stream = self.stdout if on == "stdout" else self.stderr
        async with asyncio.timeout(within_s):
            while not re.search(pattern.encode(), stream):
                assert not all(reader.done() for reader in self._readers), (
                    f"expected {pattern!r}; the process ended and said {self.output!r}"
                )
                self._more.clear()
                await self._more.wait()
        return stream.decode(errors="replace")

    async def started(self) -> None:
        await self.said(_READY.pattern.decode())
        found = _READY.search(self.stderr)
        assert found is not None
        self.port, self.admin_port = int(found[1]), int(found[2])

    async def kill(self) -> None:
        """Leave nothing behind, whatever state it is in."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        await self._process.wait()
        await asyncio.wait(self._readers, timeout=STOP_S)
        WITNESS.hear("the output of a process", self.output)

    async def _read(self, stream: asyncio.StreamReader | None, into: bytearray) -> None:
        while stream is not None and (data := await stream.read(1 << 16)):
            into += data
            self._more.set()
        self._more.set()


@contextlib.asynccontextmanager
async def process(
    config: Config, *options: str, environment: Mapping[str, str] | None = None, wait: bool = True
) -> AsyncIterator[GatewayProcess]:
    """`plano up` on free ports with more `options`, ready unless `wait` is False; killed with all its
    workers at the end if it still runs. Of this process's environment it gets the path alone."""
    WITNESS.guard_config(config, environment or {})
    with written(config) as file:
        command = [sys.executable, "-m", "plano", "up", str(file), "--host", "127.0.0.1"]
        running = GatewayProcess(
            await asyncio.create_subprocess_exec(
                *command,
                *("--port", "0", "--admin-port", "0"),
                *options,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                env={"PATH": os.environ["PATH"], "PYTHONWARNINGS": "error", **(environment or {})},
                start_new_session=True,
            )
        )
        try:
            if wait:
                await running.started()
            yield running
        finally:
            await running.kill()
            WITNESS.hear_session_log(config)
