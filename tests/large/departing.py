"""Where an exchange stands when its client leaves, and who sees the end of what was open then."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from plano.chat.dialect import Dialect
from tests.fault.asks import request
from tests.fault.baseline import turns, until
from tests.fault.cuts import Cuts
from tests.fault.nowhere import full_backlog
from tests.fault.test_departure import MOMENTS, Moment
from tests.large.cutting import config_of
from tests.large.stalling_redis import StallingRedis
from tests.wall.answers import refusal
from tests.wall.gateway import RunningGateway, config_at, gateway
from tests.wall.raw_client import RawClient
from tests.wall.script import Pause, Script, Stall
from tests.wall.upstream import ScriptedUpstream

CHAT = Dialect.OPENAI_CHAT
UNNAMED: dict[str, object] = {"messages": [{"role": "user", "content": "Translate this letter, please."}]}
"""Names no model: somebody has to decide."""
MOST_TURNS = 24
"""Of the loop, within which a failed attempt and the beginning of the next one lie."""

_DESCRIPTORS = Path("/proc/self/fd")
_SYN_SENT = 2

Ended = Callable[[], Awaitable[object]]
"""Waits until nothing is open any more."""


@dataclass(frozen=True, slots=True)
class Stage:
    """A gateway, and what it takes to bring an exchange to one point of its life again and again."""

    running: RunningGateway
    wire: Callable[[int], bytes]
    """The client's bytes, by the number of the departure."""
    reached: Callable[[RawClient], Awaitable[Ended | None]]
    """Waits until the exchange stands there; None: it has gone on by itself before anybody could leave."""
    upstreams: tuple[ScriptedUpstream, ...] = ()
    asked: Callable[[int], Mapping[ScriptedUpstream, range]] = lambda _: {}
    """How many requests each of them may have seen after so many departures."""


@dataclass(frozen=True, slots=True)
class Phase:
    """One point of an exchange's life."""

    name: str
    logged: frozenset[str]
    """What the log may call it."""
    stage: Callable[[], AbstractAsyncContextManager[Stage]]


async def _idle(running: RunningGateway, *, besides: Callable[[], bool] = lambda: True) -> None:
    """Nothing is in flight, and nobody is connected."""
    await until(lambda: running.worker.in_flight.count == 0 and not running.worker.server.connections)
    await until(besides)


def _knocking() -> int:
    """How many sockets of this process are connecting."""
    return sum(each.is_socket() and _is_knocking(int(each.name)) for each in _DESCRIPTORS.iterdir())


def _is_knocking(descriptor: int) -> bool:
    try:
        with socket.socket(fileno=os.dup(descriptor)) as found:
            return found.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] == _SYN_SENT
    except OSError:  # not of TCP
        return False


# --- one candidate


@contextlib.asynccontextmanager
async def _at_moment(moment: Moment) -> AsyncIterator[Stage]:
    """As in `tests.fault.test_departure`: with half a request, or with one that the upstream has."""
    async with Cuts() as upstream, gateway(config_at(upstream)) as running:
        asked_before = len(upstream.attempts)

        async def reached(client: RawClient) -> Ended:
            if not moment.script:
                await until(lambda: running.worker.server.connections)
                await turns()
                return partial(_idle, running)
            number = len(upstream.attempts)
            upstream.script = moment.script
            attempt = await upstream.attempt(number)
            if moment.read:
                await client.read_until(moment.read)
            await turns()
            return attempt.connection.gone.wait

        def asked(count: int) -> Mapping[ScriptedUpstream, range]:
            most = asked_before + count * bool(moment.script)
            return {upstream: range(most, most + 1)}

        yield Stage(running, lambda _: moment.sent, reached, (upstream,), asked)


@contextlib.asynccontextmanager
async def _connecting_in_tcp() -> AsyncIterator[Stage]:
    """Nobody accepts: what is open is told by the kernel."""
    async with Cuts() as upstream:
        with full_backlog() as port:
            config = config_at(upstream)
            config["model_providers"][1]["base_url"] = f"http://127.0.0.1:{port}"
            async with gateway(config) as running:

                async def reached(client: RawClient) -> Ended:
                    before = _knocking()
                    await until(lambda: _knocking() > before)
                    return partial(until, lambda: _knocking() == before)

                wire = request(Dialect.ANTHROPIC_MESSAGES)
                yield Stage(running, lambda _: wire, reached, (upstream,), lambda _: {upstream: range(1)})


@contextlib.asynccontextmanager
async def _connecting_in_tls() -> AsyncIterator[Stage]:
    """Somebody accepts, and says nothing."""
    async with Cuts() as upstream, ScriptedUpstream() as mute:
        config = config_at(upstream)
        config["model_providers"][1]["base_url"] = mute.url.replace("http:", "https:")
        async with gateway(config) as running:

            async def reached(client: RawClient) -> Ended:
                return await _new_connection(mute, len(mute.connections))

            wire = request(Dialect.ANTHROPIC_MESSAGES)
            yield Stage(running, lambda _: wire, reached, (upstream,), lambda _: {upstream: range(1)})


async def _new_connection(upstream: ScriptedUpstream, number: int) -> Ended:
    await until(lambda: len(upstream.connections) > number)
    await turns()
    return upstream.connections[number].gone.wait


# --- before anybody is asked


@contextlib.asynccontextmanager
async def _waiting_for_redis() -> AsyncIterator[Stage]:
    """Which never says where the session belongs."""
    async with Cuts() as upstream, StallingRedis() as redis:
        cache = {"session_cache": {"type": "redis", "url": redis.url}}
        async with gateway(config_at(upstream, routing=cache)) as running:

            async def reached(client: RawClient) -> Ended | None:
                connection = await redis.asked()
                return None if upstream.attempts else connection.gone.wait

            def wire(number: int) -> bytes:
                return request(CHAT, f"x-model-affinity: session-{number}", body=json.dumps(UNNAMED).encode())

            yield Stage(running, wire, reached, (upstream,), lambda _: {upstream: range(1)})


@contextlib.asynccontextmanager
async def _waiting_for_the_router_model() -> AsyncIterator[Stage]:
    """Which never says what it is about."""
    async with Cuts() as upstream, Cuts() as router:
        config: dict[str, Any] = config_at(upstream)
        config["model_providers"].append({"model": "plano/orchestrator", "base_url": router.url})
        config["overrides"] = {"llm_routing_model": "plano/orchestrator"}
        config["routing"] = {"decision_timeout_ms": 10_000}
        config["routing_preferences"] = [
            {"name": name, "description": f"questions about {name}", "models": ["openai/gpt-wall"]}
            for name in ("letters", "cooking")
        ]
        async with gateway(config) as running:

            async def reached(client: RawClient) -> Ended:
                number = len(router.attempts)
                router.script = [Stall()]
                return (await router.attempt(number)).connection.gone.wait

            wire = request(CHAT, body=json.dumps(UNNAMED).encode())

            def asked(count: int) -> Mapping[ScriptedUpstream, range]:
                return {upstream: range(1), router: range(count, count + 1)}

            yield Stage(running, lambda _: wire, reached, (upstream, router), asked)


# --- several candidates


class _Failing(ScriptedUpstream):
    """The first candidate: fails all but ordinary requests, at once or when it is told to."""

    def __init__(self, *before: Pause) -> None:
        script: Script = [*before, *refusal(500, CHAT)]
        super().__init__(otherwise=lambda _: script)


async def _release(upstream: ScriptedUpstream, after_turns: int) -> None:
    await turns(after_turns)
    upstream.release()


async def _unreleased(upstream: ScriptedUpstream) -> None:
    """Take back what nobody has waited for, its connection having been closed before."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(0):
            await upstream.released()


def _own_model(number: int) -> bytes:
    """Each departure asks for a model of its own: what fails often would rest, and come last."""
    body = json.dumps({"model": f"openai/departed-{number}", **UNNAMED, "stream": number % 2 == 0})
    return request(CHAT, body=body.encode())


@contextlib.asynccontextmanager
async def _between_two_attempts() -> AsyncIterator[Stage]:
    """The first fails in the moment in which the client leaves: a little before, a little after."""
    rng = random.Random(1)
    releasing = list[asyncio.Task[None]]()
    async with (
        _Failing(Pause()) as first,
        ScriptedUpstream(otherwise=lambda _: [Stall()]) as second,
        ScriptedUpstream() as third,
        gateway(config_of(first.url, second.url, third.url)) as running,
    ):

        async def reached(client: RawClient) -> Ended:
            await _unreleased(first)
            await first.attempt(len(first.attempts))
            releasing.append(asyncio.create_task(_release(first, rng.randrange(MOST_TURNS))))
            await turns(MOST_TURNS // 2)
            return partial(
                _idle, running, besides=lambda: all(each.gone.is_set() for each in second.connections)
            )

        def asked(count: int) -> Mapping[ScriptedUpstream, range]:
            return {first: range(count, count + 1), second: range(count + 1), third: range(1)}

        yield Stage(running, _own_model, reached, (first, second, third), asked)


@contextlib.asynccontextmanager
async def _waiting_for_the_second() -> AsyncIterator[Stage]:
    """The first has failed; the second has the request, and says nothing."""
    async with (
        _Failing() as first,
        ScriptedUpstream(otherwise=lambda _: [Stall()]) as second,
        ScriptedUpstream() as third,
        gateway(config_of(first.url, second.url, third.url)) as running,
    ):

        async def reached(client: RawClient) -> Ended:
            attempt = await second.attempt(len(second.attempts))
            await turns()
            return attempt.connection.gone.wait

        def asked(count: int) -> Mapping[ScriptedUpstream, range]:
            once = range(count, count + 1)
            return {first: once, second: once, third: range(1)}

        yield Stage(running, _own_model, reached, (first, second, third), asked)


@contextlib.asynccontextmanager
async def _connecting_to_the_second() -> AsyncIterator[Stage]:
    """The first has failed; the second accepts, and says nothing of TLS."""
    async with _Failing() as first, ScriptedUpstream() as second, ScriptedUpstream() as third:
        config = config_of(first.url, second.url.replace("http:", "https:"), third.url)
        async with gateway(config) as running:

            async def reached(client: RawClient) -> Ended:
                return await _new_connection(second, len(second.connections))

            def asked(count: int) -> Mapping[ScriptedUpstream, range]:
                return {first: range(count, count + 1), second: range(1), third: range(1)}

            yield Stage(running, _own_model, reached, (first, second, third), asked)


def phases() -> list[Phase]:
    """All of them, in the order of an exchange's life."""
    moments: list[Phase] = []
    for param in MOMENTS:
        moment = param.values[0]
        assert isinstance(moment, Moment)
        moments.append(Phase(str(param.id), frozenset([moment.phase]), partial(_at_moment, moment)))
    decide, connect = frozenset(["decide"]), frozenset(["connect"])
    return [
        *moments[:2],
        Phase("waiting for Redis", decide, _waiting_for_redis),
        Phase("waiting for the router model", decide, _waiting_for_the_router_model),
        Phase("connecting, in TCP", connect, _connecting_in_tcp),
        Phase("connecting, in TLS", connect, _connecting_in_tls),
        *moments[2:],
        Phase("between two attempts", frozenset(["head", "content", "connect"]), _between_two_attempts),
        Phase("connecting to the second", connect, _connecting_to_the_second),
        Phase("waiting for the second", frozenset(["head"]), _waiting_for_the_second),
    ]
