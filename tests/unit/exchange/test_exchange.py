"""The exchange: every request is answered and recorded once, whatever its upstream does."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Coroutine
from itertools import count
from typing import Any, TypeVar

import pytest

from plano.catalog.build import build
from plano.catalog.catalog import Catalog
from plano.chat.dialect import Dialect
from plano.config.configuration import Configuration, ProviderRow
from plano.errors import Overloaded, UpstreamTimeout, UpstreamUnreachable
from plano.exchange.ask import Ask
from plano.exchange.asking import Asking
from plano.exchange.errand import Errand
from plano.exchange.exchange import Exchange, Timing
from plano.exchange.ports import Call, Outcome, ReplySink
from plano.exchange.record import ExchangeRecord
from plano.exchange.sessions import SessionFinder, SessionRules
from plano.routing.health import Health
from plano.routing.inline import InlineRoutes
from plano.routing.router import Ladder
from tests.unit.exchange.sides import ClientSide, UpstreamSide, blank
from tests.wall.answers import EVENTS, PLAIN

CHAT = Dialect.OPENAI_CHAT
ROW = ("model_providers", 0)
CATALOG = build(
    Configuration(
        "test",
        providers=(
            ProviderRow("openai/gpt", "gpt", ROW, is_default=True),
            ProviderRow("openai/own", "own", ROW, passthrough_auth=True),
            ProviderRow("deepseek/*", "deepseek/*", ROW),
        ),
        aliases={"fast": "gpt"},
    )
)
T = TypeVar("T")
Play = Callable[[ReplySink], Awaitable[None]]


async def at_once(work: Callable[[], T], /) -> T:
    return work()


class Upstream:
    """Plays `play` into the sink and keeps the calls."""

    def __init__(self, play: Play) -> None:
        self.calls: list[Call] = []
        self.called = asyncio.Event()
        self._play = play

    def begin(self, call: Call, sink: ReplySink, outcome: Outcome) -> None:
        """Nothing: whatever is played takes its time."""

    async def send(self, call: Call, sink: ReplySink, *, fresh: bool = False) -> None:
        self.calls.append(call)
        self.called.set()
        sink.flow = UpstreamSide()
        await self._play(sink)


class Book:
    """A recorder."""

    def __init__(self) -> None:
        self.records: list[ExchangeRecord] = []

    def record(self, record: ExchangeRecord) -> None:
        self.records.append(record)


class Stage:
    """One exchange between a played client and a played upstream."""

    def __init__(
        self,
        play: Play,
        upstream: Upstream | None = None,
        *,
        catalog: Catalog = CATALOG,
        now: Callable[[], float] | None = None,
        health: Health | None = None,
    ) -> None:
        """`now`: every reading is a second later than the one before, unless told otherwise."""
        self.upstream = upstream or Upstream(play)
        self.client = ClientSide()
        self.book = Book()
        ticks = count(1)
        self._started = now() if now else 0.0
        self._exchange = Exchange(
            ladder=Ladder(catalog),
            asking=Asking(
                InlineRoutes(catalog),
                SessionFinder(SessionRules(600.0), aside=at_once),
                budget_tokens=8192,
                aside=at_once,
            ),
            health=health or Health(lambda: 0.0),
            upstreams={"https": self.upstream},
            recorder=self.book,
            timing=Timing(
                first_byte_s=120.0,
                exchange_s=300.0,
                reply_bytes=1_000_000,
                first_byte_with_another_s=30.0,
            ),
            now=now or (lambda: float(next(ticks))),
            today=lambda: 0.0,
        )

    async def ask(self, body: object, dialect: Dialect = CHAT) -> Stage:
        await self.run(body, dialect)
        return self

    async def run(self, body: object, dialect: Dialect = CHAT) -> None:
        work = self.answer(body, dialect)
        assert not isinstance(work, Errand)
        await work

    def answer(self, body: object, dialect: Dialect = CHAT) -> Errand | Coroutine[Any, Any, None]:
        record = blank()
        record.started = self._started
        ask = Ask(
            dialect,
            body if isinstance(body, bytes) else json.dumps(body).encode(),
            "beta=true",
            [(b"traceparent", b"00-1")],
            lambda: [(b"authorization", b"Bearer own")],
            b"x-request-id: req-1\r\n",
            record,
        )
        return self._exchange.answer(ask, self.client)

    @property
    def record(self) -> ExchangeRecord:
        (record,) = self.book.records
        return record

    @property
    def told(self) -> tuple[object, ...]:
        record = self.record
        return record.status, record.code, record.ending, record.phase, record.attempts


async def answers(sink: ReplySink) -> None:
    sink.head(200, [(b"content-type", b"application/json")])
    sink.body(PLAIN[CHAT])
    sink.flow = None
    sink.end()
    sink.flush()


async def begins_and_stalls(sink: ReplySink) -> None:
    sink.head(200, [(b"content-type", b"text/event-stream")])
    sink.body(b"".join(EVENTS[CHAT][:2]))
    sink.flush()
    await asyncio.Event().wait()


async def stalls(sink: ReplySink) -> None:
    await asyncio.Event().wait()


async def test_an_answer_is_relayed_and_recorded_once() -> None:
    """With everything that was learnt on the way."""
    stage = await Stage(answers).ask({"model": "fast", "messages": []})

    assert (stage.client.status, stage.client.body) == (200, PLAIN[CHAT])
    assert stage.told == (200, None, "answered", "done", 1)
    record = stage.record
    assert (record.requested, record.chosen, record.served) == ("fast", "openai/gpt", "wall-chat-2026-01-01")
    assert (record.decision, record.provider, record.bytes_out) == ("alias", "openai", len(PLAIN[CHAT]))
    assert b"x-plano-model: openai/gpt\r\nx-plano-decision: alias\r\n" in stage.client.fields


async def test_the_call_is_the_request_with_another_model() -> None:
    """Nothing else of it changes, and the deadline counts from the request's first byte."""
    stage = await Stage(answers).ask(b'{ "x":1e2, "model" : "deepseek/v9", "messages": []}')

    (call,) = stage.upstream.calls
    assert b"".join(call.body) == b'{ "x":1e2, "model" : "v9", "messages": []}'
    assert (call.body_length, call.query, call.deadline) == (len(b"".join(call.body)), "beta=true", 300.0)
    assert call.forwarded == [(b"traceparent", b"00-1")]


async def test_a_clients_credential_goes_only_where_it_is_meant_to() -> None:
    """It is not even read for other models."""
    stage = await Stage(answers).ask({"model": "own", "messages": []})

    assert stage.upstream.calls[0].forwarded == [(b"traceparent", b"00-1"), (b"authorization", b"Bearer own")]


@pytest.mark.parametrize(
    ("body", "dialect", "told"),
    [
        pytest.param(b"{", CHAT, (400, "invalid_json", "refused", "read", 0), id="no JSON"),
        pytest.param(
            {"model": "nobody"}, CHAT, (404, "model_not_found", "refused", "decide", 0), id="no such model"
        ),
        pytest.param(
            {"model": "deepseek/v9"},
            Dialect.OPENAI_RESPONSES,
            (400, "dialect_not_supported", "refused", "decide", 0),
            id="not spoken",
        ),
    ],
)
async def test_what_cannot_be_sent_is_answered_and_costs_no_attempt(
    body: object, dialect: Dialect, told: tuple[object, ...]
) -> None:
    stage = await Stage(answers).ask(body, dialect)

    assert (stage.told, stage.upstream.calls) == (told, [])
    assert (stage.client.status, stage.client.end_was) == (told[0], "whole")


@pytest.mark.parametrize(
    ("problem", "told"),
    [
        (UpstreamUnreachable("x"), (502, "upstream_unreachable", "upstream_failed", "head", 2)),
        (UpstreamTimeout("x"), (504, "upstream_timeout", "upstream_failed", "head", 1)),
        (Overloaded("x"), (503, "overloaded", "gateway_failed", "head", 1)),
    ],
)
async def test_a_failure_before_the_answer_is_the_answer(
    problem: UpstreamUnreachable | UpstreamTimeout | Overloaded, told: tuple[object, ...]
) -> None:
    """Blamed on whoever it was, after as many attempts as may help; what only the log may know goes there."""
    problem.detail = "10.0.0.7:1 refused"

    async def breaks(sink: ReplySink) -> None:
        sink.flow = None
        sink.broke(problem)

    stage = await Stage(breaks).ask({"model": "gpt"})

    assert (stage.told, stage.record.detail) == (told, "10.0.0.7:1 refused")
    assert b"10.0.0.7" not in stage.client.body


async def cancelled(stage: Stage, *, gone: bool = False) -> None:
    """Cut while its upstream is silent."""
    task = asyncio.create_task(stage.run({"model": "gpt", "stream": True}))
    await stage.upstream.called.wait()
    stage.client.gone = gone
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()


@pytest.mark.parametrize(("play", "phase"), [(stalls, "head"), (begins_and_stalls, "stream")])
async def test_a_departure_is_a_499_whatever_was_sent(play: Play, phase: str) -> None:
    """Nobody is there to be told."""
    stage = Stage(play)
    await cancelled(stage, gone=True)

    assert stage.told == (499, "client_left", "client_left", phase, 1)


async def test_a_client_that_leaves_between_two_attempts_costs_no_second_one() -> None:
    """It may have gone in the very moment in which the first one failed."""

    async def breaks(sink: ReplySink) -> None:
        sink.flow = None
        stage.client.gone = True
        sink.broke(UpstreamUnreachable("x"))

    stage = Stage(breaks)
    with pytest.raises(asyncio.CancelledError):
        await stage.ask({"model": "gpt"})

    assert (stage.told, len(stage.upstream.calls)) == ((499, "client_left", "client_left", "connect", 2), 1)


async def test_a_drain_before_the_answer_is_a_503() -> None:
    """The client is there, and can come again."""
    stage = Stage(stalls)
    await cancelled(stage)

    assert stage.told == (503, "shutting_down", "gateway_failed", "head", 1)
    assert (stage.client.status, stage.client.end_was) == (503, "whole")


async def test_a_drain_in_mid_stream_is_told_in_the_stream() -> None:
    """The status is out already, in the log too."""
    stage = Stage(begins_and_stalls)
    await cancelled(stage)

    assert stage.told == (200, "shutting_down", "gateway_failed", "stream", 1)
    assert (b'"code":"shutting_down"' in stage.client.body, stage.client.end_was) == (True, "loud")


async def test_a_defect_is_recorded_and_raised() -> None:
    """Who runs exchanges logs it whole; the client is told by them."""

    async def fails(sink: ReplySink) -> None:
        raise ZeroDivisionError

    stage = Stage(fails)
    with pytest.raises(ZeroDivisionError):
        await stage.ask({"model": "gpt"})

    assert stage.told == (500, "internal_error", "gateway_failed", "head", 1)
    assert not stage.client.started
