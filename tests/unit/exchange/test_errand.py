"""A request that needs no task is answered and recorded like every other, however its call goes."""

from __future__ import annotations

from typing import Any

import pytest

from plano.chat.dialect import Dialect
from plano.errors import UpstreamBroke, UpstreamInvalid
from plano.exchange.errand import Errand
from plano.exchange.ports import Call, Outcome, ReplySink
from tests.unit.exchange.sides import UpstreamSide
from tests.unit.exchange.test_exchange import Stage, Upstream, answers, stalls
from tests.wall.answers import PLAIN

ASKED = {"model": "fast", "messages": []}
ANSWER = PLAIN[Dialect.OPENAI_CHAT]


class AtOnce(Upstream):
    """Begins every call; the test says how it goes on."""

    sink: ReplySink
    outcome: Outcome

    def __init__(self) -> None:
        super().__init__(answers)
        self.abandoned: list[object] = []

    def begin(self, call: Call, sink: ReplySink, outcome: Outcome) -> AtOnce:  # type: ignore[override]  # the other begins none
        self.calls.append(call)
        self.sink, self.outcome = sink, outcome
        sink.flow = UpstreamSide()
        return self

    def abandon(self, outcome: Any, /) -> None:
        self.abandoned.append(outcome)


def begun() -> tuple[Stage, AtOnce, Errand]:
    upstream = AtOnce()
    stage = Stage(stalls, upstream)
    errand = stage.answer(ASKED)
    assert isinstance(errand, Errand)
    return stage, upstream, errand


def deliver(sink: ReplySink) -> None:
    sink.head(200, [(b"content-type", b"application/json")])
    sink.body(ANSWER)
    sink.flow = None
    sink.end()
    sink.flush()


async def carried_on(stage: Stage) -> None:
    """Stands for the task that the connection makes of it."""
    assert stage.client.work is not None
    await stage.client.work


def test_an_answer_is_relayed_recorded_and_done_within_the_call_that_brings_it() -> None:
    stage, upstream, errand = begun()
    before = (errand.done(), stage.client.is_done, len(stage.book.records))

    deliver(upstream.sink)
    upstream.outcome.set_result(True)

    assert before == (False, False, 0)
    assert (stage.client.body, stage.client.is_done, errand.done()) == (ANSWER, True, True)
    assert stage.told == (200, None, "answered", "done", 1)


async def test_a_failure_is_answered_by_a_task() -> None:
    """Telling of it may take longer, and the next pipelined request must not begin within it."""
    stage, upstream, _ = begun()

    upstream.sink.broke(UpstreamBroke("cut"))
    upstream.outcome.set_result(True)
    early = (stage.client.is_done, stage.client.started)
    await carried_on(stage)

    assert early == (False, False)
    assert stage.told[:3] == (502, "upstream_broke", "upstream_failed")


async def test_a_connection_that_had_died_costs_one_replay_and_no_word() -> None:
    """It is sent again by a task, over a new connection."""
    stage, upstream, _ = begun()

    upstream.outcome.set_result(False)
    await carried_on(stage)

    assert (stage.client.body, len(upstream.calls)) == (ANSWER, 2)
    assert stage.told == (200, None, "answered", "done", 1)


async def test_what_the_relay_raises_is_answered() -> None:
    """A redirect closes the connection from within; the client still hears why."""
    stage, upstream, _ = begun()

    with pytest.raises(UpstreamInvalid) as raised:
        upstream.sink.head(302, [])
    upstream.outcome.set_exception(raised.value)
    await carried_on(stage)

    assert stage.told[:3] == (502, "upstream_invalid", "upstream_failed")


async def test_a_defect_is_recorded_and_raised_where_defects_are_told() -> None:
    stage, upstream, _ = begun()

    upstream.outcome.set_exception(ZeroDivisionError())
    with pytest.raises(ZeroDivisionError):
        await carried_on(stage)

    assert stage.told[1:3] == ("internal_error", "gateway_failed")


def test_a_client_that_leaves_takes_the_call_along() -> None:
    """At once: the connection upstream is closed before the next turn of the loop."""
    stage, upstream, errand = begun()
    stage.client.gone = True

    errand.cancel()
    errand.cancel()

    assert (upstream.abandoned, errand.done()) == ([errand], True)
    assert stage.told[:3] == (499, "client_left", "client_left")


def test_the_end_of_draining_is_told_to_who_still_waits() -> None:
    stage, upstream, errand = begun()

    errand.cancel()

    assert (upstream.abandoned, stage.client.status) == ([errand], 503)
    assert stage.told[:3] == (503, "shutting_down", "gateway_failed")


def test_a_cancelled_errand_says_no_more() -> None:
    """Who has cancelled it goes on without it."""
    stage, _, errand = begun()

    errand.cancel()

    assert (stage.client.is_done, stage.client.work) == (False, None)
