"""One candidate fails and another answers, for every fault on the list; and what that costs."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Coroutine, Mapping
from contextlib import AsyncExitStack
from typing import Any

import pytest

from plano.chat.dialect import Dialect
from tests.fault.asks import answered, ask, asked, request
from tests.fault.baseline import turns, unharmed, until
from tests.fault.cuts import STREAMS, Cuts
from tests.fault.failing import CHAT, MESSAGES, SHORT, Fault, begun, rows
from tests.fault.no_answers import NO_ANSWERS
from tests.fault.test_upstream_errors import ERROR_EVENTS
from tests.fault.told import Told, error_in_event, events_in
from tests.fault.watched import gateway
from tests.wall.answers import EVENTS, PLAIN, refusal
from tests.wall.gateway import ANTHROPIC_MODEL, OPENAI_MODEL, listener
from tests.wall.raw_client import RawClient
from tests.wall.script import EVENT_STREAM, Chunk, Fin, Head, Pause, Raw, Rst, Script, Stall
from tests.wall.upstream import ScriptedUpstream, refusing_port

FIRST = {dialect: ANTHROPIC_MODEL if dialect is MESSAGES else OPENAI_MODEL for dialect in Dialect}
SECOND = {
    dialect: "anthropic/claude-second" if dialect is MESSAGES else "openai/gpt-second" for dialect in Dialect
}
KEYS = ("sk-wall-first-canary-0001", "sk-wall-second-canary-0002")


def config_of(first: str, *others: str, key: str = KEYS[1], **more: Any) -> dict[str, Any]:
    """An OpenAI and an Anthropic model at `first`, each with one at each other address to stand in."""
    providers: list[dict[str, Any]] = []
    for model in (OPENAI_MODEL, ANTHROPIC_MODEL):
        stand_ins = [
            {"model": f"{model.rpartition('-')[0]}-{name}", "base_url": url, "access_key": key}
            for name, url in zip(("second", "third", "fourth"), others, strict=False)
        ]
        row = {"model": model, "base_url": first, "access_key": KEYS[0]}
        providers += [{**row, "fallbacks": [each["model"] for each in stand_ins]}, *stand_ins]
    providers[0]["default"] = True
    return {"version": "v0.4.0", "model_providers": providers, **more}


def limits(fault: Fault) -> Mapping[str, Any]:
    return listener(**dict(fault.limits))


def whole(dialect: Dialect, *, stream: bool) -> bytes:
    return STREAMS[dialect] if stream else PLAIN[dialect]


def answer(reply: Told) -> tuple[object, ...]:
    """All that tells who answered, and how."""
    headers = reply.headers
    return (
        reply.status,
        reply.body,
        reply.whole,
        headers.get("x-plano-model"),
        headers.get("x-plano-attempts"),
    )


def to_the_second() -> bytes:
    """A request that names it."""
    body = ask(CHAT, stream=False).replace(OPENAI_MODEL.encode(), SECOND[CHAT].encode())
    return request(CHAT, "connection: close", body=body)


# --- the table


@pytest.mark.parametrize(("fault", "dialect", "stream"), list(rows()))
async def test_every_fault_on_the_list(fault: Fault, dialect: Dialect, stream: bool) -> None:
    """The client gets a whole answer while that is possible, and is told loudly when it no longer is; nobody
    is asked more than that takes, and nothing is left behind."""
    await play_out(fault, dialect, stream=stream)


@pytest.mark.parametrize(("fault", "dialect", "stream"), list(rows(NO_ANSWERS)))
async def test_every_answer_that_is_none(fault: Fault, dialect: Dialect, stream: bool) -> None:
    """Pages, nothing, too much, ways elsewhere: as good as no answer, and the client notices none of it."""
    await play_out(fault, dialect, stream=stream)


async def play_out(fault: Fault, dialect: Dialect, *, stream: bool) -> None:
    """One fault of the first candidate, once, beside a second that is well."""
    script = fault.play(dialect, stream)
    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(Cuts())
        second = await stack.enter_async_context(ScriptedUpstream())
        url = first.url if script is not None else f"http://127.0.0.1:{refusing_port()}"
        config = config_of(url, second.url, **limits(fault))
        running = await stack.enter_async_context(gateway(config))
        await answered(running.port, to_the_second())  # so that its connection is there before and after
        await stack.enter_async_context(unharmed(running))
        before = len(first.attempts), len(second.attempts)
        first.script, first.times = script, fault.requests
        reply = await goaded(first, asked(running.port, dialect, stream=stream))
        (*_, line) = await running.logged(3)

        asked_of = len(first.attempts) - before[0], len(second.attempts) - before[1]
        log = line["attempts"], line["chosen_model"], line["status"], line.get("code"), line["ending"]
        match fault.told:
            case "the second's answer":
                expected = (200, whole(dialect, stream=stream), True, SECOND[dialect], "2")
                assert answer(reply) == expected
                assert log == (2, SECOND[dialect], 200, None, "answered")
                assert asked_of == (fault.requests, 1)
            case "an error event":
                assert_told_in_the_stream(reply, fault, dialect)
                assert log == (1, FIRST[dialect], 200, fault.code, "upstream_failed")
                assert asked_of == (1, 0)
            case "the refusal":
                assert script is not None
                words = b"".join(step.data for step in script if isinstance(step, Raw))
                assert answer(reply) == (fault.status, words, True, FIRST[dialect], None)
                assert log == (1, FIRST[dialect], fault.status, fault.code, "refused")
                assert asked_of == (1, 0)
            case "its answer":
                events = b"".join(EVENTS[dialect][:-1])
                assert answer(reply) == (200, events, True, FIRST[dialect], None)
                assert log == (1, FIRST[dialect], 200, None, "answered")
                assert asked_of == (1, 0)
        if fault.breaks_off:
            first.release()  # an upstream that writes learns that nobody is there
            for attempt in first.attempts[before[0] :]:
                await attempt.gone(within_s=1.0)


async def goaded(upstream: ScriptedUpstream, asking: Coroutine[None, None, Told]) -> Told:
    """The answer, while whatever the upstream pauses at is let go every few milliseconds."""
    async with asyncio.TaskGroup() as group:
        answering = group.create_task(asking)
        while not answering.done():
            await asyncio.wait([answering], timeout=0.01)
            upstream.release()
    return answering.result()


def assert_told_in_the_stream(reply: Told, fault: Fault, dialect: Dialect) -> None:
    """What had been sent, once; then the reason, and an end that is none."""
    *relayed, last = events_in(reply.body)
    assert (reply.status, relayed, reply.loud) == (200, begun(dialect), True)
    if fault.code == "upstream_error":
        assert last == ERROR_EVENTS[dialect]
        return
    error = error_in_event(dialect, last)
    kinds = {"upstream_timeout": "timeout_error"}
    assert error.get("code", error["type"]) in (fault.code, kinds.get(str(fault.code), "api_error"))


# --- an outage


async def test_an_outage_of_the_first_costs_next_to_nothing() -> None:
    """Five requests find out; the others go to the second at once."""
    async with ScriptedUpstream() as second:
        config = config_of(f"http://127.0.0.1:{refusing_port()}", second.url)
        async with gateway(config) as running:
            replies = [await asked(running.port, CHAT, stream=False) for _ in range(200)]
            lines = await running.logged(200)

    assert {answer(reply)[:4] for reply in replies} == {(200, PLAIN[CHAT], True, SECOND[CHAT])}
    assert [line["attempts"] for line in lines] == [2] * 5 + [1] * 195
    assert len(second.attempts) == 200


async def test_an_outage_under_load_costs_a_fifth_at_most() -> None:
    """Those that were under way when it began find out as well, each for itself."""
    async with ScriptedUpstream() as second:
        config = config_of(f"http://127.0.0.1:{refusing_port()}", second.url)
        async with gateway(config) as running:
            free = asyncio.Semaphore(16)

            async def one() -> Told:
                async with free:
                    return await asked(running.port, CHAT, stream=True)

            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(one()) for _ in range(200)]
            attempts = [line["attempts"] for line in await running.logged(200)]

    assert {answer(task.result())[:3] for task in tasks} == {(200, STREAMS[CHAT], True)}
    assert (max(attempts), sum(attempts) / 200 <= 1.2) == (2, True)


async def test_an_outage_of_everybody_is_told_at_once_and_once_each() -> None:
    """Nobody left who is well: each is asked once, and the client hears of it."""
    urls = [f"http://127.0.0.1:{refusing_port()}" for _ in range(2)]
    async with gateway(config_of(*urls)) as running:
        replies = [await asked(running.port, CHAT, stream=False) for _ in range(20)]
        attempts = [line["attempts"] for line in await running.logged(20)]

    assert {(reply.status, reply.error(CHAT)["code"]) for reply in replies} == {(502, "upstream_unreachable")}
    assert (attempts[0], max(attempts), set(attempts[5:])) == (3, 3, {2})


async def test_a_limit_is_kept_to_and_over_when_it_said() -> None:
    """While it holds nobody knocks; afterwards the first comes first again."""
    busy = refusal(429, CHAT, headers=(("retry-after-ms", "400"),))
    async with (
        Cuts() as first,
        ScriptedUpstream() as second,
        gateway(config_of(first.url, second.url)) as running,
    ):
        first.script = busy
        models = [(await asked(running.port, CHAT, stream=False)).headers["x-plano-model"] for _ in range(9)]
        knocks = len(first.attempts)

        async def is_back() -> bool:
            reply = await asked(running.port, CHAT, stream=False)
            return reply.headers["x-plano-model"] == FIRST[CHAT]

        async with asyncio.timeout(5.0):
            while not await is_back():
                pass

    assert (models, knocks, len(first.attempts)) == ([SECOND[CHAT]] * 9, 1, 2)


# --- what each is sent, and who reads it


async def test_each_candidate_gets_its_own_request() -> None:
    """The same bytes but for the model, and a key of its own: nobody sees another's."""
    async with (
        ScriptedUpstream([[Fin()]]) as first,
        ScriptedUpstream() as second,
        gateway(config_of(first.url, second.url)) as running,
    ):
        await asked(running.port, CHAT, stream=False)
        requests = [first.attempts[0].request, second.attempts[0].request]

    bodies = [each.body for each in requests]
    assert bodies == [
        ask(CHAT, stream=False).replace(OPENAI_MODEL.encode(), model)
        for model in (b"gpt-wall", b"gpt-second")
    ]
    assert [each.header("authorization") for each in requests] == [f"Bearer {key}" for key in KEYS]


async def test_a_client_that_does_not_read_holds_up_the_second_as_it_would_the_first() -> None:
    """Back-pressure belongs to the client: the answer that comes second is paused as well."""
    flood = EVENTS[CHAT][1] * 4096
    events = [Chunk(flood)] * 16
    script: Script = [Head(200, EVENT_STREAM), *events, *map(Chunk, EVENTS[CHAT][-3:]), Chunk(b"")]
    async with (
        ScriptedUpstream([refusal(500, CHAT)]) as first,
        ScriptedUpstream([script]) as second,
        gateway(config_of(first.url, second.url)) as running,
        RawClient(running.port, receive_buffer=4096) as client,
    ):
        await client.send(request(CHAT, "connection: close", stream=True))
        attempt = await second.attempt(0)
        finished = asyncio.ensure_future(attempt.finished.wait())
        await asyncio.wait([finished], timeout=0.3)
        was_stalled = not finished.done()
        await client.read_to_end()
        await finished

    assert was_stalled


# --- clients that leave, and gateways that go


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("leave", [RawClient.close, RawClient.reset], ids=["FIN", "RST"])
async def test_who_leaves_while_the_first_is_silent_pays_for_no_second(leave: Any, stream: bool) -> None:
    """The candidate that is left was there for the client."""
    async with Cuts() as first, ScriptedUpstream() as second:
        config = config_of(first.url, second.url)
        async with gateway(config) as running, unharmed(running):
            first.script = [Stall()]
            async with RawClient(running.port) as client:
                await client.send(request(CHAT, stream=stream))
                attempt = await first.attempt(1)
                leave(client)
                await attempt.gone(within_s=1.0)
            (_, line) = await running.logged(2)

            assert (line["status"], line["code"], line["attempts"]) == (499, "client_left", 1)
            assert second.attempts == []


@pytest.mark.parametrize("stream", [False, True])
async def test_who_leaves_while_the_second_is_silent_takes_it_along(stream: bool) -> None:
    """And nobody else is asked."""
    async with Cuts() as first, ScriptedUpstream([[Stall()]]) as second, ScriptedUpstream() as third:
        config = config_of(first.url, second.url, third.url)
        async with gateway(config) as running, unharmed(running):
            first.script = refusal(500, CHAT)
            async with RawClient(running.port) as client:
                await client.send(request(CHAT, stream=stream))
                attempt = await second.attempt(0)
                client.close()
                await attempt.gone(within_s=1.0)
            (_, line) = await running.logged(2)

            told = line["status"], line["code"], line["attempts"], line["chosen_model"], line["phase"]
            assert told == (499, "client_left", 2, SECOND[CHAT], "head")
            assert third.attempts == []


async def test_a_drain_ends_the_attempt_that_is_under_way() -> None:
    """The client hears of the gateway's end, not of a provider's, and no third is asked."""
    drain = listener(drain_s="200ms", drain_idle_s="100ms")
    async with (
        ScriptedUpstream([refusal(500, CHAT)]) as first,
        ScriptedUpstream([[Stall()]]) as second,
        ScriptedUpstream() as third,
        gateway(config_of(first.url, second.url, third.url, **drain)) as running,
    ):
        answering = asyncio.create_task(asked(running.port, CHAT, stream=True))
        attempt = await second.attempt(0)
        await running.worker.stop()
        reply = await answering
        await attempt.gone(within_s=1.0)
        (line,) = await running.logged(1)

    assert (reply.status, reply.error(CHAT)["code"]) == (503, "shutting_down")
    assert (line["attempts"], line["ending"], len(third.attempts)) == (2, "gateway_failed", 0)


async def test_while_draining_the_second_still_answers() -> None:
    """What was begun is finished, by whoever can."""
    async with (
        ScriptedUpstream([[Pause(), Rst()]]) as first,
        ScriptedUpstream() as second,
        gateway(config_of(first.url, second.url)) as running,
    ):
        answering = asyncio.create_task(asked(running.port, CHAT, stream=False))
        await first.attempt(0)
        stopping = asyncio.create_task(running.worker.stop(grace_s=0))
        await until(lambda: running.worker.state == "draining")
        first.release()
        reply = await answering
        await stopping

    assert answer(reply)[:4] == (200, PLAIN[CHAT], True, SECOND[CHAT])


# --- other decisions than a name


async def test_a_session_moves_on_when_its_model_fails() -> None:
    """It stays with who has answered: its cache is warm there."""
    session = "x-model-affinity: s-1"
    body = json.dumps({"messages": [{"role": "user", "content": "hi"}]}).encode()
    wire = request(CHAT, "connection: close", session, body=body)
    async with (
        Cuts() as first,
        ScriptedUpstream() as second,
        gateway(config_of(first.url, second.url)) as running,
    ):
        replies = [await answered(running.port, wire)]
        first.script = refusal(500, CHAT)
        replies.append(await answered(running.port, wire))
        await running.logged(2)  # the pin moves when the record is read
        await turns()
        replies.append(await answered(running.port, wire))

    models = [(reply.headers["x-plano-model"], reply.headers["x-plano-decision"]) for reply in replies]
    assert [reply.status for reply in replies] == [200] * 3
    assert models[1:] == [(SECOND[CHAT], "affinity")] * 2
    assert models[0] == (FIRST[CHAT], "default")


async def test_a_route_falls_back_to_its_next_model() -> None:
    """The decision stays what it was; who answers is another."""
    route = {
        "name": "translation",
        "description": "translating a text from one human language into another",
        "models": [OPENAI_MODEL, SECOND[CHAT]],
    }
    text = "Translate this letter into Spanish, please."
    body = json.dumps({"messages": [{"role": "user", "content": text}]}).encode()
    async with ScriptedUpstream([[Rst()]]) as first, ScriptedUpstream() as second:
        config = config_of(first.url, second.url, routing_preferences=[route])
        async with gateway(config) as running:
            reply = await answered(running.port, request(CHAT, "connection: close", body=body))
            (line,) = await running.logged(1)

    assert answer(reply) == (200, PLAIN[CHAT], True, SECOND[CHAT], "2")
    assert (reply.headers["x-plano-route"], line["decision"]) == ("translation", "preference")


async def test_a_fault_of_the_gateways_own_is_no_reason_to_ask_another() -> None:
    """A gateway without connections makes it worse by asking more."""
    few = listener(connections_per_origin="1", connect_s="50ms")
    async with (
        Cuts() as first,
        ScriptedUpstream() as second,
        gateway(config_of(first.url, second.url, **few)) as running,
    ):
        first.script = [Stall()]
        async with RawClient(running.port) as client:
            await client.send(request(CHAT))
            await first.attempt(0)
            reply = await asked(running.port, CHAT, stream=False)

    assert (reply.status, reply.error(CHAT)["code"], second.attempts) == (503, "overloaded", [])


async def test_no_time_is_no_second_attempt() -> None:
    """The exchange's own deadline holds for all attempts together."""
    brief = listener(exchange_s=SHORT)
    async with (
        ScriptedUpstream([[Stall()]]) as first,
        ScriptedUpstream() as second,
        gateway(config_of(first.url, second.url, **brief)) as running,
    ):
        reply = await asked(running.port, CHAT, stream=False)
        await first.attempts[0].gone(within_s=1.0)

    assert (reply.status, reply.error(CHAT)["code"], second.attempts) == (504, "upstream_timeout", [])
