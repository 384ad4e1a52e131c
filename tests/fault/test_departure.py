"""A client that leaves takes its upstream request with it, at once and in every phase.

Common stacks notice only when they next write, and nobody writes while a model thinks: those
tokens are paid for. Here the connection's end is seen whatever the exchange waits for.
"""

from __future__ import annotations

import asyncio
import socket
import statistics
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from plano.chat.dialect import Dialect
from tests.fault.asks import request
from tests.fault.baseline import held, turns, unharmed, until
from tests.fault.cuts import Cuts
from tests.fault.failing import begun
from tests.fault.nowhere import Place, deaf, full_backlog
from tests.fault.watched import gateway
from tests.wall.answers import CHAT_EVENTS
from tests.wall.answers import PLAIN as ANSWERS
from tests.wall.gateway import RunningGateway, config_at
from tests.wall.raw_client import RawClient
from tests.wall.script import EVENT_STREAM, JSON, Chunk, Head, Raw, Script, Stall

AT_ONCE_S = 0.25
"""What is promised for 99 of 100 departures; here it takes about a millisecond."""
GENEROUS_S = 1.0
"""What a busy machine may make of it."""

PLAIN = request(Dialect.OPENAI_CHAT)
STREAM = request(Dialect.OPENAI_CHAT, stream=True)
HEAD_BYTES = PLAIN.index(b"\r\n\r\n") + 4

WAYS = {
    "closes": RawClient.close,
    "resets": RawClient.reset,
    "half-closes": RawClient.half_close,
}


@dataclass(frozen=True, slots=True)
class Moment:
    """Where an exchange stands when its client leaves."""

    sent: bytes
    phase: str
    """As it is logged."""
    script: Script = ()
    """What the upstream has done by then; nothing sent there when empty."""
    read: bytes = b""
    """What the client has seen by then."""


def moments(dialect: Dialect) -> list[Any]:
    """All in which a client of the dialect may leave."""
    plain, stream = request(dialect), request(dialect, stream=True)
    head = plain.index(b"\r\n\r\n") + 4
    return [
        pytest.param(Moment(plain[: head // 2], "read"), id=f"{dialect.value}, sending headers"),
        pytest.param(Moment(plain[: head + 9], "read"), id=f"{dialect.value}, sending the body"),
        pytest.param(Moment(plain, "head", [Stall()]), id=f"{dialect.value}, waiting for the head"),
        pytest.param(
            Moment(stream, "head", [Stall()]), id=f"{dialect.value}, waiting for the head of a stream"
        ),
        pytest.param(
            Moment(
                plain,
                "content",
                [
                    Head(200, [*JSON, ("content-length", str(len(ANSWERS[dialect])))]),
                    Raw(ANSWERS[dialect][:100]),
                    Stall(),
                ],
            ),
            id=f"{dialect.value}, inside a plain answer",
        ),
        pytest.param(
            Moment(stream, "content", [Head(200, EVENT_STREAM), Stall()]),
            id=f"{dialect.value}, waiting for the first event",
        ),
        pytest.param(
            Moment(stream, "content", [Head(200, EVENT_STREAM), *map(Chunk, begun(dialect)[:-1]), Stall()]),
            id=f"{dialect.value}, waiting for the first content",
        ),
        pytest.param(
            Moment(
                stream,
                "stream",
                [Head(200, EVENT_STREAM), *map(Chunk, begun(dialect)), Stall()],
                read=begun(dialect)[-1],
            ),
            id=f"{dialect.value}, mid-stream",
        ),
    ]


MOMENTS = [moment for dialect in Dialect for moment in moments(dialect)]


async def assert_client_left(running: RunningGateway, phase: str) -> None:
    """The last line of the log tells of a departure in this phase."""
    (*_, line) = await running.logged(2)
    told = {key: line.get(key) for key in ("status", "code", "ending", "phase")}
    assert told == {"status": 499, "code": "client_left", "ending": "client_left", "phase": phase}


async def _leave(
    upstream: Cuts, running: RunningGateway, moment: Moment, leave: Callable[[RawClient], None]
) -> float:
    """Seconds from the departure to the end of the upstream connection; 0 where there was none."""
    upstream.script = moment.script or None
    number = len(upstream.attempts)
    async with RawClient(running.port) as client:
        await client.send(moment.sent)
        if moment.script:
            await upstream.attempt(number)
        if moment.read:
            await client.read_until(moment.read)
        await turns()
        left_at = asyncio.get_running_loop().time()
        leave(client)
        if not moment.script:
            await until(lambda: not running.worker.server.connections)
            return 0.0
        connection = upstream.attempts[number].connection
        async with asyncio.timeout(GENEROUS_S):
            await connection.gone.wait()
    assert connection.closed_at is not None
    return connection.closed_at - left_at


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("moment", MOMENTS)
async def test_a_client_that_leaves_takes_its_upstream_request_with_it(moment: Moment, way: str) -> None:
    """Closed within a quarter of a second, recorded as the client's doing, and nothing is left behind."""
    async with Cuts() as upstream, gateway(config_at(upstream)) as running:
        async with unharmed(running):
            await _leave(upstream, running, moment, WAYS[way])
            await assert_client_left(running, moment.phase)
        assert len(upstream.attempts) == 2 + bool(moment.script)


async def test_departures_are_noticed_within_a_quarter_of_a_second() -> None:
    """What is promised, over many departures in all phases with an upstream connection."""
    moments = [each for param in MOMENTS if isinstance(each := param.values[0], Moment) and each.script]
    async with Cuts() as upstream, gateway(config_at(upstream)) as running, unharmed(running):
        taken_s = [
            await _leave(upstream, running, moment, leave)
            for _ in range(8)
            for leave in WAYS.values()
            for moment in moments
        ]
        lines = await running.logged(1 + len(taken_s))

    assert statistics.quantiles(taken_s, n=100)[98] <= AT_ONCE_S
    assert [line["status"] for line in lines].count(499) == len(taken_s)


NOWHERE = [
    pytest.param(full_backlog, "http", id="in TCP"),
    pytest.param(deaf, "https", id="in TLS"),
]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("place", "scheme"), NOWHERE)
async def test_a_client_that_leaves_while_connecting_leaves_no_socket_behind(
    place: Place, scheme: str, way: str
) -> None:
    """The connect limit is for clients that wait; without one there is nothing to connect for."""
    async with Cuts() as upstream:
        with place() as port:
            config = config_at(upstream)
            config["model_providers"][1]["base_url"] = f"{scheme}://127.0.0.1:{port}"
            async with gateway(config) as running, unharmed(running) as before:
                async with RawClient(running.port) as client:
                    await client.send(request(Dialect.ANTHROPIC_MESSAGES))
                    # The client's socket, the gateway's side of it, and the one that connects.
                    await until(lambda: held(running).descriptors == before.descriptors + 3)
                    await turns()
                    WAYS[way](client)
                    await until(lambda: held(running).in_flight == 0, within_s=GENEROUS_S)
                await assert_client_left(running, "connect")


@pytest.mark.parametrize("way", WAYS)
async def test_a_client_that_leaves_while_its_request_is_not_taken_ends_it(way: str) -> None:
    """Half of a long request has gone up, and the upstream does not read the rest."""
    loop = asyncio.get_running_loop()
    body = b'{"model": "anthropic/claude-wall", "x": "%b"}' % (b"x" * 16_000_000)
    async with Cuts() as upstream:
        with socket.create_server(("127.0.0.1", 0)) as listening:
            listening.setblocking(False)
            config = config_at(upstream)
            config["model_providers"][1]["base_url"] = f"http://127.0.0.1:{listening.getsockname()[1]}"
            async with gateway(config) as running, unharmed(running):
                async with RawClient(running.port) as client:
                    await client.send(request(Dialect.ANTHROPIC_MESSAGES, body=body))
                    taking, _ = await loop.sock_accept(listening)
                    with taking:
                        taking.setblocking(False)
                        await loop.sock_recv(taking, 1)
                        WAYS[way](client)
                        await until(lambda: held(running).in_flight == 0, within_s=GENEROUS_S)
                await assert_client_left(running, "head")


@pytest.mark.parametrize("way", WAYS)
async def test_a_client_that_leaves_without_reading_its_stream_is_noticed(way: str) -> None:
    """Back-pressure pauses the upstream's side only: the client's end is seen with its answers unread."""
    flood: Script = [Head(200, EVENT_STREAM), *[Chunk(CHAT_EVENTS[1] * 4096)] * 64, Stall()]
    async with Cuts() as upstream, gateway(config_at(upstream)) as running, unharmed(running):
        upstream.script = flood
        async with RawClient(running.port, receive_buffer=4096) as client:
            await client.send(STREAM)
            await until(lambda: any(each.stalled for each in running.worker.server.connections))
            await turns()
            WAYS[way](client)
            connection = upstream.attempts[-1].connection
            async with asyncio.timeout(GENEROUS_S):
                await connection.gone.wait()
        await assert_client_left(running, "stream")


@pytest.mark.parametrize("way", WAYS)
async def test_a_client_that_leaves_between_requests_is_nobodys_failure(way: str) -> None:
    """Kept-alive connections end like this every day; the upstream's connection stays for the next one."""
    async with Cuts() as upstream, gateway(config_at(upstream)) as running, unharmed(running):
        async with RawClient(running.port) as client:
            for _ in range(2):
                await client.send(PLAIN)
                assert (await client.reply()).status == 200
            WAYS[way](client)
            await until(lambda: not running.worker.server.connections, within_s=GENEROUS_S)
        lines = await running.logged(3)

        assert [line["ending"] for line in lines] == ["answered"] * 3
        assert {attempt.connection.number for attempt in upstream.attempts} == {0}
