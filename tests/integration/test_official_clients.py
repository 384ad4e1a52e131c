"""The official clients against the whole gateway: what they are told, and what is told of them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
from anthropic import AsyncAnthropic
from openai import AsyncOpenAI

from tests.wall.answers import TEXT
from tests.wall.canary import PROMPT
from tests.wall.gateway import RunningGateway
from tests.wall.upstream import ScriptedUpstream

TOLD = (
    "dialect",
    "stream",
    "requested_model",
    "chosen_model",
    "served_model",
    "finish_reason",
    "upstream_id",
    "input_tokens",
    "output_tokens",
    "cache_read_tokens",
    "cache_creation_tokens",
    "reasoning_tokens",
    "status",
    "ending",
    "phase",
)
PARAMETERS: Any = {"type": "object", "properties": {"größe": {"type": "number", "maximum": 1.50}}}
CHAT_TOOLS: Any = [
    {"type": "function", "function": {"name": "look_up", "parameters": PARAMETERS, "strict": None}}
]
RESPONSES_TOOLS: Any = [{"type": "function", "name": "look_up", "parameters": PARAMETERS, "strict": False}]
MESSAGES_TOOLS: Any = [
    {"name": "look_up", "input_schema": PARAMETERS, "cache_control": {"type": "ephemeral"}}
]


def told(line: Mapping[str, Any]) -> tuple[Any, ...]:
    """The facts of an access-log line, in the order of `TOLD`."""
    return tuple(line.get(name) for name in TOLD)


def told_of(dialect: str, model: str, chosen: str, served: str, upstream_id: str) -> dict[str, Any]:
    """What all scripted answers have in common: 11 tokens in (4 cached), 5 out (2 of reasoning)."""
    return {
        "dialect": dialect,
        "requested_model": model,
        "chosen_model": chosen,
        "served_model": served,
        "upstream_id": upstream_id,
        "finish_reason": "stop",
        "input_tokens": 11,
        "output_tokens": 5,
        "cache_read_tokens": 4,
        "reasoning_tokens": 2,
        "status": 200,
        "ending": "answered",
        "phase": "done",
    }


CHAT_TOLD = told_of("openai_chat", "gpt-wall", "openai/gpt-wall", "wall-chat-2026-01-01", "chatcmpl-wall1")
RESPONSES_TOLD = told_of(
    "openai_responses", "gpt-wall", "openai/gpt-wall", "wall-responses-1", "resp_wall"
) | {"finish_reason": "completed"}
MESSAGES_TOLD = told_of(
    "anthropic_messages", "claude-wall", "anthropic/claude-wall", "wall-messages-1", "msg_wall1"
) | {
    # Anthropic counts neither what was read from its cache nor what was written to it: 7 + 4 + 3.
    "input_tokens": 14,
    "cache_creation_tokens": 3,
    "reasoning_tokens": None,
    "finish_reason": "end_turn",
}


async def test_chat(openai: AsyncOpenAI, running: RunningGateway) -> None:
    """The answer and its usage reach the client; the same figures stand in the log."""
    completion = await openai.chat.completions.create(
        model="gpt-wall", messages=[{"role": "user", "content": PROMPT}]
    )

    (line,) = await running.logged(1)
    assert completion.usage is not None
    assert (completion.choices[0].message.content, completion.usage.total_tokens) == (TEXT, 16)
    assert told(line) == told(CHAT_TOLD | {"stream": False})


async def test_chat_streaming(openai: AsyncOpenAI, running: RunningGateway) -> None:
    """Chunk by chunk to the last one, which alone holds the usage."""
    stream = await openai.chat.completions.create(
        model="gpt-wall",
        messages=[{"role": "user", "content": PROMPT}],
        stream=True,
        stream_options={"include_usage": True},
    )
    chunks = [chunk async for chunk in stream]

    (line,) = await running.logged(1)
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert chunks[-1].usage is not None
    assert (text, chunks[-1].usage.total_tokens) == (TEXT, 16)
    assert told(line) == told(CHAT_TOLD | {"stream": True, "upstream_id": "chatcmpl-wall2"})


async def test_messages(anthropic: AsyncAnthropic, running: RunningGateway) -> None:
    """Anthropic's own way of counting is passed on, and made comparable in the log."""
    message = await anthropic.messages.create(
        model="claude-wall", max_tokens=9, messages=[{"role": "user", "content": PROMPT}]
    )

    (line,) = await running.logged(1)
    (block,) = message.content
    assert block.type == "text"
    assert (block.text, message.usage.input_tokens, message.stop_reason) == (TEXT, 7, "end_turn")
    assert told(line) == told(MESSAGES_TOLD | {"stream": False})


async def test_messages_streaming(anthropic: AsyncAnthropic, running: RunningGateway) -> None:
    """Through the helper that agents are built on."""
    async with anthropic.messages.stream(
        model="claude-wall", max_tokens=9, messages=[{"role": "user", "content": PROMPT}]
    ) as stream:
        text = "".join([piece async for piece in stream.text_stream])
        message = await stream.get_final_message()

    (line,) = await running.logged(1)
    assert (text, message.usage.output_tokens, message.stop_reason) == (TEXT, 5, "end_turn")
    assert told(line) == told(MESSAGES_TOLD | {"stream": True, "upstream_id": "msg_wall2"})


async def test_responses(openai: AsyncOpenAI, running: RunningGateway) -> None:
    """The third dialect, plain."""
    response = await openai.responses.create(model="gpt-wall", input=PROMPT)

    (line,) = await running.logged(1)
    assert response.usage is not None
    assert (response.output_text, response.usage.total_tokens) == (TEXT, 16)
    assert told(line) == told(RESPONSES_TOLD | {"stream": False})


async def test_responses_streaming(openai: AsyncOpenAI, running: RunningGateway) -> None:
    """Its events carry numbers that the client counts on."""
    stream = await openai.responses.create(model="gpt-wall", input=PROMPT, stream=True)
    events = [event async for event in stream]

    (line,) = await running.logged(1)
    assert [event.sequence_number for event in events] == list(range(10))
    assert events[-1].type == "response.completed"
    assert events[-1].response.output_text == TEXT
    assert told(line) == told(RESPONSES_TOLD | {"stream": True})


@pytest.mark.parametrize("stream", [False, True])
async def test_a_chat_client_reaches_anthropic(
    openai: AsyncOpenAI, upstream: ScriptedUpstream, *, stream: bool
) -> None:
    """Through the layer that Anthropic keeps for OpenAI's clients: the key goes as that layer wants it."""
    answer: Any = await openai.chat.completions.create(
        model="claude-wall", messages=[{"role": "user", "content": PROMPT}], stream=stream
    )
    if stream:
        [_ async for _ in answer]

    request = upstream.attempts[0].request
    assert request.target == "/v1/chat/completions"
    assert (request.header("authorization") or "").startswith("Bearer ")
    assert (request.header("x-api-key"), json.loads(request.body)["model"]) == (None, "claude-wall")


async def test_a_beta_of_anthropics_is_asked_for_as_its_client_asks(
    anthropic: AsyncAnthropic, upstream: ScriptedUpstream
) -> None:
    """Names and a version in headers, and the query that its earlier clients add and others copied."""
    message = await anthropic.beta.messages.create(
        model="claude-wall",
        max_tokens=9,
        messages=[{"role": "user", "content": PROMPT}],
        betas=["context-1m-2025-08-07", "of-tomorrow"],
        extra_headers={"anthropic-version": "2099-12-31"},
        extra_query={"beta": "true"},
    )

    request = upstream.attempts[0].request
    assert message.stop_reason == "end_turn"
    assert (request.target, request.header("anthropic-beta"), request.header("anthropic-version")) == (
        "/v1/messages?beta=true",
        "context-1m-2025-08-07,of-tomorrow",
        "2099-12-31",
    )


async def test_tools_of_a_chat_arrive_as_they_were_given(
    openai: AsyncOpenAI, upstream: ScriptedUpstream
) -> None:
    """Definitions, the choice among them, a past call and its result, and a field of the future."""
    call = {"id": "c1", "type": "function", "function": {"name": "look_up", "arguments": '{"größe": 1.50}'}}
    messages: Any = [
        {"role": "user", "content": PROMPT},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c1", "content": "42"},
    ]

    await openai.chat.completions.create(
        model="openai/gpt-wall",
        messages=messages,
        tools=CHAT_TOOLS,
        tool_choice="required",
        parallel_tool_calls=False,
        extra_body={"x_future": {"seed": 123456789012345678901234567890}},
    )

    assert json.loads(upstream.attempts[0].body) == {
        "model": "gpt-wall",
        "messages": messages,
        "tools": CHAT_TOOLS,
        "tool_choice": "required",
        "parallel_tool_calls": False,
        "x_future": {"seed": 123456789012345678901234567890},
    }


async def test_tools_of_a_message_arrive_as_they_were_given(
    anthropic: AsyncAnthropic, upstream: ScriptedUpstream
) -> None:
    """With the marks that its prompt cache hangs on."""
    system: Any = [{"type": "text", "text": "be brief", "cache_control": {"type": "ephemeral"}}]
    messages: Any = [
        {"role": "user", "content": PROMPT},
        {"role": "assistant", "content": [{"type": "tool_use", "id": "t1", "name": "look_up", "input": {}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t1", "content": "42"}]},
    ]

    await anthropic.messages.create(
        model="anthropic/claude-wall",
        max_tokens=9,
        system=system,
        messages=messages,
        tools=MESSAGES_TOOLS,
        tool_choice={"type": "tool", "name": "look_up"},
    )

    assert json.loads(upstream.attempts[0].body) == {
        "model": "claude-wall",
        "max_tokens": 9,
        "system": system,
        "messages": messages,
        "tools": MESSAGES_TOOLS,
        "tool_choice": {"type": "tool", "name": "look_up"},
    }


async def test_tools_of_a_response_arrive_as_they_were_given(
    openai: AsyncOpenAI, upstream: ScriptedUpstream
) -> None:
    """The third dialect words them otherwise."""
    turns: Any = [
        {"role": "user", "content": PROMPT},
        {"type": "function_call", "call_id": "c1", "name": "look_up", "arguments": '{"größe": 1.50}'},
        {"type": "function_call_output", "call_id": "c1", "output": "42"},
    ]

    await openai.responses.create(
        model="openai/gpt-wall",
        input=turns,
        tools=RESPONSES_TOOLS,
    )

    assert json.loads(upstream.attempts[0].body) == {
        "model": "gpt-wall",
        "input": turns,
        "tools": RESPONSES_TOOLS,
    }
