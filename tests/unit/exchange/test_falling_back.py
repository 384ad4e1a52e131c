"""What is left of a failed attempt: in the answer nothing, in the record its number, in the health of its
candidate that it failed."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import pytest

from plano.catalog.build import build
from plano.catalog.catalog import Found
from plano.chat.dialect import Dialect
from plano.chat.usage import Usage
from plano.config.configuration import Configuration, NameAt, ProviderRow
from plano.errors import Overloaded, UpstreamBroke, UpstreamError, UpstreamUnreachable
from plano.exchange.ports import Call, ReplySink
from plano.exchange.record import FailedAttempt
from plano.routing.decision import Candidate
from plano.routing.health import FAILURES_IN_A_ROW, REST_S, Health
from tests.unit.exchange.sides import UpstreamSide
from tests.unit.exchange.test_exchange import Play, Stage, Upstream, answers
from tests.wall.answers import EVENTS, PLAIN

CHAT = Dialect.OPENAI_CHAT
ROW = ("model_providers", 0)
CATALOG = build(
    Configuration(
        "test",
        providers=(
            ProviderRow("openai/a", "a", ROW, fallbacks=(NameAt("b", ROW),)),
            ProviderRow("openai/b", "b", ROW),
        ),
    )
)
EVENT_STREAM = [(b"content-type", b"text/event-stream")]
ERROR = b'data: {"error": {"message": "x", "type": "server_error", "code": "overloaded"}}\n\n'


def found(name: str) -> Candidate:
    model = CATALOG.find(name)
    assert isinstance(model, Found)
    return Candidate.of(model)


A = found("a")


class Providers(Upstream):
    """Each model plays its own part."""

    def __init__(self, plays: Mapping[str, Play]) -> None:
        super().__init__(answers)
        self.plays = dict(plays)

    @property
    def asked(self) -> list[str]:
        return [call.candidate.upstream_model for call in self.calls]

    async def send(self, call: Call, sink: ReplySink, *, fresh: bool = False) -> None:
        self._play = self.plays[call.candidate.upstream_model]
        await super().send(call, sink, fresh=fresh)


def breaks(problem: UpstreamError) -> Play:
    async def play(sink: ReplySink) -> None:
        sink.flow = None
        sink.broke(problem)

    return play


def answer_of(status: int) -> Play:
    async def play(sink: ReplySink) -> None:
        sink.head(status, [(b"content-type", b"application/json")])
        sink.body(b'{"error": {"message": "no"}}')
        sink.flow = None
        sink.end()

    return play


async def begins_with_an_error(sink: ReplySink) -> None:
    """It has learnt to say who it is, and what it cost, before it gives up."""
    sink.head(200, EVENT_STREAM)
    usage = b'{"prompt_tokens":9,"completion_tokens":1,"total_tokens":10}'
    sink.body(b'data: {"id":"first","model":"first-1","choices":[],"usage":%b}\n\n' % usage + ERROR)


async def streams(sink: ReplySink) -> None:
    sink.head(200, EVENT_STREAM)
    sink.body(b"".join(EVENTS[CHAT]))
    sink.flow = None
    sink.end()


async def takes_it_back(sink: ReplySink) -> None:
    """Behind content that has gone out."""
    sink.head(200, EVENT_STREAM)
    sink.body(b"".join(EVENTS[CHAT][:2]) + ERROR)
    sink.flow = None
    sink.end()


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def stage(
    plays: Mapping[str, Play], *, clock: Clock | None = None, health: Health | None = None
) -> tuple[Stage, Providers]:
    providers = Providers(plays)
    return Stage(answers, providers, catalog=CATALOG, now=clock, health=health), providers


async def test_nothing_of_the_first_is_in_the_record_of_the_second() -> None:
    """An answer that is told with another's error would be counted as one; its tokens as another's."""
    played, _ = stage({"a": begins_with_an_error, "b": streams})
    await played.ask({"model": "a", "stream": True})

    record = played.record
    assert played.told == (200, None, "answered", "done", 2)
    assert (record.chosen, record.served, record.upstream_id) == (
        "openai/b",
        "wall-chat-2026-01-01",
        "chatcmpl-wall2",
    )
    assert record.usage is not None
    assert (record.usage.input_tokens, record.usage.output_tokens) == (11, 5)
    assert record.failed == (FailedAttempt(A.id, "upstream_error", 4.0, 503, Usage(9, 1)),)
    assert record.bill == ((A.id, Usage(9, 1)), ("openai/b", record.usage))
    assert played.client.body == b"".join(EVENTS[CHAT])


async def test_timers_are_those_of_the_last_attempt() -> None:
    """A second that was never connected to has sent nothing, and has said nothing."""

    class Unsent(Providers):
        async def send(self, call: Call, sink: ReplySink, *, fresh: bool = False) -> None:
            if call.candidate.upstream_model == "a":
                await super().send(call, sink, fresh=fresh)
            else:
                sink.broke(UpstreamUnreachable("x"))

    played = Stage(answers, Unsent({"a": begins_with_an_error}), catalog=CATALOG)
    await played.ask({"model": "a", "stream": True})

    assert played.told == (502, "upstream_unreachable", "upstream_failed", "connect", 3)
    assert (played.record.sent, played.record.first_byte, played.record.usage) == (None, None, None)


async def test_the_first_is_given_less_time_while_there_is_another() -> None:
    """The last one may take four times as long; all share one deadline."""
    played, providers = stage({"a": breaks(UpstreamBroke("x")), "b": answers})
    await played.ask({"model": "a"})

    assert [(call.first_byte_s, call.deadline) for call in providers.calls] == [(30.0, 300.0), (120.0, 300.0)]


async def test_the_head_tells_who_answered_and_how_many_were_asked() -> None:
    """Once each: a field that comes twice is read as a list, or refused."""
    played, _ = stage({"a": breaks(UpstreamBroke("x")), "b": answers})
    await played.ask({"model": "a"})

    fields = [line for line in played.client.fields.split(b"\r\n") if line.startswith(b"x-plano")]
    assert fields == [b"x-plano-model: openai/b", b"x-plano-decision: explicit", b"x-plano-attempts: 2"]


@pytest.mark.parametrize(
    ("a", "b", "failed", "preferred"),
    [
        pytest.param(
            breaks(UpstreamBroke("x")),
            answers,
            [("openai/a", "upstream_broke", None)],
            "openai/a",
            id="one",
        ),
        pytest.param(
            answer_of(401),
            answer_of(529),
            [("openai/a", "upstream_auth", 401), *[("openai/b", "upstream_error", 529)] * 2],
            "openai/a",
            id="all",
        ),
        pytest.param(answer_of(404), answers, [], None, id="a refusal of the request"),
        pytest.param(answers, answers, [], None, id="none"),
    ],
)
async def test_the_record_tells_who_has_failed_and_how(
    a: Play, b: Play, failed: list[tuple[str, str, int | None]], preferred: str | None
) -> None:
    """Each attempt that came to nothing, the last one too; a provider that refuses a request has answered."""
    played, _ = stage({"a": a, "b": b})
    await played.ask({"model": "a"})

    told = [(each.model, each.code, each.status) for each in played.record.failed]
    assert (told, played.record.preferred) == (failed, preferred)


async def test_an_answer_that_is_taken_back_has_failed() -> None:
    """Its beginning is with the client."""
    played, _ = stage({"a": takes_it_back, "b": answers})
    await played.ask({"model": "a", "stream": True})

    assert [(each.model, each.code, each.status) for each in played.record.failed] == [
        ("openai/a", "upstream_error", 503)
    ]


# --- health


async def asked_for(
    plays: Mapping[str, Play], clock: Clock, health: Health, *, times: int = 1
) -> list[list[str]]:
    """Who was asked, request by request."""
    asked = []
    for _ in range(times):
        played, providers = stage(plays, clock=clock, health=health)
        await played.ask({"model": "a"})
        asked.append(providers.asked)
    return asked


async def test_a_provider_that_is_back_is_used_again_after_its_rest() -> None:
    """Two hundred requests in its outage, and the first one after it."""
    clock = Clock()
    health = Health(clock)
    down: Mapping[str, Play] = {"a": breaks(UpstreamUnreachable("x")), "b": answers}
    outage = await asked_for(down, clock, health, times=200)
    up: Mapping[str, Play] = {"a": answers, "b": answers}
    resting = await asked_for(up, clock, health)
    clock.now += REST_S
    back = await asked_for(up, clock, health, times=2)

    assert outage == [["a", "b"]] * 5 + [["b"]] * 195
    assert (resting, back, health.is_troubled) == ([["b"]], [["a"], ["a"]], False)


async def test_a_long_outage_is_asked_about_by_one_request_a_rest() -> None:
    """Each time a little later."""
    clock = Clock()
    health = Health(clock)
    down: Mapping[str, Play] = {"a": breaks(UpstreamUnreachable("x")), "b": answers}
    await asked_for(down, clock, health, times=5)
    probes = []
    for second in range(600):
        clock.now = 1000.0 + second
        if (await asked_for(down, clock, health)) == [["a", "b"]]:
            probes.append(second)

    assert probes == [30, 90, 180, 300, 450]


async def test_an_answer_that_is_taken_back_is_a_failure() -> None:
    """The client has its beginning, so nobody else answers this one; the next ones go elsewhere."""
    clock = Clock()
    health = Health(clock)
    told = []
    for _ in range(5):
        played, providers = stage({"a": takes_it_back, "b": answers}, clock=clock, health=health)
        await played.ask({"model": "a", "stream": True})
        told.append((*played.told[:3], providers.asked))

    assert told == [(200, "upstream_error", "upstream_failed", ["a"])] * 5
    assert health.is_resting(A)


@pytest.mark.parametrize("status", [400, 404, 422])
async def test_a_refusal_of_the_request_is_no_trouble_of_the_provider(status: int) -> None:
    """Anybody could switch a model off for everybody else."""
    clock = Clock()
    health = Health(clock)
    asked = await asked_for({"a": answer_of(status), "b": answers}, clock, health, times=9)

    assert (asked, health.is_troubled) == ([["a"]] * 9, False)


async def test_a_limit_rests_the_model_and_is_told_nobody_who_is_answered() -> None:
    """The first request finds out; until it is over, the others do not ask."""

    async def busy(sink: ReplySink) -> None:
        sink.head(429, [(b"content-type", b"application/json"), (b"retry-after", b"17")])
        sink.body(b'{"error": {"message": "slow down"}}')
        sink.flow = None
        sink.end()

    clock = Clock()
    health = Health(clock)
    plays: Mapping[str, Play] = {"a": busy, "b": answers}
    played, _ = stage(plays, clock=clock, health=health)
    await played.ask({"model": "a"})
    clock.now += 16.9
    before = await asked_for(plays, clock, health)
    clock.now += 0.2
    after = await asked_for(plays, clock, health)

    assert (played.client.body, b"retry-after" in played.client.fields) == (PLAIN[CHAT], False)
    assert (before, after) == ([["b"]], [["a", "b"]])


async def test_a_limit_of_a_clients_own_key_is_no_matter_of_others() -> None:
    """They have keys of their own."""
    health = Health(Clock())
    played = Stage(answer_of(429), health=health)
    await played.ask({"model": "own"})

    assert (played.told[0], health.is_troubled) == (429, False)


async def test_who_rests_is_told_beside_who_was_asked() -> None:
    """Nothing has failed in this request: another was asked first all the same."""
    clock = Clock()
    health = Health(clock)
    for _ in range(FAILURES_IN_A_ROW):
        health.report(A, "failed")
    played, _ = stage({"a": answers, "b": answers}, clock=clock, health=health)
    await played.ask({"model": "a"})

    record = played.record
    assert (record.chosen, record.preferred, record.set_back, record.failed) == ("openai/b", A.id, 1, ())


async def waits(sink: ReplySink) -> None:
    """For ever."""
    await asyncio.Event().wait()


async def lacks_connections(sink: ReplySink) -> None:
    sink.flow = None
    raise Overloaded("x")


@pytest.mark.parametrize("has_left", [True, False], ids=["its client leaves", "a drain"])
async def test_a_request_that_tries_and_is_cancelled_lets_the_next_one_try(has_left: bool) -> None:
    """Or the candidate would go last for half a minute more, and nobody would try it."""
    clock = Clock()
    health = Health(clock)
    for _ in range(FAILURES_IN_A_ROW):
        health.report(A, "failed")
    clock.now += REST_S
    played, providers = stage({"a": waits, "b": answers}, clock=clock, health=health)
    task = asyncio.create_task(played.run({"model": "a"}))
    await providers.called.wait()
    held = health.is_resting(A)
    played.client.gone = has_left
    task.cancel()
    await asyncio.wait([task])

    assert (providers.asked, held, health.is_resting(A)) == (["a"], True, False)


async def test_a_trouble_of_our_own_lets_the_next_one_try() -> None:
    """It says nothing of the candidate; and is told as what it is."""
    clock = Clock()
    health = Health(clock)
    for _ in range(FAILURES_IN_A_ROW):
        health.report(A, "failed")
    clock.now += REST_S
    played, _ = stage({"a": lacks_connections, "b": answers}, clock=clock, health=health)
    await played.ask({"model": "a"})

    assert (played.told[:2], played.record.shed) == ((503, "overloaded"), "upstream_connections")
    assert (health.is_resting(A), health.is_troubled) == (False, True)


async def test_back_pressure_reaches_the_attempt_that_is_under_way() -> None:
    """And never the one before it."""
    flows: list[object] = []

    async def notes(sink: ReplySink) -> None:
        flows.append(played.client.flow)
        await streams(sink)

    async def fails(sink: ReplySink) -> None:
        flows.append(played.client.flow)
        sink.flow = None
        flows.append(played.client.flow)
        sink.broke(UpstreamBroke("x"))

    played, _ = stage({"a": fails, "b": notes})
    await played.ask({"model": "a", "stream": True})

    first, between, second = flows
    assert (isinstance(first, UpstreamSide), between, isinstance(second, UpstreamSide)) == (True, None, True)
    assert (first is second, played.client.flow) == (False, None)
