"""The simulated provider: what the official clients make of it, and what it refuses."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping

import httpx2
import pytest
from anthropic import AsyncAnthropic
from openai import AsyncOpenAI, BadRequestError

from plano.chat.dialect import Dialect
from tests.unit.upstream.hearing import heard

PATHS = {
    "/v1/chat/completions": Dialect.OPENAI_CHAT,
    "/v1/messages": Dialect.ANTHROPIC_MESSAGES,
    "/v1/responses": Dialect.OPENAI_RESPONSES,
}
MARK = "[simulated by plano: simulated/fast]"
WEATHER: dict[str, object] = {"type": "object", "properties": {}}


class Transport(httpx2.AsyncBaseTransport):
    """Stands between an official client and the simulated provider."""

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        sink = await heard(PATHS[request.url.path], await request.aread())
        return httpx2.Response(sink.status, headers=sink.headers, content=sink.content)


@pytest.fixture
async def openai() -> AsyncIterator[AsyncOpenAI]:
    async with httpx2.AsyncClient(transport=Transport()) as http:
        yield AsyncOpenAI(base_url="http://simulated/v1", api_key="none", http_client=http, max_retries=0)


@pytest.fixture
async def anthropic() -> AsyncIterator[AsyncAnthropic]:
    async with httpx2.AsyncClient(transport=Transport()) as http:
        yield AsyncAnthropic(base_url="http://simulated", api_key="none", http_client=http, max_retries=0)


async def test_a_chat_stream_says_what_the_plain_answer_says(openai: AsyncOpenAI) -> None:
    """The official client reads both, and finds the mark, the echo, the reason and the count."""
    plain = await openai.chat.completions.create(
        model="fast", messages=[{"role": "user", "content": "Hi thére"}]
    )
    stream = await openai.chat.completions.create(
        model="fast",
        messages=[{"role": "user", "content": "Hi thére"}],
        stream=True,
        stream_options={"include_usage": True},
    )
    chunks = [chunk async for chunk in stream]

    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    usage = chunks[-1].usage
    assert text == plain.choices[0].message.content
    assert text.startswith(f"{MARK} You said “Hi thére”")
    assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices][-1] == "stop"
    assert usage is not None
    assert plain.usage is not None
    assert usage.completion_tokens == plain.usage.completion_tokens == len(chunks) - 3
    assert {chunk.system_fingerprint for chunk in chunks} == {"sim-plano"}


async def test_a_messages_stream_says_what_the_plain_answer_says(anthropic: AsyncAnthropic) -> None:
    """The official helper accumulates the events into the same message."""
    plain = await anthropic.messages.create(
        model="fast", max_tokens=500, messages=[{"role": "user", "content": "Hi thére"}]
    )
    async with anthropic.messages.stream(
        model="fast", max_tokens=500, messages=[{"role": "user", "content": "Hi thére"}]
    ) as stream:
        kinds = [event.type async for event in stream]
        message = await stream.get_final_message()

    assert message.content[0].type == "text"
    assert message.content[0].text.startswith(f"{MARK} You said “Hi thére”")
    assert [block.text for block in message.content if block.type == "text"] == [
        block.text for block in plain.content if block.type == "text"
    ]
    assert (message.stop_reason, message.usage.output_tokens) == ("end_turn", plain.usage.output_tokens)
    assert (kinds[0], kinds[-1]) == ("message_start", "message_stop")


async def test_a_responses_stream_says_what_the_plain_answer_says(openai: AsyncOpenAI) -> None:
    """Numbered events from `created` to `completed`, which repeats the whole answer."""
    plain = await openai.responses.create(model="fast", input="Hi thére")
    stream = await openai.responses.create(model="fast", input="Hi thére", stream=True)
    events = [event async for event in stream]

    deltas = "".join(event.delta for event in events if event.type == "response.output_text.delta")
    last = events[-1]
    assert last.type == "response.completed"
    assert deltas == plain.output_text == last.response.output_text
    assert deltas.startswith(f"{MARK} You said “Hi thére”")
    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert [event.type for event in events if event.type != "response.output_text.delta"] == [
        "response.created",
        "response.in_progress",
        "response.output_item.added",
        "response.content_part.added",
        "response.output_text.done",
        "response.content_part.done",
        "response.output_item.done",
        "response.completed",
    ]


async def test_the_openai_helpers_accumulate_a_tool_call(openai: AsyncOpenAI) -> None:
    """Agents are built on these helpers; they check the shape of every chunk."""
    async with openai.chat.completions.stream(
        model="fast",
        messages=[{"role": "user", "content": "please call get_weather now"}],
        tools=[
            {"type": "function", "function": {"name": name, "parameters": WEATHER}}
            for name in ("get", "get_weather")
        ],
    ) as stream:
        async for _ in stream:
            pass
        completion = await stream.get_final_completion()

    calls = completion.choices[0].message.tool_calls
    assert calls is not None
    assert [(each.function.name, each.function.arguments) for each in calls] == [("get_weather", "{}")]
    assert completion.choices[0].finish_reason == "tool_calls"


async def test_the_anthropic_helper_accumulates_a_tool_use(anthropic: AsyncAnthropic) -> None:
    """The input arrives as a delta of JSON."""
    async with anthropic.messages.stream(
        model="fast",
        max_tokens=500,
        messages=[{"role": "user", "content": [{"type": "text", "text": "call get_weather"}]}],
        tools=[{"name": "get_weather", "input_schema": {"type": "object"}}],
    ) as stream:
        message = await stream.get_final_message()

    tool_use = message.content[1]
    assert tool_use.type == "tool_use"
    assert (tool_use.name, tool_use.input, message.stop_reason) == ("get_weather", {}, "tool_use")


async def test_the_responses_helper_accumulates_a_function_call(openai: AsyncOpenAI) -> None:
    """A second output item after the text."""
    async with openai.responses.stream(
        model="fast",
        input="call get_weather",
        tools=[{"type": "function", "name": "get_weather", "parameters": WEATHER, "strict": False}],
    ) as stream:
        response = await stream.get_final_response()

    function_call = response.output[1]
    assert function_call.type == "function_call"
    assert (function_call.name, function_call.arguments) == ("get_weather", "{}")


@pytest.mark.parametrize(
    ("dialect", "body"),
    [
        (
            Dialect.OPENAI_CHAT,
            {
                "messages": [{"role": "user", "content": "call f"}, {"role": "tool", "content": "1"}],
                "tools": [{"type": "function", "function": {"name": "f"}}],
            },
        ),
        (
            Dialect.ANTHROPIC_MESSAGES,
            {
                "messages": [
                    {"role": "user", "content": "call f"},
                    {
                        "role": "user",
                        "content": [{"type": "tool_result"}, {"type": "text", "text": "call f"}],
                    },
                ],
                "tools": [{"name": "f"}],
            },
        ),
        (
            Dialect.OPENAI_RESPONSES,
            {
                "input": [
                    {"role": "user", "content": "call f"},
                    {"type": "function_call_output", "output": "1"},
                ],
                "tools": [{"type": "function", "name": "f"}],
            },
        ),
    ],
)
async def test_a_tool_result_is_answered_in_words(dialect: Dialect, body: Mapping[str, object]) -> None:
    """An agent that goes on until no tool is called must come to an end."""
    sink = await heard(dialect, body)

    assert ("You said “call f”".encode() in sink.content, b'"name"' in sink.content) == (True, False)


async def test_the_answer_stops_at_the_most_tokens_in_every_dialect(
    openai: AsyncOpenAI, anthropic: AsyncAnthropic
) -> None:
    """`length`, `max_tokens` and `incomplete` are endings that clients must be able to try."""
    chat = await openai.chat.completions.create(
        model="fast", messages=[{"role": "user", "content": "Hi"}], max_completion_tokens=3
    )
    message = await anthropic.messages.create(
        model="fast", max_tokens=3, messages=[{"role": "user", "content": "Hi"}]
    )
    response = await openai.responses.create(model="fast", input="Hi", max_output_tokens=3)

    assert (chat.choices[0].message.content, chat.choices[0].finish_reason) == ("[simulated b", "length")
    assert (message.usage.output_tokens, message.stop_reason) == (3, "max_tokens")
    assert (response.output_text, response.status) == ("[simulated b", "incomplete")


async def test_a_stream_that_is_cut_ends_incomplete(openai: AsyncOpenAI) -> None:
    """The responses dialect has a terminal event of its own for that."""
    stream = await openai.responses.create(model="fast", input="Hi", max_output_tokens=3, stream=True)

    assert [event.type async for event in stream][-1] == "response.incomplete"


async def test_json_is_answered_when_json_is_asked_for(openai: AsyncOpenAI) -> None:
    """Programs in JSON mode parse what they get; even then it says what it is."""
    completion = await openai.chat.completions.create(
        model="fast",
        messages=[{"role": "user", "content": 'say "hé"'}],
        response_format={"type": "json_object"},
    )

    assert json.loads(completion.choices[0].message.content or "") == {
        "simulated_by": "plano",
        "model": "simulated/fast",
        "you_said": 'say "hé"',
    }


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("dialect", Dialect)
async def test_the_same_request_gets_the_same_bytes_and_another_gets_others(
    dialect: Dialect, stream: bool
) -> None:
    """Tests and benchmarks compare answers; caches and logs tell them apart by id."""
    field = "input" if dialect is Dialect.OPENAI_RESPONSES else "messages"
    body = {field: [{"role": "user", "content": "Hi"}], "stream": stream, "model": "fast"}

    first, again, other = [await heard(dialect, each) for each in (body, body, body | {"seed": 1})]

    assert first.content == again.content
    assert first.content != other.content
    assert first.content.count(b'"id":"sim-') >= 1
    assert (b"x-plano-simulated", b"true") in first.headers


async def test_a_long_message_is_echoed_in_short() -> None:
    """A prompt of a megabyte must not come back."""
    sink = await heard(
        Dialect.OPENAI_CHAT, {"messages": [{"role": "user", "content": "many words " * 50_000}]}
    )

    assert len(sink.content) < 1_000


@pytest.mark.parametrize(
    ("dialect", "body"),
    [
        pytest.param(Dialect.OPENAI_CHAT, {"model": "fast"}, id="no messages"),
        pytest.param(Dialect.OPENAI_RESPONSES, {"messages": [{"role": "user"}]}, id="another dialect's"),
        pytest.param(Dialect.OPENAI_CHAT, {"messages": "hi"}, id="wrong type"),
        pytest.param(Dialect.OPENAI_CHAT, {"messages": [{"role": "user"}], "max_tokens": 0}, id="no tokens"),
        pytest.param(Dialect.ANTHROPIC_MESSAGES, b"{", id="not JSON"),
        pytest.param(Dialect.OPENAI_CHAT, b'{"messages":[{"role":"\xff"}]}', id="not UTF-8"),
    ],
)
async def test_what_cannot_be_read_is_refused_as_a_provider_would(dialect: Dialect, body: object) -> None:
    """A 400 in the dialect, so that clients can be tried against refusals too."""
    sink = await heard(dialect, body)

    said = json.loads(sink.content)
    assert (sink.status, said["error"]["type"]) == (400, "invalid_request_error")
    assert said["error"]["message"].startswith("[simulated by plano] ")


async def test_the_official_client_raises_on_a_refusal(openai: AsyncOpenAI) -> None:
    """The shape is the one that clients know."""
    with pytest.raises(BadRequestError, match="expected at least one message"):
        await openai.chat.completions.create(model="fast", messages=[])
