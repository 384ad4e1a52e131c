"""Asking a served router model, with the upstream played: what is sent, and what every ending comes to."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from plano.catalog.catalog import Endpoint, Model
from plano.catalog.names import ModelId, ProviderId, RouteName
from plano.chat.dialect import Dialect
from plano.classifiers.router_model import LARGEST_REPLY_BYTES, RouterModel
from plano.errors import Overloaded, PlanoError, UpstreamBroke, UpstreamTimeout, UpstreamUnreachable
from plano.exchange.ports import Call, Outcome, ReplySink, Underway
from plano.routing.breaker import Breaker, BreakerLimits
from plano.routing.decision import Candidate
from plano.routing.question import LARGEST_ROUTES_BYTES, Questions, wording_for
from plano.routing.utterance import Utterance
from plano.routing.verdict import Matched, NoneFits, Unable, Verdict
from tests.unit.routing.route_sets import routes_of

ROUTES = routes_of(("code", "writing code"), ("prose", "essays"))
CONVERSATION = (Utterance("user", "an essay about my password hunter2, please"),)
WORDING = wording_for("katanemo/Plano-Orchestrator-4B")
PLACE = Endpoint("http", "gpu", 8000, "/v1/chat/completions")
MODEL = Model(
    ModelId("plano/katanemo/Plano-Orchestrator-4B"),
    "router",
    ProviderId("plano"),
    "katanemo/Plano-Orchestrator-4B",
    {Dialect.OPENAI_CHAT: PLACE},
    "bearer",
)
CANDIDATE = Candidate(MODEL, MODEL.upstream_model, MODEL.id)

Play = Callable[[ReplySink], None]


def answers(body: bytes | Mapping[str, Any], status: int = 200) -> Play:
    """One whole answer, in two pieces."""
    wire = body if isinstance(body, bytes) else json.dumps(body).encode()

    def play(sink: ReplySink) -> None:
        sink.head(status, [(b"content-type", b"application/json")])
        sink.body(wire[:7])
        sink.body(wire[7:])
        sink.end()
        sink.flush()

    return play


def says(content: Any, **more: Any) -> Play:
    """A chat completion with this content."""
    message = {"role": "assistant", "content": content, "refusal": None} | more
    return answers({"id": "x", "choices": [{"index": 0, "message": message}], "usage": {}})


def breaks(error: PlanoError) -> Play:
    return lambda sink: sink.broke(error)


class Played:
    """An `Upstream` that plays one thing a call, the last of them again and again; None hangs."""

    def __init__(self, *plays: Play | None) -> None:
        self.plays = list(plays)
        self.calls: list[Call] = []
        self.hanging = 0

    async def send(self, call: Call, sink: ReplySink, *, fresh: bool = False) -> None:
        self.calls.append(call)
        play = self.plays.pop(0) if len(self.plays) > 1 else self.plays[0]
        if play is not None:
            play(sink)
            return
        self.hanging += 1
        try:
            await asyncio.Event().wait()
        finally:
            self.hanging -= 1

    def begin(self, call: Call, sink: ReplySink, outcome: Outcome) -> Underway | None:
        return None


class Clock:
    """Stands still unless it is moved."""

    def __init__(self) -> None:
        self.at = 1000.0

    def __call__(self) -> float:
        return self.at


def router(upstream: Played, **more: Any) -> RouterModel:
    options: dict[str, Any] = {
        "now": Clock(),
        "breaker": Breaker(BreakerLimits(in_a_row=3, first_rest_s=1.0)),
    } | more
    return RouterModel(CANDIDATE, upstream, Questions(WORDING, budget_tokens=8192), **options)


async def asked(model: RouterModel, *, within_s: float = 1.0) -> Verdict:
    return await model.classify(CONVERSATION, ROUTES, deadline=1000.0 + within_s)


async def test_it_is_asked_in_one_small_request() -> None:
    """The id behind the first slash, one message of the user's, hardly any chance, no stream: no more,
    since servers refuse what they do not know."""
    upstream = Played(says('{"route": ["prose"]}'))

    verdict = await asked(router(upstream))

    (call,) = upstream.calls
    body = b"".join(call.body)
    assert verdict == Matched(RouteName("prose"))
    assert json.loads(body) == {
        "model": "katanemo/Plano-Orchestrator-4B",
        "messages": [
            {"role": "user", "content": Questions(WORDING, budget_tokens=8192).about(CONVERSATION, ROUTES)}
        ],
        "temperature": 0.01,
    }
    assert (call.candidate, call.dialect, call.query, call.forwarded) == (
        CANDIDATE,
        Dialect.OPENAI_CHAT,
        "",
        (),
    )
    assert (call.body_length, call.first_byte_s, call.deadline) == (len(body), 2.0, 1002.0)


def test_it_goes_by_the_models_full_name() -> None:
    """That is what reasons and metrics call it."""
    assert router(Played(None)).name == "plano/katanemo/Plano-Orchestrator-4B"


ENDINGS = [
    pytest.param(says("{'route': 'code'}"), Matched(RouteName("code")), id="a route"),
    pytest.param(says('{"route": []}'), NoneFits("it named no route"), id="no route"),
    pytest.param(
        says("Gladly!"), "its answer is prose (7 characters), not a JSON object with 'route'", id="prose"
    ),
    pytest.param(says(""), "its answer holds no text", id="empty content"),
    pytest.param(says(None), "its answer holds no text", id="no content"),
    pytest.param(
        says(None, tool_calls=[{"id": "1", "function": {"name": "route"}}]),
        "its answer holds no text but calls of tools",
        id="tool calls",
    ),
    pytest.param(says(["x"]), "its answer is not a chat completion", id="content of parts"),
    pytest.param(says("\ud800"), "its answer is not a chat completion", id="half a surrogate"),
    pytest.param(answers({}), "its answer is a chat completion without choices", id="an empty object"),
    pytest.param(
        answers({"choices": []}), "its answer is a chat completion without choices", id="no choices"
    ),
    pytest.param(answers({"choices": [{}]}), "its answer is not a chat completion", id="no message"),
    pytest.param(
        answers({"error": {"message": "no such model"}}),
        "its answer is a chat completion without choices",
        id="an error in a 200",
    ),
    pytest.param(answers(b"[]"), "its answer is not a chat completion", id="a list"),
    pytest.param(answers(b""), "its answer is not a chat completion", id="nothing"),
    pytest.param(answers(b"<html>hello"), "its answer is not a chat completion", id="HTML"),
    pytest.param(answers(b'{"choices": [{"mess'), "its answer is not a chat completion", id="half an answer"),
    pytest.param(answers(b'{"x": ' + b"[" * 9000), "its answer is not a chat completion", id="deep"),
    pytest.param(answers(b"\xff\xfe" * 9), "its answer is not a chat completion", id="not UTF-8"),
    pytest.param(
        answers(b'{"choices": [{"message": {"content": "{\\"rou"}, "finish_reason": "length"}]}'),
        "its answer is incomplete JSON (5 characters), not a JSON object with 'route';"
        " it was cut off at the most tokens the server allows",
        id="cut off",
    ),
    pytest.param(
        answers(b" " * (LARGEST_REPLY_BYTES + 1)), "its answer is larger than 65536 bytes", id="too large"
    ),
    pytest.param(answers(b"{}", 500), "it answered with status 500", id="500"),
    pytest.param(answers(b"{}", 404), "it answered with status 404", id="404"),
    pytest.param(answers(b"{}", 401), "it answered with status 401 (is its access_key right?)", id="401"),
    pytest.param(answers(b"", 302), "it answered with status 302", id="302"),
    pytest.param(answers(b"", 204), "it answered with status 204", id="204"),
    pytest.param(
        breaks(UpstreamUnreachable("The provider cannot be reached: it refused the connection.")),
        "asking it failed: The provider cannot be reached: it refused the connection",
        id="refused",
    ),
    pytest.param(breaks(UpstreamBroke("It ended.")), "asking it failed: It ended", id="broke off"),
    pytest.param(
        breaks(Overloaded("No descriptor is left.")), "asking it failed: No descriptor is left", id="shed"
    ),
    pytest.param(breaks(UpstreamTimeout("Silent.")), "no answer within 0 ms", id="the pool's own limit"),
]


@pytest.mark.parametrize(("play", "verdict"), ENDINGS)
async def test_every_ending_is_a_verdict(play: Play, verdict: Verdict | str) -> None:
    """A router model may do what it likes; the request goes on, and knows why."""
    expected = Unable(verdict) if isinstance(verdict, str) else verdict

    assert await asked(router(Played(play))) == expected


async def test_a_slow_answer_is_not_waited_for() -> None:
    """The request's own time is running; and nothing stays behind."""
    upstream = Played(None)

    verdict = await asked(router(upstream), within_s=0.02)

    assert (verdict, upstream.hanging) == (Unable("no answer within 20 ms"), 0)


async def test_past_the_deadline_nobody_is_asked() -> None:
    """It cannot answer in time, and must not be blamed for it."""
    upstream = Played(says('{"route": "code"}'))
    model = router(upstream)

    late = [await asked(model, within_s=0.0) for _ in range(5)]

    assert late == [Unable("not asked: no time was left")] * 5
    assert (await asked(model), len(upstream.calls)) == (Matched(RouteName("code")), 1)


async def test_routes_that_are_too_many_are_not_asked_about() -> None:
    """That is the request's doing, and no failure of the model's."""
    upstream = Played(says('{"route": "code"}'))
    model = router(upstream)
    routes = routes_of(("a", "b" * LARGEST_ROUTES_BYTES))

    verdicts = [await model.classify(CONVERSATION, routes, deadline=1001.0) for _ in range(5)]

    assert (
        verdicts
        == [Unable("not asked: the routes have 131104 characters, too many to ask a model about")] * 5
    )
    assert (await asked(model), len(upstream.calls)) == (Matched(RouteName("code")), 1)


async def test_only_so_many_are_asked_at_once() -> None:
    """A model that has fallen behind is not helped by a longer queue; those who leave make room."""
    upstream = Played(None)
    model = router(upstream, most_at_once=2)
    waiting = [asyncio.ensure_future(asked(model)) for _ in range(2)]
    await asyncio.sleep(0)

    third = await asked(model)
    for task in waiting:
        task.cancel()
    left = await asyncio.wait(waiting)
    upstream.plays = [says('{"route": "code"}')]
    fourth = await asked(model)

    assert third == Unable("busy: 2 questions to it are under way")
    assert (all(task.cancelled() for task in left[0]), upstream.hanging) == (True, 0)
    assert fourth == Matched(RouteName("code"))


async def test_one_that_keeps_failing_is_left_alone_for_a_while() -> None:
    """Every request would wait for it in vain; one of them looks whether it is back."""
    clock = Clock()
    upstream = Played(
        answers(b"", 500), answers(b"not JSON"), breaks(UpstreamTimeout("x")), says('{"route": "code"}')
    )
    model = router(upstream, now=clock)

    for _ in range(3):
        await asked(model)
    refused = await asked(model)
    clock.at += 1.0
    probed = await asked(model, within_s=2.0)

    assert refused == Unable("not asked for another 1.0 s after 3 failures in a row")
    assert (probed, len(upstream.calls)) == (Matched(RouteName("code")), 4)


async def test_answers_that_name_none_are_no_failures() -> None:
    """Most conversations may fit no route; the model is well."""
    upstream = Played(says('{"route": []}'))
    model = router(upstream)

    for _ in range(9):
        await asked(model)

    assert len(upstream.calls) == 9


async def test_clients_that_leave_are_no_failures() -> None:
    """Otherwise a burst of cancelled requests would switch the router model off for everybody."""
    upstream = Played(None)
    model = router(upstream)
    for _ in range(5):
        task = asyncio.ensure_future(asked(model))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])

    upstream.plays = [says('{"route": "code"}')]

    assert await asked(model) == Matched(RouteName("code"))


async def test_an_answer_that_repeats_the_conversation_is_not_repeated() -> None:
    """A model that misunderstood answers the user instead; reasons are logged, prompts are not."""
    verdict = await asked(router(Played(says("Your password hunter2 is weak."))))

    assert verdict == Unable("its answer is prose (30 characters), not a JSON object with 'route'")
