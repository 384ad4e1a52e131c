"""An upstream that says nothing, or nothing that matters, is given up at the limit that applies.

It is told so by the end of its connection, and the client by an error: with its status while
nothing has gone out, as the stream's last event afterwards.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

import pytest

from plano.chat.dialect import Dialect
from tests.fault.asks import answered, request
from tests.fault.baseline import unharmed
from tests.fault.cuts import FIRST_CONTENT, Cuts
from tests.fault.nowhere import Place, deaf, full_backlog
from tests.fault.told import Told, error_in_event, events_in, told
from tests.fault.watched import gateway
from tests.wall.answers import CHAT, CHAT_EVENTS, EVENTS
from tests.wall.gateway import config_at, listener
from tests.wall.raw_client import RawClient
from tests.wall.script import EVENT_STREAM, JSON, Chunk, Head, LastChunk, Pause, Raw, Script, Stall

SHORT = "150ms"
LONG = "20s"
"""Not reached in any test that passes."""
CLOSED_WITHIN_S = 1.0

STREAM_HEAD = Head(200, EVENT_STREAM)
PRELUDE = CHAT_EVENTS[: FIRST_CONTENT[Dialect.OPENAI_CHAT]]
CONTENT = CHAT_EVENTS[: FIRST_CONTENT[Dialect.OPENAI_CHAT] + 1]


@dataclass(frozen=True, slots=True)
class Limits:
    """The three that an upstream can reach."""

    first_byte_s: str = LONG
    silence_s: str = LONG
    exchange_s: str = LONG

    def config(self) -> dict[str, object]:
        return listener(first_byte_s=self.first_byte_s, silence_s=self.silence_s, exchange_s=self.exchange_s)


FIRST_BYTE = Limits(first_byte_s=SHORT)
SILENCE = Limits(silence_s=SHORT)
EXCHANGE = Limits(exchange_s=SHORT)


def _trickle(step: Raw | Chunk) -> Sequence[Pause | Raw | Chunk]:
    """Again and again, one at a time: long before any silence limit, and without an end."""
    return [Pause(), step] * 500


UNCOMMITTED = [
    pytest.param(FIRST_BYTE, False, [Stall()], "head", id="no head"),
    pytest.param(FIRST_BYTE, True, [Stall()], "head", id="no head of a stream"),
    pytest.param(FIRST_BYTE, True, [STREAM_HEAD, Stall()], "content", id="a head and no event"),
    pytest.param(FIRST_BYTE, True, [STREAM_HEAD, *map(Chunk, PRELUDE), Stall()], "content", id="prelude"),
    pytest.param(
        FIRST_BYTE, True, [STREAM_HEAD, *_trickle(Chunk(b": still here\n\n"))], "content", id="comments alone"
    ),
    pytest.param(
        FIRST_BYTE,
        True,
        [STREAM_HEAD, *map(Chunk, PRELUDE), *_trickle(Chunk(PRELUDE[0]))],
        "content",
        id="prelude again and again",
    ),
    pytest.param(FIRST_BYTE, True, [STREAM_HEAD, *_trickle(Chunk(b":"))], "content", id="one long comment"),
    pytest.param(
        FIRST_BYTE,
        False,
        [Raw(b"HTTP/1.1 200 OK\r\nx-a: "), *_trickle(Raw(b"a"))],
        "head",
        id="endless head",
    ),
    pytest.param(
        FIRST_BYTE,
        False,
        _trickle(Raw(b"HTTP/1.1 102 Processing\r\n\r\n")),
        "head",
        id="interim answers",
    ),
    pytest.param(SILENCE, True, [STREAM_HEAD, Stall()], "content", id="silence behind the head of a stream"),
    pytest.param(
        SILENCE,
        False,
        [Head(200, [*JSON, ("content-length", str(len(CHAT)))]), Raw(CHAT[:-1]), Stall()],
        "content",
        id="silence inside a plain answer",
    ),
    pytest.param(EXCHANGE, False, [Stall()], "head", id="no head, and no time left"),
    pytest.param(
        EXCHANGE,
        False,
        [Head(), *_trickle(Chunk(b" "))],
        "content",
        id="blanks, and no time left",
    ),
]


async def _answer(upstream: Cuts, port: int, wire: bytes) -> Told:
    """The answer to `wire`, while whatever the upstream pauses at is let go every few milliseconds."""
    async with asyncio.TaskGroup() as group:
        answering = group.create_task(answered(port, wire))
        while not answering.done():
            await asyncio.wait([answering], timeout=0.01)
            upstream.release()
    return answering.result()


async def _gone(upstream: Cuts) -> None:
    upstream.release()
    async with asyncio.timeout(CLOSED_WITHIN_S):
        await upstream.attempts[1].connection.gone.wait()


@pytest.mark.parametrize(("limits", "stream", "script", "phase"), UNCOMMITTED)
async def test_silence_before_the_first_content_is_an_error_with_its_status(
    limits: Limits, stream: bool, script: Script, phase: str
) -> None:
    """Nothing has gone out, so the client gets a 504 that its library can retry."""
    more = limits.config()
    async with Cuts() as upstream, gateway(config_at(upstream, **more)) as running, unharmed(running):
        upstream.script = script
        wire = request(Dialect.OPENAI_CHAT, "connection: close", stream=stream)
        reply = await _answer(upstream, running.port, wire)
        await _gone(upstream)
        (_, line) = await running.logged(2)

    assert (reply.status, reply.error(Dialect.OPENAI_CHAT)["code"]) == (504, "upstream_timeout")
    told_of = {key: line.get(key) for key in ("status", "code", "ending", "phase")}
    assert told_of == {
        "status": 504,
        "code": "upstream_timeout",
        "ending": "upstream_failed",
        "phase": phase,
    }


@pytest.mark.parametrize("dialect", list(Dialect))
@pytest.mark.parametrize(
    ("limits", "comments"),
    [
        pytest.param(SILENCE, False, id="silence"),
        pytest.param(EXCHANGE, False, id="silence until the exchange must be over"),
        pytest.param(EXCHANGE, True, id="comments until the exchange must be over"),
    ],
)
async def test_a_stall_in_mid_stream_is_told_in_the_stream(
    limits: Limits, comments: bool, dialect: Dialect
) -> None:
    """Content has gone out: the client sees the error event, and no end that could pass for one."""
    events = EVENTS[dialect][: FIRST_CONTENT[dialect] + 1]
    rest: Script = _trickle(Chunk(b": still here\n\n")) if comments else [Stall()]
    more = limits.config()
    async with Cuts() as upstream, gateway(config_at(upstream, **more)) as running, unharmed(running):
        upstream.script = [STREAM_HEAD, *map(Chunk, events), *rest]
        reply = await _answer(upstream, running.port, request(dialect, "connection: close", stream=True))
        await _gone(upstream)
        (_, line) = await running.logged(2)

    *relayed, last = [event for event in events_in(reply.body) if not event.startswith(b":")]
    error = error_in_event(dialect, last)
    assert (reply.status, relayed, reply.loud) == (200, events, True)
    assert error.get("code", error["type"]) in ("upstream_timeout", "timeout_error")
    assert (line["code"], line["phase"], line["ending"]) == ("upstream_timeout", "stream", "upstream_failed")


async def test_comments_in_mid_stream_keep_it_alive() -> None:
    """Providers say that they are still there while a tool runs: that is what comments are for."""
    comments = _trickle(Chunk(b": still here\n\n"))[:80]
    rest = CHAT_EVENTS[len(CONTENT) :]
    script: Script = [STREAM_HEAD, *map(Chunk, CONTENT), *comments, *map(Chunk, rest), LastChunk()]
    limits = Limits(silence_s=SHORT, first_byte_s=SHORT)
    async with Cuts() as upstream, gateway(config_at(upstream, **limits.config())) as running:
        upstream.script = script
        reply = await _answer(
            upstream, running.port, request(Dialect.OPENAI_CHAT, "connection: close", stream=True)
        )

    events = [event for event in events_in(reply.body) if not event.startswith(b":")]
    assert (reply.status, events, reply.whole) == (200, CHAT_EVENTS, True)


async def test_a_slow_reader_does_not_make_its_upstream_silent() -> None:
    """While the gateway does not read, nobody can tell how long the upstream has been quiet."""
    flood = CHAT_EVENTS[1] * 4096
    script: Script = [STREAM_HEAD, *[Chunk(flood)] * 16, *map(Chunk, CHAT_EVENTS[-3:]), LastChunk()]
    limits = Limits(silence_s=SHORT)
    async with Cuts() as upstream, gateway(config_at(upstream, **limits.config())) as running:
        upstream.script = script
        async with RawClient(running.port, receive_buffer=4096) as client:
            await client.send(request(Dialect.OPENAI_CHAT, "connection: close", stream=True))
            attempt = await upstream.attempt(0)
            finished = asyncio.ensure_future(attempt.finished.wait())
            await asyncio.wait([finished], timeout=0.5)
            was_stalled = not finished.done()
            reply = told(*await client.read_to_end())
            await finished

    assert (was_stalled, reply.whole) == (True, True)
    assert reply.body == flood * 16 + b"".join(CHAT_EVENTS[-3:])


NOWHERE = [
    pytest.param(full_backlog, "http", id="TCP"),
    pytest.param(deaf, "https", id="TLS"),
]


@pytest.mark.parametrize(("place", "scheme"), NOWHERE)
async def test_connecting_takes_no_longer_than_its_limit(place: Place, scheme: str) -> None:
    """A black hole in the network is an error in a moment, not in two minutes."""
    async with Cuts() as upstream:
        with place() as port:
            config = config_at(upstream, overrides={"upstream_connect_timeout": SHORT})
            config["model_providers"][1]["base_url"] = f"{scheme}://127.0.0.1:{port}"
            async with gateway(config) as running, unharmed(running):
                reply = await answered(running.port, request(Dialect.ANTHROPIC_MESSAGES, "connection: close"))
                (_, line) = await running.logged(2)

    assert (reply.status, reply.error(Dialect.ANTHROPIC_MESSAGES)["type"]) == (504, "timeout_error")
    assert (line["code"], line["phase"]) == ("upstream_timeout", "connect")


async def test_an_upstream_that_does_not_take_the_request_is_given_up() -> None:
    """It has accepted the connection and reads nothing: the request can never be answered."""
    body = b'{"model": "anthropic/claude-wall", "messages": ["%b"]}' % (b"x" * 16_000_000)
    async with Cuts() as upstream:
        with deaf() as port:
            config = config_at(upstream, **SILENCE.config())
            config["model_providers"][1]["base_url"] = f"http://127.0.0.1:{port}"
            async with gateway(config) as running, unharmed(running):
                wire = request(Dialect.ANTHROPIC_MESSAGES, "connection: close", body=body)
                reply = await answered(running.port, wire)

    assert (reply.status, reply.error(Dialect.ANTHROPIC_MESSAGES)["type"]) == (504, "timeout_error")
