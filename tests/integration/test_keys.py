"""Gateway keys, as the official clients meet them: who is let in, for which models, and for how much."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import anthropic
import openai
import pytest

from plano.keys.digests import hash_of
from tests.wall.answers import TEXT
from tests.wall.canary import WITNESS
from tests.wall.gateway import ANTHROPIC_MODEL, OPENAI_MODEL, RunningGateway, config_at, gateway
from tests.wall.official import anthropic_client, openai_client
from tests.wall.raw_client import RawClient, RawReply
from tests.wall.upstream import ScriptedUpstream

KEY = WITNESS.guard("pk-wall-canary-of-a-gateway-key-0123456789abcdef")
OTHER = WITNESS.guard("pk-wall-canary-of-another-key-fedcba9876543210")
QUESTION: Any = [{"role": "user", "content": "Hello"}]
DIALECTS = ("chat", "messages", "responses")


def key(name: str = "research", of: str = KEY, **limits: Any) -> dict[str, Any]:
    return {"name": name, "hash": hash_of(of), **limits}


def config(upstream: ScriptedUpstream, *keys: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    return config_at(upstream, listeners=[{"name": "models", "type": "model", "keys": list(keys)}], **more)


@asynccontextmanager
async def asked_for_keys(
    *keys: Mapping[str, Any], **more: Any
) -> AsyncIterator[tuple[RunningGateway, ScriptedUpstream]]:
    async with ScriptedUpstream() as upstream, gateway(config(upstream, *keys, **more)) as running:
        yield running, upstream


async def ask(running: RunningGateway, dialect: str, with_key: str, model: str | None = None) -> str:
    """One question by the dialect's official client; the answer's text."""
    if dialect == "messages":
        async with anthropic_client(running.url).with_options(api_key=with_key) as client:
            said = await client.messages.create(
                model=model or ANTHROPIC_MODEL, max_tokens=9, messages=QUESTION
            )
            return "".join(block.text for block in said.content if block.type == "text")
    async with openai_client(running.url).with_options(api_key=with_key) as client:
        if dialect == "chat":
            answer = await client.chat.completions.create(model=model or OPENAI_MODEL, messages=QUESTION)
            return answer.choices[0].message.content or ""
        return (await client.responses.create(model=model or OPENAI_MODEL, input="Hello")).output_text


async def posted(client: RawClient, credential: str, *, path: str = "/v1/chat/completions") -> RawReply:
    """The same question by hand; `credential` is a header's line."""
    await client.post(path, json.dumps({"model": OPENAI_MODEL, "messages": QUESTION}).encode(), credential)
    return await client.reply()


async def refusal(
    running: RunningGateway, dialect: str, with_key: str, model: str | None = None
) -> tuple[Any, ...]:
    """What the official client raises: its class's name, status, and the code or type."""
    with pytest.raises((openai.APIStatusError, anthropic.APIStatusError)) as caught:
        await ask(running, dialect, with_key, model)
    error: Any = caught.value
    kind = error.body["error"]["type"] if dialect == "messages" else error.body["code"]
    return type(error).__name__, error.status_code, kind


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_a_client_with_a_key_is_answered(dialect: str) -> None:
    """Bearer from the one library, x-api-key from the other."""
    async with asked_for_keys(key()) as (running, _):
        assert await ask(running, dialect, KEY) == TEXT


@pytest.mark.parametrize(
    ("dialect", "kind"),
    [("chat", "invalid_api_key"), ("messages", "authentication_error"), ("responses", "invalid_api_key")],
)
async def test_an_unknown_key_is_refused_in_the_callers_words(dialect: str, kind: str) -> None:
    """The libraries raise what their users catch; nothing is sent to a provider."""
    async with asked_for_keys(key()) as (running, upstream):
        told = await refusal(running, dialect, OTHER)

    assert (told, upstream.attempts) == (("AuthenticationError", 401, kind), [])


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/routing/v1/messages", "/v1/models"])
async def test_no_key_opens_no_path_to_models(path: str) -> None:
    """What is listed and how it is decided is not for everybody either; health is."""
    async with asked_for_keys(key()) as (running, _), RawClient(running.port) as client:
        await (client.get(path) if path == "/v1/models" else client.post(path, b"{}"))
        refused = await client.reply()
        await client.get("/healthz")
        healthy = await client.reply()

    assert (refused.status, healthy.status) == (401, 200)


async def test_a_known_head_is_no_key_for_a_client_without() -> None:
    """Heads are remembered by their bytes: one with a key lets in nobody who sends another."""
    shown = [
        f"Bearer {KEY}",
        f"Bearer {KEY}",
        f"Bearer {OTHER}",
        f"bearer {KEY}",
        f"Basic {KEY}",
        f"Bearer {KEY[:-1]}",
    ]
    async with asked_for_keys(key()) as (running, _), RawClient(running.port) as client:
        statuses = [(await posted(client, f"authorization: {each}")).status for each in shown]

    assert statuses == [200, 200, 401, 200, 401, 401]


async def test_a_key_goes_to_no_provider() -> None:
    """Providers keep logs, too."""
    async with asked_for_keys(key()) as (running, upstream):
        for dialect in DIALECTS:
            await ask(running, dialect, KEY)

    assert [KEY in repr(attempt.request) for attempt in upstream.attempts] == [False] * 3


@pytest.mark.parametrize(
    ("dialect", "kind"),
    [("chat", "rate_limit_exceeded"), ("messages", "rate_limit_error"), ("responses", "rate_limit_exceeded")],
)
async def test_more_requests_than_a_minute_has_are_refused(dialect: str, kind: str) -> None:
    """And other keys do not notice."""
    async with asked_for_keys(key(requests_per_minute=1), key("other", OTHER)) as (running, _):
        await ask(running, dialect, KEY)
        told = await refusal(running, dialect, KEY)
        others = await ask(running, dialect, OTHER)

    assert (told, others) == (("RateLimitError", 429, kind), TEXT)


async def test_the_answer_that_crosses_a_limit_is_given_and_the_next_is_told_when_to_come_back() -> None:
    """What an answer takes is known when it has ended: 16 tokens here."""
    async with asked_for_keys(key(tokens_per_minute=16)) as (running, _), RawClient(running.port) as client:
        statuses = [(await posted(client, f"x-api-key: {KEY}")).status]
        refused = await posted(client, f"x-api-key: {KEY}")

    assert (*statuses, refused.status) == (200, 429)
    assert 0 < int(refused.header("retry-after") or "") <= 60


@pytest.mark.parametrize("model", [ANTHROPIC_MODEL, "claude-wall", "smart"])
async def test_a_model_that_is_not_allowed_is_not_there(model: str) -> None:
    """By its name, its bare id or an alias."""
    aliases = {"smart": {"target": ANTHROPIC_MODEL}, "quick": {"target": OPENAI_MODEL}}
    async with asked_for_keys(key(models=["quick"]), model_aliases=aliases) as (running, upstream):
        told = await refusal(running, "messages", KEY, model)

    assert (told, upstream.attempts) == (("NotFoundError", 404, "not_found_error"), [])


async def test_the_list_holds_what_is_allowed() -> None:
    """A list of what answers 404 misleads."""
    aliases = {"smart": {"target": ANTHROPIC_MODEL}, "quick": {"target": OPENAI_MODEL}}
    keys = key(models=["openai/gpt-*"]), key("all", OTHER)
    async with asked_for_keys(*keys, model_aliases=aliases) as (running, _):
        listed = []
        for each in (KEY, OTHER):
            async with openai_client(running.url).with_options(api_key=each) as client:
                listed.append([model.id async for model in client.models.list()])

    assert listed == [[OPENAI_MODEL, "quick"], [OPENAI_MODEL, ANTHROPIC_MODEL, "smart", "quick"]]


async def test_a_fallback_is_nothing_that_the_caller_could_not_use_by_name() -> None:
    """Fallback is an authorisation decision."""
    async with ScriptedUpstream() as upstream:
        rows: Any = config_at(upstream)["model_providers"]
        rows.append({"model": "openai/gpt-spare", "base_url": upstream.url, "access_key": "k"})
        rows[0]["fallbacks"] = ["gpt-spare"]
        written = config(upstream, key(models=[OPENAI_MODEL]), key("all", OTHER)) | {"model_providers": rows}
        async with gateway(written) as running, RawClient(running.port) as client:
            told = [
                json.loads(
                    (await posted(client, f"x-api-key: {each}", path="/routing/v1/chat/completions")).body
                )
                for each in (KEY, OTHER)
            ]

    assert [each["models"] for each in told] == [[OPENAI_MODEL], [OPENAI_MODEL, "openai/gpt-spare"]]


async def test_a_default_that_is_not_allowed_decides_nothing() -> None:
    """And says so, without a name."""
    async with asked_for_keys(key(models=[ANTHROPIC_MODEL])) as (running, upstream):
        told = await refusal(running, "chat", KEY, "auto")

    assert (told, upstream.attempts) == (("BadRequestError", 400, "no_model"), [])
