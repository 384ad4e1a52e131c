"""What the gateway tells of routes, routers and sessions: counts, gauges, the end of a log line."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from plano.chat.dialect import Dialect
from tests.wall.answers import refusal
from tests.wall.gateway import RunningGateway, gateway
from tests.wall.raw_client import RawClient
from tests.wall.scraping import samples, scraped
from tests.wall.script import sized
from tests.wall.upstream import PATIENCE_S, ScriptedUpstream

CONFIG = """
version: v0.4.0
model_providers:
  - {model: simulated/large}
  - {model: simulated/small}
  - {model: simulated/any, default: true}
routing_preferences:
  - name: code generation
    description: writing new code, functions, scripts and programs
    models: [simulated/large, simulated/small]
  - name: translation
    description: translating a text from one human language into another
    models: [simulated/small]
"""
BY_USER_TURN = CONFIG + "routing: {route_on_user_only: true}\n"
NO_REDIS = CONFIG + 'routing: {session_cache: {type: redis, url: "redis://127.0.0.1:1"}}\n'
ROUTER = "plano/katanemo/Plano-Orchestrator-4B"
CODE = {"role": "user", "content": "Write a Python function that parses a CSV file."}
TRANSLATION = {"role": "user", "content": "Translate this letter into Spanish, please."}
CALL = {"id": "call_1", "type": "function", "function": {"name": "read", "arguments": "{}"}}
CALLED: list[dict[str, Any]] = [
    {"role": "assistant", "content": None, "tool_calls": [CALL]},
    {"role": "tool", "tool_call_id": "call_1", "content": "a,b,c"},
]
SESSION = "x-model-affinity: s-1"


async def ask(running: RunningGateway, turns: list[dict[str, Any]], *headers: str, **body: Any) -> None:
    async with RawClient(running.port) as client:
        asked = {"messages": turns, "max_tokens": 16, **body}
        await client.post("/v1/chat/completions", json.dumps(asked).encode(), *headers)
        assert (await client.reply()).status == 200


async def scraped_with(family: str, running: RunningGateway) -> str:
    """The metrics page as soon as it has a sample of this family that is not 0."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            page = await scraped(running)
            if samples(page, family):
                return page


async def test_routes_and_sessions_are_counted() -> None:
    """A route's share of the traffic, who found it, and how often nobody had to."""
    async with gateway(CONFIG) as running:
        await ask(running, [CODE], SESSION)
        await ask(running, [TRANSLATION], SESSION)
        await ask(running, [TRANSLATION])
        await ask(running, [CODE], model="simulated/small")
        page = await scraped(running)

    assert samples(page, "plano_routes_total") == {
        '{route="code generation"}': 2,
        '{route="translation"}': 1,
    }
    assert samples(page, "plano_router_verdicts_total") == {'{outcome="matched",router="embedded"}': 2}
    assert samples(page, "plano_router_duration_seconds_count") == {'{router="embedded"}': 2}
    assert samples(page, "plano_affinity_lookups_total") == {
        '{outcome="hit",store="memory"}': 1,
        '{outcome="miss",store="memory"}': 1,
    }
    assert samples(page, "plano_affinity_sessions") == {"": 1}
    assert "plano_affinity_degraded 0.0\n" in page


async def test_an_agents_own_steps_are_replays_and_a_new_turn_may_change_models() -> None:
    """What `route_on_user_only` spares, and what it does not keep."""
    async with gateway(BY_USER_TURN) as running:
        await ask(running, [CODE])
        await ask(running, [CODE, *CALLED])
        await ask(running, [CODE, *CALLED, {"role": "assistant", "content": "done"}, TRANSLATION])
        page = await scraped(running)
        lines = await running.logged(3)

    assert samples(page, "plano_affinity_replays_total") == {"": 1}
    assert samples(page, "plano_affinity_switches_total") == {'{reason="unbudgeted"}': 1}
    assert [(line["affinity"], line.get("router"), line.get("switch")) for line in lines] == [
        ("miss", "embedded", None),
        ("hit", None, None),
        ("anew", "embedded", "unbudgeted"),
    ]


async def test_a_request_that_names_its_model_has_nothing_of_it_in_its_line() -> None:
    """Most requests do; a session's id is in none."""
    async with gateway(CONFIG) as running:
        await ask(running, [CODE], model="simulated/small")
        await ask(running, [CODE], SESSION)
        named, routed = await running.logged(2)

        assert named.keys().isdisjoint({"router", "score", "margin", "affinity", "switch"})
        assert routed["score"] > routed["margin"] > 0
        assert "s-1" not in running.log_text


async def test_a_store_in_trouble_shows() -> None:
    """Every request is answered all the same: nothing but this tells of it."""
    async with gateway(NO_REDIS) as running:
        await ask(running, [CODE], SESSION)
        page = await scraped_with("plano_affinity_degraded", running)
        (line,) = await running.logged(1)

    assert samples(page, "plano_affinity_degraded") == {"": 1}
    assert samples(page, "plano_affinity_lookups_total") == {'{outcome="unavailable",store="redis"}': 1}
    assert samples(page, "plano_affinity_sessions") == {}
    assert line["affinity"] == "unavailable"


async def test_a_router_model_that_is_down_shows() -> None:
    """The embedded router answers for it, and no request fails."""
    script = refusal(500, Dialect.OPENAI_CHAT)
    async with ScriptedUpstream([script]) as upstream:
        served = f'  - {{model: {ROUTER}, base_url: "{upstream.url}", access_key: sk-a}}\n'
        config = CONFIG.replace("routing_preferences:", f"{served}routing_preferences:")
        async with gateway(config + f"overrides: {{llm_routing_model: {ROUTER}}}\n") as running:
            await ask(running, [CODE])
            page = await scraped(running)

    assert samples(page, "plano_router_verdicts_total") == {
        '{outcome="matched",router="embedded"}': 1,
        f'{{outcome="unable",router="{ROUTER}"}}': 1,
    }


async def test_the_age_of_prices_is_told_once_they_were_read() -> None:
    """Old prices route wrongly, and quietly."""
    prices = {"simulated": {"models": {"small": {"cost": {"input": 1, "output": 1}}}}}
    async with ScriptedUpstream([sized(json.dumps(prices).encode())]) as upstream:
        source = f'{{type: cost, provider: models.dev, url: "{upstream.url}"}}'
        async with gateway(CONFIG + f"model_metrics_sources: [{source}]\n") as running:
            page = await scraped_with("plano_quotes_age_seconds", running)

    assert list(samples(page, "plano_quotes_age_seconds")) == ['{source="models.dev"}']
