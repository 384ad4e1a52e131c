"""How a gateway ends: nothing is lost that could be finished, and what cannot be is told so."""

from __future__ import annotations

import asyncio
import json
import signal
from typing import Any

import pytest

from plano.chat.dialect import Dialect
from tests.integration.process.asking import CHAT, PATHS, KeepAlive, ask, body, get, held_stream, until
from tests.wall.answers import EVENTS
from tests.wall.gateway import config_at, listener
from tests.wall.process import GatewayProcess, process
from tests.wall.raw_client import RawClient
from tests.wall.upstream import ScriptedUpstream

DRAINING = "plano: draining"
WORKERS = pytest.mark.parametrize("workers", ["1", "2"])


def patient(upstream: ScriptedUpstream, **limits: Any) -> dict[str, Any]:
    """A configuration whose limits are far away, except those given."""
    return config_at(upstream, **listener(**{"drain_s": "60s", "drain_idle_s": "60s", **limits}))


async def refused(port: int) -> None:
    """Connect until nobody listens any more; who is accepted on the way leaves again."""
    async with asyncio.timeout(10):
        while True:
            try:
                async with RawClient(port):
                    pass
            except ConnectionResetError:
                continue  # it waited to be accepted when the port was closed
            except ConnectionRefusedError:
                return


@WORKERS
async def test_a_stream_in_flight_is_finished(workers: str) -> None:
    """A rolling restart must not cut anybody off; nobody new is let in meanwhile."""
    script = held_stream()
    async with (
        ScriptedUpstream([script]) as upstream,
        process(patient(upstream, drain_idle_s="50ms"), "--workers", workers) as running,
        RawClient(running.port) as client,
    ):
        await client.post(CHAT, body(stream=True))
        await client.read_until(b"hello")
        running.signal(signal.SIGTERM)
        await refused(running.port)
        upstream.release()
        rest, ending = await client.read_to_end()

        assert (rest.endswith(b"0\r\n\r\n"), EVENTS[Dialect.OPENAI_CHAT][-1] in rest, ending) == (
            True,
            True,
            "fin",
        )
        assert await running.ended() == 0


async def test_idle_clients_are_told_before_they_are_left() -> None:
    """A connection that is closed without a word loses the request that crosses the closing; so do
    those who come anew because nobody has told them of another address yet."""
    async with (
        ScriptedUpstream() as upstream,
        process(patient(upstream)) as running,
        RawClient(running.port) as kept,
    ):
        await kept.post(CHAT, body())
        before = await kept.reply()
        running.signal(signal.SIGTERM)
        await running.said(DRAINING)
        await kept.post(CHAT, body())
        told = await kept.reply()
        fresh = await ask(running.port)

        assert [(reply.status, reply.header("connection")) for reply in (before, told, fresh)] == [
            (200, None),
            (200, "close"),
            (200, "close"),
        ]


async def test_a_draining_gateway_is_alive_and_not_ready() -> None:
    """Load balancers go by readiness; whoever restarts what is not alive must not do so now."""
    async with ScriptedUpstream() as upstream, process(patient(upstream)) as running:
        ready = await get(running.port, "/readyz")
        running.signal(signal.SIGTERM)
        await running.said(DRAINING)
        ports = running.port, running.admin_port
        draining = [(await get(port, path)).status for port in ports for path in ("/readyz", "/healthz")]

        assert (ready.status, draining) == (200, [503, 200, 503, 200])


@WORKERS
async def test_clients_that_do_as_they_are_told_lose_nothing(workers: str) -> None:
    """Six clients in a hurry, SIGTERM in the midst of it: every request is answered, and each answer
    from then on says that its connection ends."""
    async with (
        ScriptedUpstream() as upstream,
        process(patient(upstream), "--workers", workers) as running,
    ):
        clients = [KeepAlive(running.port) for _ in range(6)]
        enough = asyncio.Event()

        async def end_in_the_midst() -> None:
            await upstream.attempt(30)
            running.signal(signal.SIGTERM)
            await running.said(DRAINING)
            await upstream.attempt(len(upstream.attempts) + 60)
            enough.set()

        async with asyncio.TaskGroup() as group:
            group.create_task(end_in_the_midst())
            await until(enough, *clients)
        running.signal(signal.SIGTERM)

        statuses = [status for client in clients for status in client.statuses]
        assert (set(statuses), sum(client.told for client in clients) >= 60) == ({200}, True)
        assert await running.ended() == 0


@pytest.mark.parametrize("dialect", list(Dialect))
async def test_at_the_drain_limit_a_client_is_told_in_its_dialect(dialect: Dialect) -> None:
    """An error event, then FIN without the last chunk: the one ending that every SDK understands."""
    async with (
        ScriptedUpstream([held_stream(dialect)]) as upstream,
        process(patient(upstream, drain_s="200ms")) as running,
        RawClient(running.port) as client,
    ):
        await client.post(PATHS[dialect], body(dialect, stream=True))
        await client.read_until(b"hello")
        running.signal(signal.SIGTERM)
        rest, ending = await client.read_to_end()
        client.close()
        code = await running.ended()

        assert (b"shutting" in rest, rest.endswith(b"0\r\n\r\n"), ending, code) == (True, False, "fin", 0)
        assert "1 answer cut short" in running.stderr.decode()
        assert json.loads(running.stdout.splitlines()[-1])["code"] == "shutting_down"


@WORKERS
async def test_a_second_signal_hurries(workers: str) -> None:
    """Whoever asks twice does not want to wait for a minute; the clients still learn why."""
    async with (
        ScriptedUpstream([held_stream()]) as upstream,
        process(patient(upstream), "--workers", workers) as running,
        RawClient(running.port) as client,
    ):
        await client.post(CHAT, body(stream=True))
        await client.read_until(b"hello")
        running.signal(signal.SIGTERM)
        await running.said(DRAINING)
        running.signal(signal.SIGTERM)
        rest, ending = await client.read_to_end()
        client.close()

        assert (b"shutting_down" in rest, ending, await running.ended()) == (True, "fin", 0)


@WORKERS
async def test_ctrl_c_does_not_wait_for_idle_clients(workers: str) -> None:
    """A person looks at a prompt that does not come back; what is under way is still finished."""
    async with (
        ScriptedUpstream(otherwise=lambda _: held_stream()) as upstream,
        process(patient(upstream), "--workers", workers) as running,
        RawClient(running.port) as idle,
        RawClient(running.port) as busy,
    ):
        await idle.get("/readyz")
        await idle.reply(to="GET")
        await busy.post(CHAT, body(stream=True))
        await busy.read_until(b"hello")
        running.signal(signal.SIGINT)
        left, _ = await idle.read_to_end()
        upstream.release()
        rest, _ = await busy.read_to_end()

        assert (left, rest.endswith(b"0\r\n\r\n"), await running.ended()) == (b"", True, 0)


async def test_signals_at_the_very_end_change_nothing() -> None:
    """Impatient supervisors send a signal after the other; an orderly end remains one."""
    async with ScriptedUpstream() as upstream, process(config_at(upstream)) as running:
        await _signal_to_the_end(running)

        assert await running.ended() == 0


async def _signal_to_the_end(running: GatewayProcess) -> None:
    ending = asyncio.ensure_future(running.ended())
    while not ending.done():
        try:
            running.signal(signal.SIGINT)
        except ProcessLookupError:
            break
        await asyncio.wait([ending], timeout=0.001)
    await ending
