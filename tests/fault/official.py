"""The official clients, each driven to the end of one answer; none of them retries."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field

import anthropic
import openai

from plano.chat.dialect import Dialect
from tests.fault.asks import MODELS
from tests.wall.canary import PROMPT

RAISED = (openai.APIError, anthropic.APIError)
"""The libraries' own errors for what an API has said: never a parser's or a socket's."""


@dataclass(frozen=True, slots=True)
class Clients:
    of_openai: openai.AsyncOpenAI
    of_anthropic: anthropic.AsyncAnthropic
    models: Mapping[Dialect, str] = field(default_factory=lambda: MODELS)
    """What each dialect's calls ask for."""


@contextlib.asynccontextmanager
async def official(url: str) -> AsyncIterator[Clients]:
    """Both libraries, pointed at a gateway."""
    async with (
        openai.AsyncOpenAI(base_url=f"{url}/v1", api_key="unused", max_retries=0) as of_openai,
        anthropic.AsyncAnthropic(base_url=url, api_key="unused", max_retries=0) as of_anthropic,
    ):
        yield Clients(of_openai, of_anthropic)


async def chat_stream(clients: Clients) -> str:
    stream = await clients.of_openai.chat.completions.create(
        model=clients.models[Dialect.OPENAI_CHAT], messages=[{"role": "user", "content": PROMPT}], stream=True
    )
    reasons, texts = list[str](), list[str]()
    async for chunk in stream:
        for choice in chunk.choices:
            texts.append(choice.delta.content or "")
            if choice.finish_reason:
                reasons.append(choice.finish_reason)
    return f"{''.join(texts)}, {reasons}"


async def chat_helper(clients: Clients) -> str:
    async with clients.of_openai.chat.completions.stream(
        model=clients.models[Dialect.OPENAI_CHAT], messages=[{"role": "user", "content": PROMPT}]
    ) as stream:
        completion = await stream.get_final_completion()
    choice = completion.choices[0]
    return f"{choice.message.content}, {[choice.finish_reason]}"


async def responses_stream(clients: Clients) -> str:
    stream = await clients.of_openai.responses.create(
        model=clients.models[Dialect.OPENAI_RESPONSES], input=PROMPT, stream=True
    )
    ends, texts = list[str](), list[str]()
    async for event in stream:
        if event.type == "response.output_text.delta":
            texts.append(event.delta)
        if event.type == "response.completed":
            ends.append(str(event.response.status))
    return f"{''.join(texts)}, {ends}"


async def responses_helper(clients: Clients) -> str:
    async with clients.of_openai.responses.stream(
        model=clients.models[Dialect.OPENAI_RESPONSES], input=PROMPT
    ) as stream:
        response = await stream.get_final_response()
    return f"{response.output_text}, {[response.status]}"


async def messages_stream(clients: Clients) -> str:
    stream = await clients.of_anthropic.messages.create(
        model=clients.models[Dialect.ANTHROPIC_MESSAGES],
        max_tokens=64,
        messages=[{"role": "user", "content": PROMPT}],
        stream=True,
    )
    ends, texts = list[str](), list[str]()
    async for event in stream:
        if event.type == "content_block_delta" and event.delta.type == "text_delta":
            texts.append(event.delta.text)
        if event.type == "message_stop":
            ends.append(event.type)
    return f"{''.join(texts)}, {ends}"


async def messages_helper(clients: Clients) -> str:
    async with clients.of_anthropic.messages.stream(
        model=clients.models[Dialect.ANTHROPIC_MESSAGES],
        max_tokens=64,
        messages=[{"role": "user", "content": PROMPT}],
    ) as stream:
        message = await stream.get_final_message()
    texts = [block.text for block in message.content if block.type == "text"]
    return f"{''.join(texts)}, {[message.stop_reason]}"


async def chat_plain(clients: Clients) -> str:
    completion = await clients.of_openai.chat.completions.create(
        model=clients.models[Dialect.OPENAI_CHAT], messages=[{"role": "user", "content": PROMPT}]
    )
    return str(completion.choices[0].message.content)


async def responses_plain(clients: Clients) -> str:
    response = await clients.of_openai.responses.create(
        model=clients.models[Dialect.OPENAI_RESPONSES], input=PROMPT
    )
    return response.output_text


async def messages_plain(clients: Clients) -> str:
    message = await clients.of_anthropic.messages.create(
        model=clients.models[Dialect.ANTHROPIC_MESSAGES],
        max_tokens=64,
        messages=[{"role": "user", "content": PROMPT}],
    )
    return "".join(block.text for block in message.content if block.type == "text")


Drive = Callable[[Clients], Awaitable[str]]
"""Takes an answer to its end and says what it was: the text, and how it says it ended."""

STREAMING: Mapping[str, tuple[Dialect, Drive]] = {
    "openai chat": (Dialect.OPENAI_CHAT, chat_stream),
    "openai chat helper": (Dialect.OPENAI_CHAT, chat_helper),
    "openai responses": (Dialect.OPENAI_RESPONSES, responses_stream),
    "openai responses helper": (Dialect.OPENAI_RESPONSES, responses_helper),
    "anthropic": (Dialect.ANTHROPIC_MESSAGES, messages_stream),
    "anthropic helper": (Dialect.ANTHROPIC_MESSAGES, messages_helper),
}
PLAIN_CALLS: Mapping[str, tuple[Dialect, Drive]] = {
    "openai chat": (Dialect.OPENAI_CHAT, chat_plain),
    "openai responses": (Dialect.OPENAI_RESPONSES, responses_plain),
    "anthropic": (Dialect.ANTHROPIC_MESSAGES, messages_plain),
}
