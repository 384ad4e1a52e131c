"""Large bodies, reused connections, many at once: nothing is lost and nothing is mixed up."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import anthropic
import httpx2
import openai
import pytest
from anthropic import AsyncAnthropic
from openai import AsyncOpenAI

from plano.chat.dialect import Dialect
from tests.wall.answers import EVENTS, PLAIN, dialect_of, good
from tests.wall.framing import RawRequest
from tests.wall.gateway import RunningGateway, config_at, gateway
from tests.wall.official import anthropic_client, openai_client
from tests.wall.raw_client import RawClient
from tests.wall.script import Script, chunked, sized
from tests.wall.upstream import ScriptedUpstream

CHAT = "/v1/chat/completions"
MIB = 1024 * 1024


@pytest.mark.parametrize("size", [MIB, 31 * MIB])
async def test_a_large_body_goes_up_whole(size: int) -> None:
    """Images and long conversations: up to the limit that providers have themselves."""
    head, tail = b'{"model":"openai/gpt-wall","x":"', b'"}'
    asked = head + "ü".encode() * ((size - len(head) - len(tail)) // 2) + tail
    async with (
        ScriptedUpstream([good(Dialect.OPENAI_CHAT, stream=False)]) as upstream,
        gateway(config_at(upstream)) as running,
        RawClient(running.port) as client,
    ):
        await client.post(CHAT, asked)
        reply = await client.reply()

        (line,) = await running.logged(1)
        assert (reply.status, line["bytes_in"]) == (200, len(asked))
        assert upstream.attempts[0].body == asked.replace(b"openai/gpt-wall", b"gpt-wall")


@pytest.mark.parametrize("size", [MIB, 20 * MIB])
async def test_a_large_answer_comes_back_whole(size: int) -> None:
    """A generated image is one."""
    body = PLAIN[Dialect.OPENAI_CHAT].rstrip()[:-1] + b',"image":"' + b"A" * size + b'"}'
    async with (
        ScriptedUpstream([sized(body)]) as upstream,
        gateway(config_at(upstream)) as running,
        openai_client(running.url) as client,
    ):
        completion = await client.chat.completions.create(
            model="gpt-wall", messages=[{"role": "user", "content": "hi"}]
        )

    assert completion.model_extra is not None
    assert len(completion.model_extra["image"]) == size


async def test_a_body_over_the_limit_is_an_error_that_openais_client_reads(
    running: RunningGateway, upstream: ScriptedUpstream
) -> None:
    """Answered while it is still being sent, and still heard: a reset would hide the reason."""
    async with openai_client(running.url) as client:
        with pytest.raises(openai.APIStatusError) as raised:
            await client.chat.completions.create(
                model="gpt-wall", messages=[{"role": "user", "content": "x" * (33 * MIB)}]
            )

    assert (raised.value.status_code, raised.value.code) == (413, "request_too_large")
    assert upstream.attempts == []


async def test_a_body_over_the_limit_is_an_error_that_anthropics_client_reads(
    running: RunningGateway,
) -> None:
    """In the class that its users know."""
    async with anthropic_client(running.url) as client:
        with pytest.raises(anthropic.RequestTooLargeError) as raised:
            await client.messages.create(
                model="claude-wall", max_tokens=9, messages=[{"role": "user", "content": "x" * (33 * MIB)}]
            )

    assert isinstance(raised.value.body, dict)
    assert raised.value.body["error"]["type"] == "request_too_large"


async def test_a_body_of_unknown_length_is_refused_where_it_passes_the_limit(
    running: RunningGateway, upstream: ScriptedUpstream
) -> None:
    """In the midst of its chunks; a client that first sends all of it still hears why."""

    async def in_chunks() -> AsyncIterator[bytes]:
        yield b'{"model":"gpt-wall","x":"'
        for _ in range(36):
            yield b"x" * MIB

    async with httpx2.AsyncClient() as client:
        reply = await client.post(f"{running.url}{CHAT}", content=in_chunks())

    assert (reply.status_code, reply.json()["error"]["code"]) == (413, "request_too_large")
    assert upstream.attempts == []


async def test_connections_are_reused_on_both_sides(
    client: RawClient, upstream: ScriptedUpstream, running: RunningGateway
) -> None:
    """A handshake a request would cost more than the gateway itself; streams and errors included."""
    for body, status in (
        (b'{"model":"gpt-wall"}', 200),
        (b'{"model":"gpt-wall","stream":true}', 200),
        (b'{"model":"nobody"}', 404),
        (b'{"model":"claude-wall"}', 200),
    ) * 5:
        await client.post(CHAT, body)
        assert (await client.reply()).status == status

    assert (len(upstream.attempts), len(upstream.connections)) == (15, 1)


async def test_an_upstream_connection_outlives_its_client(
    running: RunningGateway, upstream: ScriptedUpstream
) -> None:
    """The pool is everybody's."""
    for _ in range(3):
        async with RawClient(running.port) as client:
            await client.post(CHAT, b'{"model":"gpt-wall"}')
            await client.reply()

    assert len(upstream.connections) == 1


async def test_pipelined_requests_are_answered_in_order(client: RawClient) -> None:
    """Old clients send the next before the last is answered."""
    bodies = [b'{"model":"gpt-wall"}', b'{"model":"nobody"}', b'{"model":"claude-wall"}']
    for body in bodies:
        await client.post(CHAT, body)

    assert [(await client.reply()).status for _ in bodies] == [200, 404, 200]


# --- many at once


def echo(request: RawRequest) -> Script:
    """A good answer whose text and model are the request's own mark."""
    asked = json.loads(request.body)
    mark = asked["metadata"]["mark"].encode()
    dialect = dialect_of(request.target)

    def marked(data: bytes) -> bytes:
        data = data.replace(b"hello ", mark).replace(rb"w\u00f6rld", b"").replace(" 🌍".encode(), b"")
        return (
            data.replace(b"wall-chat-2026-01-01", mark)
            .replace(b"wall-messages-1", mark)
            .replace(b"wall-responses-1", mark)
        )

    if asked.get("stream"):
        return chunked([marked(event) for event in EVENTS[dialect]])
    return sized(marked(PLAIN[dialect]))


async def ask_chat(client: AsyncOpenAI, mark: str) -> str:
    completion = await client.chat.completions.create(
        model="gpt-wall",
        messages=[{"role": "user", "content": "x" * 3000}],
        metadata={"mark": mark},
        extra_headers={"x-request-id": mark},
    )
    return completion.choices[0].message.content or ""


async def stream_chat(client: AsyncOpenAI, mark: str) -> str:
    stream = await client.chat.completions.create(
        model="gpt-wall",
        messages=[{"role": "user", "content": "hi"}],
        metadata={"mark": mark},
        stream=True,
        extra_headers={"x-request-id": mark},
    )
    return "".join([chunk.choices[0].delta.content or "" async for chunk in stream if chunk.choices])


async def stream_responses(client: AsyncOpenAI, mark: str) -> str:
    stream = await client.responses.create(
        model="gpt-wall",
        input="hi",
        metadata={"mark": mark},
        stream=True,
        extra_headers={"x-request-id": mark},
    )
    return "".join([event.delta async for event in stream if event.type == "response.output_text.delta"])


async def ask_messages(client: AsyncAnthropic, mark: str) -> str:
    message = await client.messages.create(
        model="claude-wall",
        max_tokens=9,
        messages=[{"role": "user", "content": "hi"}],
        extra_body={"metadata": {"mark": mark}},
        extra_headers={"x-request-id": mark},
    )
    (block,) = message.content
    assert block.type == "text"
    return block.text


async def refused(client: AsyncOpenAI, mark: str) -> str:
    """A model that nobody knows: its mark is in the message."""
    with pytest.raises(openai.NotFoundError) as raised:
        await client.chat.completions.create(model=mark, messages=[], extra_headers={"x-request-id": mark})
    return mark if repr(mark) in raised.value.message else raised.value.message


async def test_two_hundred_at_once_are_never_mixed_up() -> None:
    """Each client reads its own mark, each line tells of one request's names alone."""
    said: dict[str, str] = {}

    async def note(ask: Callable[[Any, str], Awaitable[str]], client: object, mark: str) -> None:
        said[mark] = await ask(client, mark)

    async with (
        ScriptedUpstream(otherwise=echo) as upstream,
        gateway(config_at(upstream)) as running,
        openai_client(running.url) as openai_side,
        anthropic_client(running.url) as anthropic_side,
    ):
        async with asyncio.TaskGroup() as group:
            for number in range(40):
                for ask in (ask_chat, stream_chat, stream_responses, refused):
                    group.create_task(note(ask, openai_side, f"{ask.__name__}-{number}"))
                group.create_task(note(ask_messages, anthropic_side, f"ask_messages-{number}"))
        lines = await running.logged(200)

    assert {mark: text for mark, text in said.items() if text != mark} == {}
    assert len(said) == 200
    answered = [line for line in lines if line["status"] == 200]
    assert Counter(line["status"] for line in lines) == {200: 160, 404: 40}
    assert [line for line in answered if line["served_model"] != line["request_id"]] == []
    assert {line["request_id"] for line in lines} == said.keys()
