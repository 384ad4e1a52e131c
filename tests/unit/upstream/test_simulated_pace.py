"""The simulated provider's time: how it waits, whom it waits for, and when it stops."""

from __future__ import annotations

import asyncio
import json

import pytest

from plano.chat.dialect import Dialect
from plano.errors import UpstreamBroke, UpstreamInvalid, UpstreamTimeout
from plano.upstream.simulated import Simulated
from tests.unit.upstream.hearing import Heard, Waits, call, for_ever, heard, late


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
