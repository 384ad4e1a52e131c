"""A gateway that is held to what it must be after any fault: well, and rid of all that the fault has cost.

Every test of this folder gets its gateways here. When such a context ends,

* a request to a provider that had nothing to do with it is answered, whole, within a second;
* nothing is in flight, no client is connected, no body is held, no connection to a provider is in use;
* descriptors and tasks are no more than before the first request, once idle connections are let go;
* and, when the gateway has ended as well, no more than before there was one.

`unharmed` holds a part of a test to the same; that no key is told is held for all tests (`tests.conftest`).
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import asdict
from typing import Any

import yaml

from plano.catalog.build import load_catalog
from plano.chat.dialect import Dialect
from tests.fault.asks import answered, request, soon
from tests.fault.baseline import Held, comes_to, held, of_process, pool_of, until
from tests.wall.answers import PLAIN
from tests.wall.framing import RawRequest
from tests.wall.gateway import Config, RunningGateway, written
from tests.wall.gateway import gateway as unwatched
from tests.wall.script import JSON, Fin, Script, sized
from tests.wall.upstream import ScriptedUpstream

BYSTANDER = "openai/gpt-bystander"


_here: list[ScriptedUpstream] = []
"""Of each gateway that is there now."""


@contextlib.asynccontextmanager
async def gateway(
    config: Config, *headers: str, environment: Mapping[str, str] | None = None
) -> AsyncIterator[RunningGateway]:
    """As the wall's `gateway`, with one provider more, and watched. Of two in one test the first accounts for
    the process. `headers` are lines for the last request, such as a gateway key."""
    async with ScriptedUpstream(otherwise=_answers_and_goes) as bystander:
        _here.append(bystander)
        is_first = _here == [bystander]
        try:
            document = _with_bystander(config, bystander.url)
            outside = of_process()
            async with unwatched(document, environment=environment) as running:
                if "routing_preferences" in document:
                    running.worker.load()  # as `plano up` does: no decision has to wait for the encoder
                before = held(running)
                yield running
                if running.worker.state == "ready":
                    await _assert_well(running.port, *headers)
                await _assert_rid(running, before, is_alone=is_first and not _asks_redis(document))
            if is_first:
                await comes_to(lambda: _more(of_process(), outside), (0, 0))
        finally:
            _here.remove(bystander)


async def reload(running: RunningGateway, config: Config) -> None:
    """Have the only gateway that is there go on with this configuration, and the provider it has more."""
    (bystander,) = _here
    with written(_with_bystander(config, bystander.url)) as file:
        await running.worker.reload(*load_catalog(file, {}))


def _more(now: tuple[int, int], before: tuple[int, int]) -> tuple[int, ...]:
    return tuple(max(0, each - earlier) for each, earlier in zip(now, before, strict=True))


def _with_bystander(config: Config, url: str) -> dict[str, Any]:
    document = dict(yaml.safe_load(config) if isinstance(config, str) else config)
    row = {"model": BYSTANDER, "base_url": url, "access_key": "sk-wall-bystander-canary"}
    return {**document, "model_providers": [*document["model_providers"], row]}


def _asks_redis(document: Mapping[str, Any]) -> bool:
    cache: Mapping[str, Any] = document.get("routing", {}).get("session_cache", {})
    return cache.get("type") == "redis"


def _answers_and_goes(_: RawRequest) -> Script:
    return [*sized(PLAIN[Dialect.OPENAI_CHAT], headers=[*JSON, ("connection", "close")]), Fin()]


async def _assert_well(port: int, *headers: str) -> None:
    body = json.dumps({"model": BYSTANDER, "messages": [{"role": "user", "content": "hi"}]}).encode()
    sent = request(Dialect.OPENAI_CHAT, "connection: close", *headers, body=body)
    reply = await soon(answered(port, sent))
    assert (reply.status, reply.body, reply.whole) == (200, PLAIN[Dialect.OPENAI_CHAT], True)


async def _assert_rid(running: RunningGateway, before: Held, *, is_alone: bool) -> None:
    """Of everything. `is_alone`: there is no other gateway, and no connection to Redis that is kept; then the
    whole process is looked at."""
    pool = pool_of(running)
    await until(lambda: held(running).upstream_in_use == 0)
    for origin in list(pool._stations):
        pool.drain_origin(origin)

    def too_much() -> dict[str, int]:
        """What there is more of than before: what a gateway does at its start may have ended by now."""
        found = asdict(held(running))
        unlike = set() if is_alone else {"descriptors", "tasks"}
        return {name: count for name, count in found.items() if count > earlier[name] and name not in unlike}

    earlier = asdict(before)
    await comes_to(too_much, {})
