"""The simulated provider: what the official clients make of it, and how it waits."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping

import httpx2
import msgspec
import pytest
from anthropic import AsyncAnthropic
from openai import AsyncOpenAI, BadRequestError

from plano.catalog.catalog import Endpoint, Model
from plano.catalog.names import ModelId, ProviderId
from plano.chat.dialect import Dialect
from plano.errors import UpstreamBroke, UpstreamError, UpstreamInvalid, UpstreamTimeout
from plano.exchange.ports import Call, Flow
from plano.routing.decision import Candidate
from plano.upstream.simulated import Simulated

PATHS = {
    "/v1/chat/completions": Dialect.OPENAI_CHAT,
    "/v1/messages": Dialect.ANTHROPIC_MESSAGES,
    "/v1/responses": Dialect.OPENAI_RESPONSES,
}
MARK = "[simulated by plano: simulated/fast]"
WEATHER: dict[str, object] = {"type": "object", "properties": {}}


def call(dialect: Dialect, body: object, *, pace: str = "") -> Call:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    endpoint = Endpoint("simulated", "simulated", 0, "/v1", pace)
    model = Model(
        id=ModelId("simulated/fast"),
        name="fast",
        provider=ProviderId("simulated"),
        upstream_model="fast",
        endpoints=dict.fromkeys(Dialect, endpoint),
        auth="none",
    )
    middle = len(data) // 2
    return Call(
        candidate=Candidate(model, "fast", model.id),
        dialect=dialect,
        query="",
        body=(data[:middle], memoryview(data)[middle:]),
        body_length=len(data),
        forwarded=(),
        first_byte_s=120.0,
        deadline=asyncio.get_running_loop().time() + 300.0,
    )


class Heard:
    """A sink that takes note; `pause_after` bodies it asks the sender to wait."""

    def __init__(self, *, pause_after: int | None = None) -> None:
        self.flow: Flow | None = None
        self.status = 0
        self.headers: list[tuple[bytes, bytes]] = []
        self.bodies: list[bytes] = []
        self.steps: list[str] = []
        self.error: UpstreamError | None = None
        self.paused = asyncio.Event()
        self._pause_after = pause_after

    def head(self, status: int, headers: list[tuple[bytes, bytes]]) -> None:
        self.status, self.headers = status, headers
        self.steps.append("head")

    def body(self, data: bytes) -> None:
        self.bodies.append(data)
        self.steps.append("body")
        if len(self.bodies) == self._pause_after:
            assert self.flow is not None
            self.flow.pause()
            self.paused.set()

    def end(self) -> None:
        self.steps.append("end")

    def broke(self, error: UpstreamError) -> None:
        self.error = error
        self.steps.append("broke")

    def flush(self) -> None:
        self.steps.append("flush")

    @property
    def content(self) -> bytes:
        return b"".join(self.bodies)


async def heard(dialect: Dialect, body: object, *, pace: str = "") -> Heard:
    sink = Heard()
    await Simulated().send(call(dialect, body, pace=pace), sink)
    return sink


def late(call: Call) -> Call:
    """The same call when its exchange should already be over."""
    return msgspec.structs.replace(call, deadline=asyncio.get_running_loop().time())


class Waits:
    """A `sleep` that notes how long it should have been and lets nobody wait."""

    def __init__(self, steps: list[str] | None = None) -> None:
        self.asked_s: list[float] = []
        self._steps = steps

    async def __call__(self, duration_s: float) -> None:
        self.asked_s.append(round(duration_s, 6))
        if self._steps is not None:
            self._steps.append("wait")


async def for_ever(duration_s: float) -> None:
    await asyncio.Event().wait()


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


async def test_a_model_without_a_pace_answers_at_once_and_whole() -> None:
    """The default is for tests and benchmarks: one head, the body, the end, no waiting."""
    waits = Waits()
    sink = Heard()

    await Simulated(sleep=waits).send(call(Dialect.OPENAI_CHAT, {"messages": [{"role": "user"}]}), sink)

    assert (sink.steps, waits.asked_s) == (["head", "body", "end", "flush"], [])
    assert dict(sink.headers)[b"content-length"] == str(len(sink.content)).encode()


async def test_a_stream_waits_for_its_first_token_and_between_tokens() -> None:
    """The prelude goes out before the wait, as providers send it; nothing waits after the last."""
    sink = Heard()
    waits = Waits(sink.steps)
    body = {"messages": [{"role": "user", "content": "Hi"}], "stream": True, "max_tokens": 3}
    paced = call(Dialect.OPENAI_CHAT, body, pace="first_token_ms=50&tokens_per_s=200")

    await Simulated(sleep=waits).send(paced, sink)

    token = ["flush", "wait", "body"]
    assert waits.asked_s == [0.05, 0.005, 0.005]
    assert sink.steps == ["head", "body", *token * 3, "body", "body", "end", "flush"]


async def test_a_plain_answer_takes_as_long_as_its_stream() -> None:
    """One wait: the client of a plain answer sees nothing before the last token."""
    waits = Waits()
    body = {"messages": [{"role": "user", "content": "Hi"}], "max_tokens": 3}
    paced = call(Dialect.OPENAI_CHAT, body, pace="first_token_ms=50&tokens_per_s=200")

    await Simulated(sleep=waits).send(paced, Heard())

    assert waits.asked_s == [0.06]


async def test_waits_that_are_too_short_are_saved_up() -> None:
    """At 10,000 tokens a second a timer a token would be slower than asked."""
    waits = Waits()
    body = {"messages": [{"role": "user"}], "stream": True}
    paced = call(Dialect.OPENAI_CHAT, body, pace="tokens_per_s=10000&tokens=101")

    await Simulated(sleep=waits).send(paced, Heard())

    assert waits.asked_s == [0.002] * 5


async def test_the_configuration_can_ask_for_a_length() -> None:
    """Benchmarks of streams need many chunks."""
    sink = await heard(Dialect.OPENAI_CHAT, {"messages": [{"role": "user"}]}, pace="tokens=1000")

    assert json.loads(sink.content)["usage"]["completion_tokens"] == 1000


async def test_a_long_stream_without_a_pace_lets_others_run() -> None:
    """The provider lives on the gateway's own event loop."""
    waits = Waits()
    body = {"messages": [{"role": "user"}], "stream": True}

    await Simulated(sleep=waits).send(call(Dialect.OPENAI_CHAT, body, pace="tokens=1000"), Heard())

    assert waits.asked_s == [0.0] * 5


async def test_nothing_is_pushed_while_the_sink_asks_to_wait() -> None:
    """A client that reads slowly must not fill the gateway's memory."""
    sink = Heard(pause_after=4)
    body = {"messages": [{"role": "user"}], "stream": True}
    sending = asyncio.create_task(Simulated().send(call(Dialect.OPENAI_CHAT, body), sink))
    await sink.paused.wait()
    held = len(sink.bodies)
    assert sink.flow is not None

    sink.flow.resume()
    await sending

    assert (held, sink.bodies[-1]) == (4, b"data: [DONE]\n\n")


async def test_cancelling_ends_a_wait_at_once() -> None:
    """The client left: nothing more may be pushed."""
    sink = Heard()
    waiting = asyncio.Event()

    async def for_ever(duration_s: float) -> None:
        waiting.set()
        await asyncio.Event().wait()

    body = {"messages": [{"role": "user"}], "stream": True}
    paced = call(Dialect.OPENAI_CHAT, body, pace="first_token_ms=1000")
    sending = asyncio.create_task(Simulated(sleep=for_ever).send(paced, sink))
    await waiting.wait()

    sending.cancel()
    await asyncio.wait([sending])

    assert (sending.cancelled(), sink.steps) == (True, ["head", "body", "flush"])


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


@pytest.mark.parametrize(
    ("pace", "message"),
    [
        ("speed=1", "expected first_token_ms, tokens_per_s or tokens; got 'speed'"),
        ("tokens_per_s=fast", "tokens_per_s: expected a number from 0 to 1e+06; got 'fast'"),
        ("first_token_ms=nan", "first_token_ms: expected a number from 0 to 600000; got 'nan'"),
        ("tokens=-1", "tokens: expected a number from 0 to 100000; got '-1'"),
    ],
)
async def test_a_pace_that_makes_no_sense_is_an_upstream_failure_that_says_so(
    pace: str, message: str
) -> None:
    """Whoever wrote it finds the model and the part."""
    sink = await heard(Dialect.OPENAI_CHAT, {"messages": [{"role": "user"}]}, pace=pace)

    assert isinstance(sink.error, UpstreamInvalid)
    assert (sink.error.message, sink.steps) == (f"The pace of simulated/fast: {message}.", ["broke"])


async def test_every_pace_can_be_checked_before_the_first_request() -> None:
    """A fault in the configuration belongs to the start."""
    models = [
        call(Dialect.OPENAI_CHAT, {}, pace=pace).candidate.model for pace in ("tokens=5", "tokens=five")
    ]

    with pytest.raises(ValueError, match="The pace of simulated/fast: tokens: expected a number"):
        Simulated().prepare(models)


@pytest.mark.parametrize("stream", [False, True])
async def test_an_answer_that_is_too_slow_for_its_exchange_is_a_timeout(stream: bool) -> None:
    """The limits of an exchange hold for every upstream, this one included."""
    sink = Heard()
    body = {"messages": [{"role": "user"}], "stream": stream}

    await Simulated(sleep=for_ever).send(late(call(Dialect.OPENAI_CHAT, body, pace="first_token_ms=9")), sink)

    assert isinstance(sink.error, UpstreamTimeout)
    assert sink.steps[-1] == "broke"


async def test_a_sink_that_wants_no_more_gets_no_more() -> None:
    """The relay raises from `body` when an answer is not what it should be; it knows why."""

    class Sated(Heard):
        def body(self, data: bytes) -> None:
            super().body(data)
            raise UpstreamBroke("enough")

    sink = Sated()

    await Simulated().send(call(Dialect.OPENAI_CHAT, {"messages": [{"role": "user"}], "stream": True}), sink)

    assert sink.steps == ["head", "body"]
