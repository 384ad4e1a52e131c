"""`plano` as a person or a supervisor starts it: any arguments, any folder, any surroundings."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path

import yaml

from tests.wall.canary import WITNESS
from tests.wall.gateway import Config
from tests.wall.process import START_S, GatewayProcess
from tests.wall.upstream import PATIENCE_S

FREE = ("--host", "127.0.0.1", "--port", "0", "--admin-port", "0")
"""The options for free ports of loopback."""
PLANO = (sys.executable, "-m", "plano")


@contextlib.asynccontextmanager
async def launched(
    *arguments: str,
    folder: Path,
    environment: Mapping[str, str] | None = None,
    within: tuple[str, ...] = (),
    stdout: int = asyncio.subprocess.PIPE,
    stderr: int = asyncio.subprocess.PIPE,
) -> AsyncIterator[GatewayProcess]:
    """`plano` with `arguments` in `folder`; `within` is put before the command, to start it through
    something else. Of this process's environment it gets the path alone. Killed at the end."""
    running = GatewayProcess(
        await asyncio.create_subprocess_exec(
            *within,
            *PLANO,
            *arguments,
            cwd=folder,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
            env={"PATH": os.environ["PATH"], "PYTHONWARNINGS": "error", **(environment or {})},
            start_new_session=True,
        )
    )
    try:
        yield running
    finally:
        await kill(*children(running.pid))
        await running.kill()


def in_shell(prelude: str) -> tuple[str, ...]:
    """To be put before a command: the shell does `prelude`, then becomes the command."""
    return ("/bin/sh", "-c", f'{prelude}; exec "$@"', "sh")


def write(folder: Path, config: Config) -> Path:
    """A configuration as `config.yaml` of a folder."""
    WITNESS.guard_config(config, {})
    file = folder / "config.yaml"
    file.write_text(config if isinstance(config, str) else yaml.safe_dump(dict(config), sort_keys=False))
    return file


def children(pid: int) -> set[int]:
    """The processes that a process has started and that still live: a gateway's workers."""
    return {
        int(stat.parent.name)
        for stat in Path("/proc").glob("[0-9]*/stat")
        if (fields := _fields(stat)) and int(fields[1]) == pid and fields[0] != "Z"
    }


def _fields(stat: Path) -> list[str]:
    """What follows the name in `/proc/<pid>/stat`: state, parent, …; nothing when it is gone."""
    try:
        return stat.read_text().rpartition(")")[2].split()
    except OSError:
        return []


async def comes_true(
    running: GatewayProcess, condition: Callable[[], bool], *, within_s: float = START_S
) -> None:
    """Wait for what nobody announces; AssertionError when the process ends first."""
    ended = asyncio.create_task(running.ended(within_s=within_s))
    try:
        while not condition():
            await asyncio.wait([ended], timeout=0.01)
            assert not ended.done(), f"the process ended and said {running.output!r}"
    finally:
        ended.cancel()


async def kill(*pids: int, number: int = 9) -> None:
    """Send a signal to processes, SIGKILL unless told otherwise."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


async def gone(pid: int, *, within_s: float = PATIENCE_S) -> None:
    """Wait until a process that need not be a child of this one has ended."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    loop, ended = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(descriptor, ended.set)
    try:
        async with asyncio.timeout(within_s):
            await ended.wait()
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)
