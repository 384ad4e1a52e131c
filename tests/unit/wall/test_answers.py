"""The canned answers, as the official clients read them: else a client's error proves nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator

import openai as openai_package
import pytest
from anthropic import AsyncAnthropic
from openai import AsyncOpenAI

from plano.chat.dialect import Dialect
from tests.wall.answers import TEXT, refusal
from tests.wall.upstream import ScriptedUpstream


@pytest.fixture
async def upstream() -> AsyncIterator[ScriptedUpstream]:
    async with ScriptedUpstream() as upstream:
        yield upstream


@pytest.fixture
async def openai(upstream: ScriptedUpstream) -> AsyncIterator[AsyncOpenAI]:
    async with AsyncOpenAI(base_url=f"{upstream.url}/v1", api_key="none", max_retries=0) as client:
        yield client


@pytest.fixture
async def anthropic(upstream: ScriptedUpstream) -> AsyncIterator[AsyncAnthropic]:
    async with AsyncAnthropic(base_url=upstream.url, api_key="none", max_retries=0) as client:
        yield client


async def test_chat_plain_and_streaming(openai: AsyncOpenAI) -> None:
    """Text, reason and usage arrive by both ways."""
    plain = await openai.chat.completions.create(model="m", messages=[{"role": "user", "content": "a"}])
    stream = await openai.chat.completions.create(
        model="m", messages=[{"role": "user", "content": "a"}], stream=True
    )
    chunks = [chunk async for chunk in stream]

    assert (plain.choices[0].message.content, plain.choices[0].finish_reason) == (TEXT, "stop")
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == TEXT
    assert plain.usage == chunks[-1].usage


async def test_messages_plain_and_streaming(anthropic: AsyncAnthropic) -> None:
    """The helper accumulates the stream into the plain message's words."""
    plain = await anthropic.messages.create(
        model="m", max_tokens=9, messages=[{"role": "user", "content": "a"}]
    )
    async with anthropic.messages.stream(
        model="m", max_tokens=9, messages=[{"role": "user", "content": "a"}]
    ) as stream:
        text = await stream.get_final_text()
        message = await stream.get_final_message()

    assert [block.text for block in plain.content if block.type == "text"] == [text] == [TEXT]
    assert (message.stop_reason, message.usage.output_tokens) == ("end_turn", 5)


async def test_responses_plain_and_streaming(openai: AsyncOpenAI) -> None:
    """The helper checks the order of the events."""
    plain = await openai.responses.create(model="m", input="a")
    async with openai.responses.stream(model="m", input="a") as stream:
        response = await stream.get_final_response()

    assert (plain.output_text, response.output_text, response.status) == (TEXT, TEXT, "completed")
    assert plain.usage == response.usage


async def test_a_refusal_is_an_error_of_its_status() -> None:
    """A provider's own message must be recognisable when it is passed on."""
    busy = refusal(429, Dialect.OPENAI_CHAT, message="not now")
    async with (
        ScriptedUpstream([busy]) as upstream,
        AsyncOpenAI(base_url=f"{upstream.url}/v1", api_key="none", max_retries=0) as client,
    ):
        with pytest.raises(openai_package.RateLimitError, match="not now"):
            await client.chat.completions.create(model="m", messages=[])
