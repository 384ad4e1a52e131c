"""What the gateway tells when something went wrong although clients have their answers, and of whom it turned
away."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from plano.chat.dialect import Dialect
from plano.keys.digests import hash_of
from tests.wall.answers import refusal
from tests.wall.canary import WITNESS
from tests.wall.gateway import OPENAI_MODEL, UPSTREAM_KEY, config_at, gateway, listener
from tests.wall.raw_client import RawClient
from tests.wall.scraping import samples, scraped
from tests.wall.upstream import ScriptedUpstream

CHAT = "/v1/chat/completions"
BODY = b'{"model":"gpt-wall"}'
SECOND = "openai/gpt-second"
GATEWAY_KEY = WITNESS.guard("pk-wall-canary-of-whom-it-was-0123456789abcdef")


def with_a_second(first: ScriptedUpstream, second: ScriptedUpstream) -> dict[str, Any]:
    """A model of the first, and one of the second that stands in for it."""
    config = config_at(first)
    config["model_providers"][0]["fallbacks"] = [SECOND]
    config["model_providers"].append({"model": SECOND, "base_url": second.url, "access_key": UPSTREAM_KEY})
    return config


async def test_a_fallback_that_answered_is_told_with_who_failed() -> None:
    """No client complains, and the first provider is down all the same."""
    script = refusal(503, Dialect.OPENAI_CHAT)
    async with (
        ScriptedUpstream(otherwise=lambda _: script) as first,
        ScriptedUpstream() as second,
        gateway(with_a_second(first, second)) as running,
        RawClient(running.port) as client,
    ):
        for _ in range(6):
            await client.post(CHAT, BODY)
            await client.reply()
        lines = await running.logged(6)
        page = await scraped(running)

    failed = [line.pop("failed", []) for line in lines]
    told = {(line["status"], line["chosen_model"], line["preferred_model"]) for line in lines}
    assert told == {(200, SECOND, OPENAI_MODEL)}
    assert [line["attempts"] for line in lines] == [2] * 5 + [1]
    assert [[(each["model"], each["code"], each["status"]) for each in row] for row in failed] == [
        *[[(OPENAI_MODEL, "upstream_error", 503)]] * 5,
        [],
    ]
    assert all(0 < row[0]["ms"] <= line["sent_ms"] for row, line in zip(failed[:5], lines, strict=False))
    model = 'gen_ai_provider_name="openai",gen_ai_request_model="openai/gpt-wall"'
    assert samples(page, "plano_attempts_failed_total") == {f'{{error_type="503",{model}}}': 5}
    assert samples(page, "plano_fallbacks_total") == {f"{{{model}}}": 6}
    assert samples(page, "plano_candidates_skipped_total") == {'{reason="resting"}': 1}
    assert samples(page, "plano_candidates_resting") == {"": 1}


async def test_who_is_turned_away_is_counted_by_what_was_lacking() -> None:
    """More connections, more memory or more descriptors: only one of them would help."""
    tight = listener(max_connections=1, buffered_bodies_bytes="2KiB")
    async with ScriptedUpstream() as upstream, gateway(config_at(upstream, **tight)) as running:
        async with RawClient(running.port) as client:
            async with RawClient(running.port) as another:
                await another.reply()
            await client.post(CHAT, b" " * 4096 + BODY)
            await client.reply()
        page = await scraped(running)

    assert samples(page, "plano_requests_shed_total") == {
        '{reason="connections"}': 1,
        '{reason="bodies"}': 1,
    }


async def test_a_line_names_the_key_and_says_nothing_else_of_it() -> None:
    """Whose requests these were, by the name in the configuration."""
    key = {"name": "team-a", "hash": hash_of(GATEWAY_KEY)}
    async with ScriptedUpstream() as upstream:
        config = config_at(upstream, listeners=[{"name": "models", "type": "model", "keys": [key]}])
        async with gateway(config) as running, RawClient(running.port) as client:
            await client.post(CHAT, BODY, f"authorization: Bearer {GATEWAY_KEY}")
            await client.reply()
            await client.post(CHAT, BODY)
            await client.reply()
            lines = await running.logged(2)

    assert [(line["status"], line.get("key")) for line in lines] == [(200, "team-a"), (401, None)]


async def test_lines_that_the_session_log_lost_stay_counted(tmp_path: Path) -> None:
    """A counter that falls looks like a restart."""
    path = tmp_path / "gone" / "sessions.jsonl"
    async with ScriptedUpstream() as upstream:
        config = config_at(upstream, routing={"session_log": str(path)})
        async with gateway(config) as running, RawClient(running.port) as client:
            await client.post(CHAT, BODY)
            await client.reply()
            page = ""
            while not samples(page, "plano_session_log_lines_dropped_total"):
                page = await scraped(running)

    assert samples(page, "plano_session_log_lines_dropped_total") == {"": 1}
