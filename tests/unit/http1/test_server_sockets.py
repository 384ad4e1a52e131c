"""The server's edge on real sockets, on both event loops: what only a kernel can show."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from plano.http1.connection import SHED_AT_ONCE
from plano.http1.limits import KIB, MIB, ServerLimits
from plano.http1.reply import Reply
from plano.http1.request import Request
from tests.unit.http1.clients import Answer, Desk, Faucet, answers, chunked, get, post, serving
from tests.wall.raw_client import RawClient

PATIENCE_S = 10.0


class Stream:
    """Begins an answer, then ends it as it is told."""

    def __init__(self) -> None:
        self.begun = asyncio.Event()
        self.ended = asyncio.Event()
        self.end_it = asyncio.Event()
        self.cancelled = False
        self.reply: Reply | None = None

    async def __call__(self, request: Request, reply: Reply) -> None:
        self.reply = reply
        reply.start(200, b"", None)
        reply.write(b"data: a\n\n")
        reply.flush()
        self.begun.set()
        try:
            await self.end_it.wait()
            reply.write(b"event: error\n\n")
            reply.end_loudly()
        except asyncio.CancelledError:
            self.cancelled = True
            raise
        finally:
            self.ended.set()


async def test_a_conversation() -> None:
    """Kept alive, pipelined, by chunks, and closed when asked."""
    async with serving(Desk()) as (_, port), RawClient(port) as client:
        await client.send(get("/a") + post("/b", b"x") + chunked("/c", b"y"))
        await client.send(get("/d", "Connection: close"))
        received, end = await client.read_to_end()

    expected = [b"GET /a ", b"POST /b x", b"POST /c y", b"GET /d "]
    assert ([each.body for each in answers(received)], end) == (expected, "fin")


async def test_a_flood_of_connections_is_answered_and_holds_nothing() -> None:
    """Clients that wait for more than their 503 cannot take the descriptors of those being served."""
    async with (
        serving(Desk(), ServerLimits(max_connections=1)) as (server, port),
        contextlib.AsyncExitStack() as stack,
    ):
        flood = [await stack.enter_async_context(RawClient(port)) for _ in range(SHED_AT_ONCE + 20)]
        told = [await client.read_to_end() for client in flood[1:]]
        held = len(server.connections)

    assert [[each.status for each in answers(received)] for received, _ in told] == [[503]] * len(told)
    assert held <= 1 + SHED_AT_ONCE


@pytest.mark.parametrize("unread", [b"", get() * 50, b"x" * MIB], ids=["quiet", "pipelined", "flooding"])
async def test_a_loud_ending_is_a_fin_behind_every_byte(unread: bytes) -> None:
    """A RST could discard the error event unread; one comes from closing a socket with unread input, so the
    end must wait for a client that still sends."""
    stream = Stream()
    async with serving(stream) as (_, port), RawClient(port) as client:
        await client.send(get())
        async with asyncio.timeout(PATIENCE_S):
            await stream.begun.wait()
        await client.send(unread)
        stream.end_it.set()
        async with asyncio.timeout(PATIENCE_S):
            await stream.ended.wait()
        await client.send(unread)
        received, end = await client.read_to_end()

    expected = [Answer(200, b"data: a\n\nevent: error\n\n", whole=False)]
    assert (answers(received), end) == (expected, "fin")


async def test_a_last_answer_survives_what_the_client_still_sends() -> None:
    """The same for a clean end: the answer that says `close`, with more requests behind it."""
    async with serving(Desk()) as (_, port), RawClient(port) as client:
        await client.send(get("/a", "Connection: close") + get() * 50)
        await client.send(b"x" * MIB)
        received, end = await client.read_to_end()

    assert (answers(received), end) == ([Answer(200, b"GET /a ", closes=True)], "fin")


@pytest.mark.parametrize(
    "data",
    [post("/", b"x" * (3 * MIB)), chunked("/", *[b"x" * (64 * KIB)] * 48)],
    ids=["sized", "chunked"],
)
async def test_a_client_that_sends_too_much_gets_to_read_why(data: bytes) -> None:
    """It sends the whole body before it reads anything; a reset would tell it nothing."""
    async with serving(Desk(), ServerLimits(body_bytes=MIB)) as (_, port), RawClient(port) as client:
        await client.send(data)
        received, end = await client.read_to_end()

    assert (answers(received), end) == ([Answer(413, b"body_too_large", closes=True)], "fin")


async def test_an_http_1_0_answer_cut_short_is_not_taken_for_whole() -> None:
    """There the end of the connection completes the body: only a reset says that it is not complete. What was
    written before is read all the same."""
    stream = Stream()
    async with serving(stream) as (_, port), RawClient(port) as client:
        await client.send(b"GET / HTTP/1.0\r\n\r\n")
        received = await client.read_until(b"data: a\n\n")
        stream.end_it.set()
        rest, end = await client.read_to_end()

    assert (received[-9:], end) == (b"data: a\n\n", "rst")
    assert rest in (b"event: error\n\n", b"")


@pytest.mark.parametrize("reset", [False, True], ids=["FIN", "RST"])
async def test_departure_is_noticed_while_nothing_is_written(reset: bool) -> None:
    """The upstream is silent, so no failing write would ever tell."""
    stream = Stream()
    async with serving(stream) as (server, port):
        async with RawClient(port) as client:
            await client.send(get())
            await client.read_until(b"data: a\n\n")
            if reset:
                client.reset()
        async with asyncio.timeout(PATIENCE_S):
            await stream.ended.wait()
            await server.idle.wait()

    assert (stream.cancelled, server.connections, server.buffered_bytes) == (True, set(), 0)


async def test_a_departed_client_may_still_be_written_to() -> None:
    """Between its departure and our hearing of it whoever relays goes on writing: on no loop an error."""
    stream = Stream()
    async with serving(stream) as (server, port), RawClient(port) as client:
        await client.send(get())
        await client.read_until(b"data: a\n\n")
        reply = stream.reply
        assert reply is not None
        server.abort()
        reply.write(b"more")
        reply.flush()
        reply.end_loudly()
        async with asyncio.timeout(PATIENCE_S):
            await server.idle.wait()

    assert reply.ended


async def test_a_slow_reader_holds_little_and_gets_everything() -> None:
    """Its stream is paused upstream; here wait the limit and one read, whatever the whole is."""
    limits = ServerLimits(held_reply_bytes=64 * KIB)
    piece = b"x" * (16 * KIB)
    faucet = PacedFaucet()
    most_held = 0

    async def handler(request: Request, reply: Reply) -> None:
        nonlocal most_held
        reply.attach(faucet)
        reply.start(200, b"", 512 * len(piece))
        connection = next(iter(server.connections))
        assert connection.transport is not None
        for _ in range(512):
            await faucet.open.wait()
            reply.write(piece)
            reply.flush()
            most_held = max(most_held, connection.transport.get_write_buffer_size())
        reply.end()

    async with serving(handler, limits) as (server, port), RawClient(port, receive_buffer=8 * KIB) as client:
        await client.send(get("/", "Connection: close"))
        async with asyncio.timeout(PATIENCE_S):
            await faucet.shut.wait()
        received, end = await client.read_to_end()

    assert (len(received.partition(b"\r\n\r\n")[2]), end) == (512 * len(piece), "fin")
    assert most_held <= limits.held_reply_bytes + len(piece) + 100


class PacedFaucet(Faucet):
    def __init__(self) -> None:
        super().__init__()
        self.open = asyncio.Event()
        self.open.set()
        self.shut = asyncio.Event()

    def pause(self) -> None:
        self.open.clear()
        self.shut.set()

    def resume(self) -> None:
        self.open.set()


async def test_a_drained_server_loses_no_request() -> None:
    """Clients on kept connections go on sending until they are told; each gets an answer to all it sent
    before it was told."""
    told = 0
    async with serving(Desk()) as (server, port):

        async def converse() -> None:
            nonlocal told
            async with RawClient(port) as client:
                while True:
                    await client.get("/a")
                    reply = await client.reply(to="GET")
                    assert (reply.status, reply.whole) == (200, True)
                    if reply.header("connection") == "close":
                        told += 1
                        return
                    await asyncio.sleep(0)

        async with asyncio.timeout(PATIENCE_S), asyncio.TaskGroup() as group:
            for _ in range(10):
                group.create_task(converse())
            await asyncio.sleep(0)
            server.drain()
        async with asyncio.timeout(PATIENCE_S):
            await server.idle.wait()

    assert told == 10


async def test_the_request_knows_who_asked() -> None:
    """The address goes into the access log."""
    desk = Desk()
    async with serving(desk) as (_, port), RawClient(port) as client:
        await client.get("/a")
        await client.reply(to="GET")

    assert [request.client for request in desk.asked] == ["127.0.0.1"]
