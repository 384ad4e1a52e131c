"""Requests sent without waiting: answered one after the other, in order, and not begun once nobody waits."""

from __future__ import annotations

from plano.chat.dialect import Dialect
from tests.fault.asks import request
from tests.fault.baseline import unharmed, until
from tests.fault.cuts import STREAMS, TERMINAL, Cuts, cut_stream
from tests.fault.watched import gateway
from tests.wall.answers import CHAT_EVENTS, PLAIN
from tests.wall.gateway import config_at
from tests.wall.raw_client import RawClient
from tests.wall.script import EVENT_STREAM, Chunk, Head, LastChunk, Pause, Script, Stall

CHAT = Dialect.OPENAI_CHAT
MESSAGES = Dialect.ANTHROPIC_MESSAGES
RESPONSES = Dialect.OPENAI_RESPONSES


def _named(number: int, dialect: Dialect, *, stream: bool) -> bytes:
    return request(dialect, f"x-request-id: n{number}", stream=stream)


async def test_pipelined_requests_are_answered_in_order_streams_among_them() -> None:
    """Whatever takes long, nothing overtakes: HTTP/1.1 has no other way to tell answers apart."""
    asked = [(dialect, stream) for dialect in Dialect for stream in (True, False)] * 3
    wire = b"".join(_named(number, dialect, stream=stream) for number, (dialect, stream) in enumerate(asked))
    async with Cuts() as upstream, gateway(config_at(upstream)) as running, unharmed(running):
        async with RawClient(running.port) as client:
            await client.send(wire)
            replies = [await client.reply() for _ in asked]

        assert [reply.header("x-request-id") for reply in replies] == [f"n{n}" for n in range(len(asked))]
        expected = [STREAMS[dialect] if stream else PLAIN[dialect] for dialect, stream in asked]
        assert [(reply.status, reply.body) for reply in replies] == [(200, body) for body in expected]
        assert len(upstream.attempts) == 1 + len(asked)


async def test_the_next_request_is_not_begun_before_the_answer_is_out() -> None:
    """One client connection costs one upstream connection, however much it sends ahead."""
    slow: Script = [
        Head(200, EVENT_STREAM),
        *map(Chunk, CHAT_EVENTS[:2]),
        Pause(),
        *map(Chunk, CHAT_EVENTS[2:]),
        LastChunk(),
    ]
    async with Cuts() as upstream, gateway(config_at(upstream)) as running, unharmed(running):
        upstream.script = slow
        async with RawClient(running.port) as client:
            await client.send(_named(0, CHAT, stream=True) + _named(1, CHAT, stream=False))
            await client.read_until(CHAT_EVENTS[1])
            attempts = len(upstream.attempts)
            upstream.release()
            received = await client.read_until(PLAIN[CHAT])

        assert (attempts, len(upstream.attempts)) == (2, 3)
        assert received.index(b"data: [DONE]") < received.index(b"x-request-id: n1")


async def test_errors_keep_their_place_and_a_malformed_request_comes_last() -> None:
    """Everything before the doubt is answered; nothing after it is read."""
    wire = [
        _named(0, CHAT, stream=False),
        b"GET /nowhere HTTP/1.1\r\nhost: wall\r\n\r\n",
        request(MESSAGES, body=b"{"),
        b"PUT /v1/messages HTTP/1.1\r\nhost: wall\r\ncontent-length: 0\r\n\r\n",
        _named(1, RESPONSES, stream=True),
        b"GET /v1/models HTTP/1.1\r\nhost: wall\r\n\r\n",
        b"POST /v1/messages HTTP/1.1\r\nhost: wall\r\nhost: wall\r\n\r\n",
        _named(2, CHAT, stream=False),
    ]
    async with Cuts() as upstream, gateway(config_at(upstream)) as running, unharmed(running):
        async with RawClient(running.port) as client:
            await client.send(b"".join(wire))
            replies = [await client.reply() for _ in wire[:-1]]
            rest = await client.read_to_end()

        assert [reply.status for reply in replies] == [200, 404, 400, 405, 200, 200, 400]
        assert [reply.whole for reply in replies] == [True] * 7
        assert (rest, len(upstream.attempts)) == ((b"", "fin"), 3)


async def test_a_loud_ending_is_the_last_of_its_connection() -> None:
    """The client cannot know where the next answer would begin, so there is none."""
    cut = cut_stream(CHAT, "reset", len(b"".join(CHAT_EVENTS[: TERMINAL[CHAT]])))
    async with Cuts() as upstream, gateway(config_at(upstream)) as running, unharmed(running):
        upstream.script = cut
        async with RawClient(running.port) as client:
            await client.send(_named(0, CHAT, stream=True) + _named(1, CHAT, stream=False))
            received, ended = await client.read_to_end()

        assert (received.count(b"HTTP/1.1 "), ended, len(upstream.attempts)) == (1, "fin", 2)
        assert b'"code":"upstream_broke"' in received


async def test_a_client_that_leaves_takes_what_it_sent_ahead_with_it() -> None:
    """Requests that nobody waits for are not begun."""
    async with Cuts() as upstream, gateway(config_at(upstream)) as running, unharmed(running):
        upstream.script = [Stall()]
        async with RawClient(running.port) as client:
            await client.send(b"".join(_named(number, CHAT, stream=False) for number in range(5)))
            await upstream.attempt(1)
        await until(lambda: not running.worker.server.connections)

        assert len(upstream.attempts) == 2


async def test_more_than_may_wait_is_answered_as_far_as_it_was_read() -> None:
    """What lies behind the limit is not read; the client sees a close behind whole answers, and sends
    the rest again."""
    count = 200
    async with Cuts() as upstream, gateway(config_at(upstream)) as running, unharmed(running):
        async with RawClient(running.port) as client:
            await client.send(b"".join(_named(number, CHAT, stream=False) for number in range(count)))
            received, ended = await client.read_to_end()

        answered = received.count(b"HTTP/1.1 200 ")
        assert 1 < answered < count
        assert (ended, received.endswith(PLAIN[CHAT])) == ("fin", True)
        assert (received.count(b"connection: close"), len(upstream.attempts)) == (1, 1 + answered)
