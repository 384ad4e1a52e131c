"""What surrounds a gateway may be stuck, closed, missing or scarce: requests go on."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.integration.process.asking import CHAT, ask, body, get
from tests.integration.process.launch import FREE, comes_true, in_shell, launched, write
from tests.wall.process import GatewayProcess
from tests.wall.raw_client import RawClient, RawReply
from tests.wall.upstream import refusing_port

MODEL = "simulated/instant"
CONFIG = {"version": "v0.4.0", "model_providers": [{"model": MODEL}]}


@pytest.fixture
def stuck() -> Iterator[int]:
    """The writing end of a pipe that is full, and that nobody reads."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    with contextlib.suppress(BlockingIOError):
        while os.write(writing, b"." * 4096):
            pass
    os.set_blocking(writing, True)
    yield writing
    os.close(reading)
    os.close(writing)


@pytest.fixture
def broken() -> Iterator[int]:
    """The writing end of a pipe whose reader has gone."""
    reading, writing = os.pipe()
    os.close(reading)
    yield writing
    os.close(writing)


@contextlib.asynccontextmanager
async def mute(folder: Path, output: int, *options: str) -> AsyncIterator[GatewayProcess]:
    """A gateway whose both outputs are `output`: it cannot say where it listens, so it is told."""
    write(folder, CONFIG)
    port = refusing_port()
    places = ("--host", "127.0.0.1", "--port", str(port), "--admin-port", "0")
    async with launched("up", *places, *options, folder=folder, stdout=output, stderr=output) as running:
        running.port = port
        await comes_true(running, lambda: _listens(port))
        yield running


def _of_process(running: GatewayProcess, name: str) -> str:
    """What the kernel says about a process."""
    return Path(f"/proc/{running.pid}/{name}").read_text()


def _listens(port: int) -> bool:
    """Whether the kernel has this port of loopback in state LISTEN."""
    wanted = f"0100007F:{port:04X} 00000000:0000 0A"
    return wanted in Path("/proc/net/tcp").read_text()


@pytest.mark.parametrize("workers", ["1", "2"])
async def test_a_reader_that_is_stuck_costs_lines_and_nothing_else(
    workers: str, stuck: int, tmp_path: Path
) -> None:
    """A log collector that hangs must not take the gateway along, neither while it serves, nor while it
    is told to end."""
    async with mute(tmp_path, stuck, "--workers", workers) as running:
        statuses = {(await ask(running.port, model=MODEL)).status for _ in range(20)}
        running.signal(signal.SIGHUP)
        statuses.add((await ask(running.port, model=MODEL)).status)
        running.signal(signal.SIGINT)

        assert (statuses, await running.ended()) == ({200}, 0)


async def test_a_reader_that_has_gone_costs_lines_and_nothing_else(broken: int, tmp_path: Path) -> None:
    """`plano up | head` ends head, not the gateway."""
    async with mute(tmp_path, broken) as running:
        statuses = {(await ask(running.port, model=MODEL)).status for _ in range(3)}
        running.signal(signal.SIGINT)

        assert (statuses, await running.ended()) == ({200}, 0)


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
@pytest.mark.parametrize("workers", ["1", "2"])
async def test_closed_standard_descriptors_are_nobody_elses(
    closed: str, workers: str, tmp_path: Path
) -> None:
    """The next socket would be number 1, and a client would read the log."""
    write(tmp_path, CONFIG)
    port = refusing_port()
    places = ("--host", "127.0.0.1", "--port", str(port), "--admin-port", "0", "--workers", workers)
    async with launched("up", *places, folder=tmp_path, within=in_shell(f"exec {closed}")) as running:
        await comes_true(running, lambda: _listens(port))
        async with RawClient(port) as client:
            await client.post(CHAT, body(model=MODEL))
            reply = await client.reply()
            running.signal(signal.SIGINT)
            rest, _ = await client.read_to_end()

        assert (reply.status, rest, await running.ended()) == (200, b"", 0)


@pytest.mark.parametrize("workers", ["1", "2"])
async def test_it_runs_on_the_standard_event_loop(workers: str, tmp_path: Path) -> None:
    """uvloop is faster and not everywhere; here it cannot be imported."""
    write(tmp_path, CONFIG)
    without = tmp_path / "without"
    without.mkdir()
    (without / "uvloop.py").write_text("raise ImportError('not on this machine')\n")
    environment = {"PYTHONPATH": str(without)}
    async with launched(
        "up", *FREE, "--workers", workers, folder=tmp_path, environment=environment
    ) as running:
        await running.started()
        reply = await ask(running.port, model=MODEL)
        loaded = _of_process(running, "maps")
        running.signal(signal.SIGTERM)
        running.signal(signal.SIGINT)

        assert (reply.status, "uvloop" in loaded, await running.ended()) == (200, False, 0)


async def test_the_descriptor_limit_is_raised_as_far_as_it_may_be(tmp_path: Path) -> None:
    """Shells start with 1024, for programs of another time; each client takes two."""
    write(tmp_path, CONFIG)
    async with launched("up", *FREE, folder=tmp_path, within=in_shell("ulimit -S -n 200")) as running:
        await running.started()
        soft, hard = _of_process(running, "limits").partition("Max open files")[2].split()[:2]

        assert (soft, soft != "200", b"warning" in running.stderr) == (hard, True, False)


async def test_scarce_descriptors_are_shed_before_they_run_out(tmp_path: Path) -> None:
    """Of 104 descriptors 64 are for the rest, two for each client: the 21st is told to come again, also
    when a hundred come at once, and the others are served."""
    write(tmp_path, CONFIG)
    async with (
        launched("up", *FREE, folder=tmp_path, within=in_shell("ulimit -n 104")) as running,
        contextlib.AsyncExitStack() as stack,
    ):
        await running.started()
        kept = [await stack.enter_async_context(RawClient(running.port)) for _ in range(20)]
        for client in kept:
            await _asked(client)
        async with RawClient(running.port) as one_more:
            shed = await one_more.reply(to="GET")
        for client in kept[1:]:
            client.close()
        await _until_served(running.port)
        flood = await _flood(running.port, 60)

        assert (shed.status, shed.header("retry-after") is not None) == (503, True)
        assert (b"overloaded" in shed.body, flood <= {200, 503}) == (True, True)
        assert (await _asked(kept[0])).status == 200
        assert "104 file descriptors are enough for 20 connections" in running.stderr.decode()


async def test_too_few_descriptors_for_anybody_are_said_at_the_start(tmp_path: Path) -> None:
    """Connections would be closed without a word, and nobody would know why."""
    write(tmp_path, CONFIG)
    async with launched("up", *FREE, folder=tmp_path, within=in_shell("ulimit -n 60")) as running:
        code = await running.ended()

        said = running.stderr
        assert (code, b"needs 80 at least" in said, b"Traceback" in said) == (3, True, False)


async def _asked(client: RawClient) -> RawReply:
    await client.get("/readyz")
    return await client.reply(to="GET")


async def _until_served(port: int) -> None:
    """The gateway takes a moment to see that clients have left."""
    async with asyncio.timeout(5):
        while (await get(port, "/readyz")).status != 200:
            pass


async def _flood(port: int, count: int) -> set[int]:
    """The statuses that so many clients get who come all at once."""
    async with asyncio.TaskGroup() as group:
        asking = [group.create_task(get(port, "/readyz")) for _ in range(count)]
    return {task.result().status for task in asking}
