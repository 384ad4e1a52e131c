"""A model that a request names, and those that the file lets answer for it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from plano.chat.dialect import Dialect
from tests.wall.answers import refusal
from tests.wall.gateway import gateway
from tests.wall.raw_client import RawClient
from tests.wall.upstream import ScriptedUpstream

ASKED = [
    pytest.param('"model": "first",', ["first", "second"], "openai/second", "explicit", id="by name"),
    pytest.param('"model": "quick",', ["first", "third"], "openai/third", "alias", id="by an alias"),
    pytest.param("", ["first", "second"], "openai/second", "default", id="as the default"),
]


@pytest.mark.parametrize(("member", "sent", "answered", "step"), ASKED)
async def test_a_fallback_answers_for_a_named_model(
    member: str, sent: list[str], answered: str, step: str
) -> None:
    """Once, inside, and the answer's head tells who it was."""
    async with ScriptedUpstream([refusal(503, Dialect.OPENAI_CHAT)]) as upstream:
        rows: list[dict[str, Any]] = [
            {"model": "openai/first", "default": True, "fallbacks": ["second"]},
            {"model": "openai/second"},
            {"model": "openai/third"},
        ]
        config = {
            "version": "v0.4.0",
            "model_providers": [{**row, "base_url": upstream.url} for row in rows],
            "model_aliases": {"quick": {"target": "first", "fallbacks": ["third"]}},
        }
        async with gateway(config) as running, RawClient(running.port) as client:
            body = f'{{{member} "messages": [{{"role": "user", "content": "hi"}}]}}'
            await client.post("/v1/chat/completions", body.encode())
            reply = await client.reply()

    told = [reply.header(f"x-plano-{name}") for name in ("model", "decision", "attempts")]
    assert (reply.status, told) == (200, [answered, step, "2"])
    assert [json.loads(each.request.body)["model"] for each in upstream.attempts] == sent
