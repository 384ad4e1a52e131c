"""A client that reads slowly makes its upstream wait, holds little memory, and is dropped at last."""

from __future__ import annotations

import asyncio
import fcntl
import sys
import termios

import pytest

from plano.bootstrap import UNSENT_BYTES
from plano.chat.dialect import Dialect
from plano.http1.client import READ_BYTES
from plano.http1.limits import KIB, ServerLimits
from tests.fault.asks import request
from tests.fault.baseline import turns, unharmed, until
from tests.fault.cuts import Cuts
from tests.fault.told import told
from tests.fault.watched import gateway
from tests.wall.answers import CHAT_EVENTS
from tests.wall.gateway import RunningGateway, config_at, listener
from tests.wall.raw_client import RawClient
from tests.wall.script import EVENT_STREAM, Chunk, Head, LastChunk, Script

FLOOD = CHAT_EVENTS[1] * 1024
"""About a quarter of a mebibyte."""
ENDLESS: Script = [Head(200, EVENT_STREAM), *[Chunk(FLOOD)] * 400]
"""A hundred mebibytes: more than every buffer between here and there."""
STREAM = request(Dialect.OPENAI_CHAT, stream=True)
DROPPED_WITHIN_S = 2.0


def _unread(running: RunningGateway) -> int:
    """What the gateway holds for its only client."""
    (connection,) = running.worker.server.connections
    return 0 if connection.transport is None else connection.transport.get_write_buffer_size()


async def _until_stalled(running: RunningGateway) -> None:
    await until(lambda: any(connection.stalled for connection in running.worker.server.connections))
    await turns(100)


async def test_a_client_that_does_not_read_stops_its_upstream() -> None:
    """No more is held for it than the limit and one read: a thousand such clients are affordable."""
    limit = ServerLimits().held_reply_bytes
    async with Cuts() as upstream, gateway(config_at(upstream)) as running, unharmed(running):
        upstream.script = ENDLESS
        async with RawClient(running.port, receive_buffer=4096) as client:
            await client.send(STREAM)
            await _until_stalled(running)
            unread = _unread(running)
            attempt = upstream.attempts[1]

            assert limit < unread <= limit + READ_BYTES + 4 * KIB
            assert not attempt.finished.is_set()
            assert not attempt.connection.gone.is_set()


@pytest.mark.skipif(sys.platform != "linux", reason="how much the kernel holds is asked for in Linux' way")
async def test_the_kernel_holds_little_for_it_too() -> None:
    """Left to itself it takes some megabytes of each stream that nobody reads."""
    async with Cuts() as upstream, gateway(config_at(upstream)) as running, unharmed(running):
        upstream.script = ENDLESS
        async with RawClient(running.port, receive_buffer=4096) as client:
            await client.send(STREAM)
            await _until_stalled(running)
            (connection,) = running.worker.server.connections
            assert connection.transport is not None
            held = bytearray(4)
            fcntl.ioctl(connection.transport.get_extra_info("socket").fileno(), termios.TIOCOUTQ, held)

    assert 0 < int.from_bytes(held, sys.byteorder) <= UNSENT_BYTES + READ_BYTES


async def test_a_client_that_takes_nothing_is_dropped_at_the_stall_limit() -> None:
    """Whoever does not read for so long has gone, whatever its kernel says; its upstream is let go."""
    async with (
        Cuts() as upstream,
        gateway(config_at(upstream, **listener(client_stall_s="200ms"))) as running,
        unharmed(running),
    ):
        upstream.script = ENDLESS
        async with RawClient(running.port, receive_buffer=4096) as client:
            await client.send(STREAM)
            await until(lambda: len(upstream.attempts) == 2)
            async with asyncio.timeout(DROPPED_WITHIN_S):
                await upstream.attempts[1].connection.gone.wait()
            received, ended = await client.read_to_end()
        (_, line) = await running.logged(2)

    assert not received.endswith(LastChunk().wire())
    assert ended == "rst"  # behind a FIN the kernel would keep for minutes what nobody reads
    told_of = {key: line.get(key) for key in ("status", "code", "ending", "phase")}
    assert told_of == {"status": 499, "code": "client_left", "ending": "client_left", "phase": "stream"}


async def test_a_client_that_reads_slowly_is_not_dropped() -> None:
    """Slow is not gone: what counts is that something is taken, not how long all of it takes."""
    floods = 64
    script: Script = [
        Head(200, EVENT_STREAM),
        *[Chunk(FLOOD)] * floods,
        *map(Chunk, CHAT_EVENTS[4:]),
        LastChunk(),
    ]
    async with (
        Cuts() as upstream,
        gateway(config_at(upstream, **listener(client_stall_s="250ms"))) as running,
    ):
        upstream.script = script
        async with RawClient(running.port, receive_buffer=64 * KIB) as client:
            await client.send(request(Dialect.OPENAI_CHAT, "connection: close", stream=True))
            await _until_stalled(running)
            finished = asyncio.ensure_future(upstream.attempts[0].finished.wait())
            received = bytearray()
            while not finished.done():
                for _ in range(64):
                    received += await client.read()
                await asyncio.wait([finished], timeout=0.08)
            rest, ended = await client.read_to_end()

    reply = told(bytes(received) + rest, ended)
    assert (reply.whole, reply.body) == (True, FLOOD * floods + b"".join(CHAT_EVENTS[4:]))


async def test_an_answer_that_is_not_fetched_yet_does_not_keep_its_upstream() -> None:
    """The upstream is free as soon as it has answered; the rest is between the gateway and its client."""
    body = [*[FLOOD] * 32, *CHAT_EVENTS[4:]]
    limits = listener(held_reply_bytes="16MiB")
    async with Cuts() as upstream, gateway(config_at(upstream, **limits)) as running, unharmed(running):
        upstream.script = [Head(200, EVENT_STREAM), *map(Chunk, body), LastChunk()]
        async with RawClient(running.port, receive_buffer=4096) as client:
            await client.send(request(Dialect.OPENAI_CHAT, "connection: close", stream=True))
            (_, line) = await running.logged(2)
            unread = _unread(running)
            reply = told(*await client.read_to_end())

        assert unread > 0
        assert (line["status"], line["phase"], line["ending"]) == (200, "done", "answered")
        assert (reply.whole, reply.body) == (True, b"".join(body))
