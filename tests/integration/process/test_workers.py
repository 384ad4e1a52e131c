"""Several processes on one port: each may die without the others, or the clients, noticing."""

from __future__ import annotations

import re
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest

from tests.integration.process.asking import (
    CHAT,
    ask,
    body,
    held_stream,
    requests_counted,
    until_replaced,
)
from tests.integration.process.launch import FREE, children, comes_true, gone, kill, launched, write
from tests.wall.framing import RawRequest
from tests.wall.gateway import config_at, listener
from tests.wall.process import GatewayProcess, process
from tests.wall.raw_client import RawClient
from tests.wall.script import Script
from tests.wall.upstream import ScriptedUpstream, good_for


async def both_serve(running: GatewayProcess) -> tuple[int, int]:
    """The two workers, as soon as both have answered."""
    first, second = sorted(children(running.pid))
    for other, asked in ((first, second), (second, first)):
        async with only(asked, other):
            assert (await ask(running.port)).status == 200
    return first, second


@asynccontextmanager
async def only(worker: int, *others: int) -> AsyncIterator[None]:
    """Whoever connects now gets this worker: the others stand still."""
    await kill(*others, number=signal.SIGSTOP)
    try:
        yield
    finally:
        await kill(*others, number=signal.SIGCONT)


@asynccontextmanager
async def two_workers(upstream: ScriptedUpstream) -> AsyncIterator[tuple[GatewayProcess, int, int]]:
    async with process(config_at(upstream, **listener(drain_idle_s="1s")), "--workers", "2") as running:
        first, second = await both_serve(running)
        yield running, first, second


@asynccontextmanager
async def streaming(port: int) -> AsyncIterator[RawClient]:
    """A client in the midst of a stream."""
    async with RawClient(port) as client:
        await client.post(CHAT, body(stream=True))
        await client.read_until(b"hello")
        yield client


async def workers_of(running: GatewayProcess, wanted: int) -> set[int]:
    """The workers, as soon as there are so many."""
    await comes_true(running, lambda: len(children(running.pid)) == wanted)
    return children(running.pid)


def held_if_streaming(request: RawRequest) -> Script:
    return held_stream() if b'"stream": true' in request.body else good_for(request)


async def test_the_death_of_one_is_none_of_the_others_business() -> None:
    """A crash costs the answers of one process; the other goes on, and the place is filled again."""
    async with (
        ScriptedUpstream(otherwise=held_if_streaming) as upstream,
        two_workers(upstream) as (running, first, second),
        AsyncExitStack() as stack,
    ):
        async with only(first, second):
            lost = await stack.enter_async_context(streaming(running.port))
        async with only(second, first):
            kept = await stack.enter_async_context(streaming(running.port))
        await kill(first)
        left, _ = await lost.read_to_end()
        upstream.release()
        upstream.release()
        rest = await kept.read_until(b"0\r\n\r\n")
        said = await running.said(r"worker \d+ ended")

        assert (b"0\r\n\r\n" in left, b"[DONE]" in rest) == (False, True)
        assert f"worker {first} ended by SIGKILL; another starts in 0.1 s" in said
        assert second in await workers_of(running, 2)


async def test_connections_that_wait_survive_all_workers() -> None:
    """The socket is the supervisor's: who has connected is served by whoever comes next."""
    async with ScriptedUpstream() as upstream, two_workers(upstream) as (running, first, second):
        await kill(first, second, number=signal.SIGSTOP)
        async with RawClient(running.port) as client:
            await client.post(CHAT, body())
            await kill(first, second)
            reply = await client.reply(within_s=10)

        assert reply.status == 200


async def test_metrics_are_the_sum_and_never_go_backwards() -> None:
    """A counter that falls looks like a restart to Prometheus, and doubles what it counted."""
    async with ScriptedUpstream() as upstream, two_workers(upstream) as (running, first, second):
        async with only(first, second):
            for _ in range(3):
                await ask(running.port)
        counted = [await requests_counted(running.admin_port)]
        await kill(first)
        await gone(first)
        counted.append(await requests_counted(running.admin_port))
        await running.said(r"worker \d+ ended")
        counted.append(await requests_counted(running.admin_port))

        assert counted == [5, 5, 5]


async def test_a_signal_to_every_process_is_one_signal() -> None:
    """systemd sends SIGTERM to all of a service: to a worker it must not look like the supervisor's
    SIGTERM and then another one, which would cut its streams."""
    async with (
        ScriptedUpstream(otherwise=held_if_streaming) as upstream,
        two_workers(upstream) as (running, first, second),
        streaming(running.port) as client,
    ):
        await kill(first, running.pid, second, first, number=signal.SIGTERM)
        await running.said("plano: draining")
        told = [(await ask(running.port)).header("connection") for _ in range(4)]
        upstream.release()
        rest, _ = await client.read_to_end(within_s=10)

        assert (told, rest.endswith(b"0\r\n\r\n"), await running.ended()) == (["close"] * 4, True, 0)


async def test_no_worker_outlives_its_supervisor() -> None:
    """An orphan would hold the port, and run on a configuration nobody can change."""
    async with ScriptedUpstream() as upstream, two_workers(upstream) as (running, first, second):
        running.signal(signal.SIGKILL)
        await gone(first, within_s=10)
        await gone(second, within_s=10)

        assert children(running.pid) == set()


async def test_who_replaces_a_worker_reads_what_the_first_one_read(tmp_path: Path) -> None:
    """A file that is being edited, or half written, is not yet a configuration; and two workers must
    not run on two."""
    async with ScriptedUpstream() as upstream:
        file = write(tmp_path, config_at(upstream))
        async with launched("up", str(file), *FREE, "--workers", "2", folder=tmp_path) as running:
            await running.started()
            workers = children(running.pid)
            file.write_text("version: v0.4.0\nmodel_prov")
            await kill(*workers)
            await until_replaced(running.port)

            replaced = children(running.pid)
            assert (replaced != set(), replaced & workers) == (True, set())
            assert (await ask(running.port)).status == 200


async def test_warnings_are_said_once_however_many_workers_there_are(tmp_path: Path) -> None:
    """Four times the same line is four lines that nobody reads."""
    async with ScriptedUpstream() as upstream:
        write(tmp_path, config_at(upstream, tracing={"random_sampling": 1}))
        async with launched("up", *FREE, "--workers", "3", folder=tmp_path) as running:
            await running.started()
            running.signal(signal.SIGINT)
            await running.ended()

            said = running.stderr.decode()
            assert (len(re.findall("warning:.*tracing", said)), said.count("ready")) == (1, 1)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_a_signal_while_workers_start_is_an_orderly_end(number: signal.Signals, tmp_path: Path) -> None:
    """Nobody is being served yet: nothing to wait for, and no traceback of a half-started process."""
    async with ScriptedUpstream() as upstream:
        write(tmp_path, config_at(upstream))
        async with launched("up", *FREE, "--workers", "2", folder=tmp_path) as running:
            await workers_of(running, 2)
            running.signal(number)

            assert (await running.ended(within_s=4), b"Traceback" in running.stderr) == (0, False)
