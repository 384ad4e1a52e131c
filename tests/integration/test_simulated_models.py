"""Simulated models through the whole gateway, read by the official clients: what `make run` is built on."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import pytest
from anthropic import AsyncAnthropic
from openai import AsyncOpenAI

from tests.wall.gateway import RunningGateway, gateway
from tests.wall.raw_client import RawClient

CONFIG = """
version: v0.4.0
model_providers:
  - model: simulated/*
  - model: simulated/long
    base_url: simulated://local?tokens=20000
model_aliases:
  quick: {target: simulated/instant}
"""
MARK = "[simulated by plano: simulated/instant]"


@pytest.fixture
async def running() -> AsyncIterator[RunningGateway]:
    async with gateway(CONFIG) as running:
        yield running


@pytest.fixture
async def openai(running: RunningGateway) -> AsyncIterator[AsyncOpenAI]:
    async with AsyncOpenAI(base_url=f"{running.url}/v1", api_key="none", max_retries=0) as client:
        yield client


@pytest.fixture
async def anthropic(running: RunningGateway) -> AsyncIterator[AsyncAnthropic]:
    async with AsyncAnthropic(base_url=running.url, api_key="none", max_retries=0) as client:
        yield client


async def test_chat(openai: AsyncOpenAI) -> None:
    """By alias, streaming, with a tool: the helper that agents are built on accumulates it."""
    async with openai.chat.completions.stream(
        model="quick",
        messages=[{"role": "user", "content": "call look_up"}],
        tools=[{"type": "function", "function": {"name": "look_up", "parameters": {"type": "object"}}}],
        stream_options={"include_usage": True},
    ) as stream:
        async for _ in stream:
            pass
        completion = await stream.get_final_completion()

    (choice,) = completion.choices
    assert choice.message.tool_calls is not None
    assert (choice.message.content or "").startswith(MARK)
    assert (choice.finish_reason, choice.message.tool_calls[0].function.name) == ("tool_calls", "look_up")
    assert completion.usage is not None


async def test_plain_chat_and_plain_messages(openai: AsyncOpenAI, anthropic: AsyncAnthropic) -> None:
    """The paths without a stream, by member and by alias."""
    completion = await openai.chat.completions.create(
        model="simulated/instant", messages=[{"role": "user", "content": "hello"}]
    )
    message = await anthropic.messages.create(
        model="quick", max_tokens=500, messages=[{"role": "user", "content": "hello"}]
    )

    (block,) = message.content
    assert block.type == "text"
    assert completion.usage is not None
    assert (completion.choices[0].finish_reason, message.stop_reason) == ("stop", "end_turn")
    assert (completion.choices[0].message.content or "").startswith(MARK)
    assert block.text.startswith(MARK)


async def test_messages(anthropic: AsyncAnthropic) -> None:
    """A wildcard's member, streaming, through Anthropic's helper."""
    async with anthropic.messages.stream(
        model="simulated/instant", max_tokens=500, messages=[{"role": "user", "content": "hello"}]
    ) as stream:
        message = await stream.get_final_message()

    (block,) = message.content
    assert block.type == "text"
    assert (block.text.startswith(MARK), message.stop_reason) == (True, "end_turn")


async def test_responses(openai: AsyncOpenAI) -> None:
    """Plain and streaming say the same."""
    plain = await openai.responses.create(model="quick", input="hello")
    async with openai.responses.stream(model="quick", input="hello") as stream:
        response = await stream.get_final_response()

    assert plain.output_text == response.output_text
    assert plain.output_text.startswith(MARK)


@pytest.mark.parametrize("stream", [False, True])
async def test_the_same_request_gets_the_same_bytes_marked_as_a_simulation(
    running: RunningGateway, stream: bool
) -> None:
    """Whatever stands between: tests and benchmarks compare answers."""
    asked = {"model": "quick", "stream": stream, "messages": [{"role": "user", "content": "hello"}]}
    ask = json.dumps(asked).encode()
    async with RawClient(running.port) as client:
        await client.post("/v1/chat/completions", ask)
        first = await client.reply()
        await client.post("/v1/chat/completions", ask)
        again = await client.reply()

    assert (first.body, first.whole) == (again.body, True)
    assert first.header("x-plano-simulated") == "true"


async def test_a_client_that_reads_slowly_loses_nothing(
    running: RunningGateway,
) -> None:
    """Twenty thousand events into a small buffer: the stream waits for its reader."""
    ask = b'{"model":"simulated/long","stream":true,"messages":[{"role":"user","content":"hello"}]}'
    async with RawClient(running.port, receive_buffer=16_384) as client:
        await client.post("/v1/chat/completions", ask)

        received = await client.read_until(b"\r\n0\r\n\r\n")

    assert (received.count(b'"delta":{"content":'), b"[DONE]" in received) == (20_000, True)
