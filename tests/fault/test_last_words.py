"""A provider's last words: errors that quote the key or speak another dialect, and ends that do not come."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from plano.chat.dialect import Dialect
from tests.fault.asks import answered, asked, request, soon
from tests.fault.baseline import unharmed
from tests.fault.cuts import ASKED_AGAIN, FIRST_CONTENT, STREAMS, Cuts
from tests.fault.test_upstream_errors import ERROR_EVENTS
from tests.fault.told import error_in_event, events_in
from tests.fault.watched import gateway
from tests.wall.answers import EVENTS, refusal
from tests.wall.gateway import UPSTREAM_KEY, config_at, listener
from tests.wall.script import EVENT_STREAM, Chunk, Head, Raw, Script, Stall, chunked, sized

CHAT = Dialect.OPENAI_CHAT
MESSAGES = Dialect.ANTHROPIC_MESSAGES
RESPONSES = Dialect.OPENAI_RESPONSES
PATIENT = listener(silence_s="20s", first_byte_s="20s", exchange_s="30s")
"""Longer than any test that passes."""
STREAM_HEAD = Head(200, EVENT_STREAM)


def begun(dialect: Dialect) -> list[bytes]:
    return EVENTS[dialect][: FIRST_CONTENT[dialect] + 1]


# --- the operator's key ---

QUOTED = f"Bearer {UPSTREAM_KEY} may not do that"
WITHHELD = QUOTED.replace(UPSTREAM_KEY, "***")


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("dialect", list(Dialect))
@pytest.mark.parametrize("status", [400, 404, 409, 422, 429, 500, 501, 503, 529])
async def test_an_error_that_quotes_the_key_is_passed_on_without_it(
    status: int, dialect: Dialect, stream: bool
) -> None:
    """Else it is the provider's, byte for byte; a field that is no time is not passed on at all."""
    script = refusal(status, dialect, message=QUOTED, headers=(("retry-after", UPSTREAM_KEY),))
    async with Cuts() as upstream, gateway(config_at(upstream)) as running, unharmed(running):
        upstream.script, upstream.times = script, 2 if status in ASKED_AGAIN else 1
        reply = await asked(running.port, dialect, stream=stream)

        assert isinstance(script[1], Raw)
        told = script[1].data.replace(UPSTREAM_KEY.encode(), b"***")
        assert (reply.status, reply.body, reply.whole) == (status, told, True)
        assert "retry-after" not in reply.headers


def _quoting(dialect: Dialect, kind: str) -> bytes:
    error = {"type": kind, "code": kind, "message": QUOTED, "param": None}
    found: dict[str, Any] = {"error": error} if dialect is CHAT else {"type": "error", "error": error}
    name = b"" if dialect is CHAT else b"event: error\n"
    return name + b"data: " + json.dumps(found).encode() + b"\n\n"


@pytest.mark.parametrize("dialect", list(Dialect))
async def test_an_error_event_that_quotes_the_key_is_relayed_without_it(dialect: Dialect) -> None:
    """What went out before it stays as it was."""
    event = _quoting(dialect, "server_error")
    async with Cuts() as upstream, gateway(config_at(upstream)) as running, unharmed(running):
        upstream.script = chunked([*begun(dialect), event])
        reply = await asked(running.port, dialect, stream=True)

        told = event.replace(UPSTREAM_KEY.encode(), b"***")
        assert (reply.status, reply.body, reply.loud) == (200, b"".join([*begun(dialect), told]), True)


@pytest.mark.parametrize(
    ("dialect", "kind"),
    [(CHAT, "invalid_api_key"), (MESSAGES, "authentication_error"), (RESPONSES, "invalid_api_key")],
)
async def test_a_key_that_is_refused_in_mid_stream_is_told_in_our_words(dialect: Dialect, kind: str) -> None:
    """As before the content."""
    async with Cuts() as upstream, gateway(config_at(upstream)) as running, unharmed(running):
        upstream.script = chunked([*begun(dialect), _quoting(dialect, kind)])
        reply = await asked(running.port, dialect, stream=True)
        (_, line) = await running.logged(2)

        *relayed, last = events_in(reply.body)
        assert (relayed, reply.loud, line["code"]) == (begun(dialect), True, "upstream_auth")
        assert error_in_event(dialect, last).get("code", "upstream_auth") == "upstream_auth"
        assert b"may not do that" not in last


# --- ends that do not come ---


@pytest.mark.parametrize("dialect", list(Dialect))
async def test_an_error_event_is_the_end_although_the_provider_goes_on(dialect: Dialect) -> None:
    """It is told once, at once, and the provider's connection is closed."""
    event = ERROR_EVENTS[dialect]
    async with Cuts() as upstream, gateway(config_at(upstream, **PATIENT)) as running, unharmed(running):
        upstream.script = [STREAM_HEAD, *map(Chunk, [*begun(dialect), event]), Stall()]
        reply = await soon(asked(running.port, dialect, stream=True))
        await upstream.attempts[1].gone()
        (_, line) = await running.logged(2)

        assert (reply.status, reply.body, reply.loud) == (200, b"".join([*begun(dialect), event]), True)
        assert (line["code"], line["ending"]) == ("upstream_error", "upstream_failed")


@pytest.mark.parametrize("dialect", list(Dialect))
async def test_a_provider_that_has_said_all_and_stays_keeps_nobody_waiting(dialect: Dialect) -> None:
    """The answer is whole, and a success; the connection will not be asked again."""
    async with Cuts() as upstream, gateway(config_at(upstream, **PATIENT)) as running, unharmed(running):
        upstream.script = [STREAM_HEAD, *map(Chunk, EVENTS[dialect]), Stall()]
        async with asyncio.timeout(5.0):
            reply = await asked(running.port, dialect, stream=True)
            await upstream.attempts[1].gone()
        (_, line) = await running.logged(2)

        assert (reply.status, reply.body, reply.whole) == (200, STREAMS[dialect], True)
        assert line["ending"] == "answered"


# --- errors of another dialect ---

OPENAIS = b'{"error":{"message":"the reason","type":"x","param":null,"code":null}}'
ANTHROPICS = b'{"type":"error","error":{"type":"overloaded_error","message":"the reason"}}'
FOREIGN = [
    pytest.param(CHAT, ANTHROPICS, id="Anthropic's, in chat"),
    pytest.param(RESPONSES, ANTHROPICS, id="Anthropic's, in responses"),
    pytest.param(MESSAGES, OPENAIS, id="OpenAI's, in messages"),
    *[
        pytest.param(dialect, body, id=f"{name}, in {dialect.value}")
        for dialect in Dialect
        for name, body in (
            ("a detail", b'{"detail":"the reason"}'),
            ("a message", b'{"message":"the reason"}'),
            ("a text", b'{"error":"the reason"}'),
            ("a list", b'[{"error":{"code":400,"message":"the reason"}}]'),
        )
    ],
]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("status", [400, 429, 529])
@pytest.mark.parametrize(("dialect", "body"), FOREIGN)
async def test_an_error_in_another_shape_is_told_in_the_clients(
    dialect: Dialect, body: bytes, status: int, stream: bool
) -> None:
    """With the provider's status and reason: to its client, another shape is an error without either."""
    async with Cuts() as upstream, gateway(config_at(upstream)) as running, unharmed(running):
        upstream.script, upstream.times = sized(body, status=status), 2 if status in ASKED_AGAIN else 1
        reply = await asked(running.port, dialect, stream=stream)

        assert (reply.status, reply.error(dialect)["message"]) == (status, "the reason")


# --- an answer before the question was read ---


@asynccontextmanager
async def _refusing_early() -> AsyncIterator[int]:
    """Answers 413 at the first bytes and closes with the rest unread, which resets the connection."""

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1000)
        script: Script = refusal(413, CHAT)
        writer.write(b"".join(step.wire() for step in script if isinstance(step, Head | Raw)))
        writer.close()

    async with await asyncio.start_server(refuse, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1]


async def test_a_refusal_that_comes_before_the_request_was_read_is_heard() -> None:
    """A request that is too large is refused like that; a 502 would have it sent again and again."""
    row = {"model": "openai/gpt-4o-mini", "access_key": UPSTREAM_KEY}
    async with _refusing_early() as port, Cuts() as upstream:
        config = config_at(upstream)
        config["model_providers"] = [{**row, "base_url": f"http://127.0.0.1:{port}"}]
        body = {"model": "openai/gpt-4o-mini", "messages": [{"role": "user", "content": "y" * 3_000_000}]}
        wire = request(CHAT, "connection: close", body=json.dumps(body).encode())
        async with gateway(config) as running:
            replies = [await answered(running.port, wire) for _ in range(8)]

    assert [(reply.status, reply.error(CHAT)["message"]) for reply in replies] == [
        (413, "the wall says no")
    ] * 8
