"""Requests that a candidate is known not to take go to the next one at once, and the decision says why."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from plano.chat.dialect import Dialect
from tests.wall.gateway import RunningGateway, gateway
from tests.wall.raw_client import RawClient
from tests.wall.upstream import ScriptedUpstream

CHAT, MESSAGES, RESPONSES = Dialect.OPENAI_CHAT, Dialect.ANTHROPIC_MESSAGES, Dialect.OPENAI_RESPONSES
PATHS = {CHAT: "/v1/chat/completions", MESSAGES: "/v1/messages", RESPONSES: "/v1/responses"}
LONG = "why does this loop never end, and what can be done about it? " * 3400
"""200 KB of prose: some 44,000 words."""
PIXEL = "data:image/png;base64,iVBORw0KGgo="
IMAGES: dict[Dialect, dict[str, Any]] = {
    CHAT: {"type": "image_url", "image_url": {"url": PIXEL}},
    MESSAGES: {
        "type": "image",
        "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="},
    },
    RESPONSES: {"type": "input_image", "image_url": PIXEL},
}
TEXT = {CHAT: "text", MESSAGES: "text", RESPONSES: "input_text"}
SMALL, LARGE = "mine/small", "mine/large"
SKIPPED = f"{SMALL}: "


def config(upstream: ScriptedUpstream) -> dict[str, Any]:
    """A small model that takes text alone, a large one of which nothing is known, and both ways to both."""
    small = {
        "model": SMALL,
        "capabilities": {"context_tokens": 8192, "images": False, "tools": False, "structured_output": False},
        "fallbacks": [LARGE],
    }
    every = {"base_url": upstream.url}
    return {
        "version": "v0.4.0",
        "model_providers": [
            {**small, **every, "provider_interface": "openai"},
            {"model": LARGE, **every, "provider_interface": "openai"},
            {**small, **every, "model": "anthropic/small", "name": "s", "fallbacks": ["l"]},
            {"model": "anthropic/large", **every, "name": "l"},
        ],
        "routing_preferences": [
            {"name": "loops", "description": "finding out why a loop never ends", "models": [SMALL, LARGE]}
        ],
    }


@pytest.fixture
async def running(upstream: ScriptedUpstream) -> AsyncIterator[RunningGateway]:
    async with gateway(config(upstream)) as running:
        yield running


def asking(dialect: Dialect, *parts: dict[str, Any], words: str = "hi", **more: Any) -> bytes:
    content = [{"type": TEXT[dialect], "text": words}, *parts]
    messages = {"input" if dialect is RESPONSES else "messages": [{"role": "user", "content": content}]}
    model = "s" if dialect is MESSAGES else SMALL
    return json.dumps({"model": model, "max_tokens": 9, **messages, **more}).encode()


async def answered(running: RunningGateway, path: str, body: bytes, *headers: str) -> tuple[str | None, ...]:
    async with RawClient(running.port) as client:
        await client.post(path, body, *headers)
        reply = await client.reply()
    told = reply.header("x-plano-debug")
    reasons = [] if told is None else json.loads(told)["reasons"]
    skipped = [reason["because"] for reason in reasons if reason["outcome"] == "skipped"]
    model = (reply.header("x-plano-model") or "").rpartition("/")[2]
    return str(reply.status), model, reply.header("x-plano-attempts"), *skipped


REQUESTS = [
    pytest.param({}, "small", (), id="nothing special"),
    pytest.param({"tools": []}, "small", (), id="no tools"),
    pytest.param(
        {"tools": [{"type": "function", "name": "f", "function": {"name": "f"}}]},
        "large",
        ("it calls no tools, and the request brings some",),
        id="tools",
    ),
    pytest.param(
        {"words": LONG},
        "large",
        ("the prompt is longer than the 8192 tokens that it takes",),
        id="a long prompt",
    ),
]


@pytest.mark.parametrize("dialect", list(Dialect))
@pytest.mark.parametrize(("more", "model", "because"), REQUESTS)
async def test_a_named_model_gives_way_to_its_fallback(
    dialect: Dialect, more: dict[str, Any], model: str, because: tuple[str, ...], running: RunningGateway
) -> None:
    """One attempt, at the model that can; the reason is in the decision."""
    body = asking(dialect, **more)

    told = await answered(running, PATHS[dialect], body, "x-plano-debug: true")

    name = "anthropic/small" if dialect is MESSAGES else SMALL
    assert told == ("200", model, None, *(f"{name}: {why}" for why in because))


@pytest.mark.parametrize("dialect", list(Dialect))
async def test_an_image_goes_to_who_can_see(dialect: Dialect, running: RunningGateway) -> None:
    """The same without anybody looking: nothing but the answer's head tells."""
    told = await answered(running, PATHS[dialect], asking(dialect, IMAGES[dialect]))

    assert told == ("200", "large", None)


async def test_a_schema_goes_to_who_keeps_to_it(running: RunningGateway) -> None:
    """Where the first would refuse it."""
    schema = {"type": "json_schema", "json_schema": {"name": "n", "schema": {}}}

    told = await answered(running, PATHS[CHAT], asking(CHAT, response_format=schema))

    assert told == ("200", "large", None)


async def test_a_route_passes_over_a_model_that_is_too_small(
    upstream: ScriptedUpstream, running: RunningGateway
) -> None:
    """A prompt of 200 KB and a first model of 8k: the second is asked, and the first never hears of it."""
    body = json.dumps({"messages": [{"role": "user", "content": LONG}]}).encode()

    told = await answered(running, PATHS[CHAT], body, "x-plano-debug: true")

    assert told == ("200", "large", None, SKIPPED + "the prompt is longer than the 8192 tokens that it takes")
    (attempt,) = upstream.attempts
    assert json.loads(attempt.request.body)["model"] == "large"


async def test_the_decision_endpoint_decides_the_same(running: RunningGateway) -> None:
    """The dry run is the real run, stopped early."""
    body = json.dumps({"messages": [{"role": "user", "content": LONG}]}).encode()

    async with RawClient(running.port) as client:
        await client.post("/routing" + PATHS[CHAT], body)
        told = json.loads((await client.reply()).body)

    assert (told["models"], told["route"], told["decision"]) == ([LARGE], "loops", "preference")
