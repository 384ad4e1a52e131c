"""Gateway keys, as the official clients meet them: who is let in, for which models, and for how much."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import anthropic
import openai
import pytest

from plano.catalog.build import load_catalog
from plano.keys.digests import hash_of
from tests.wall.answers import TEXT
from tests.wall.canary import WITNESS
from tests.wall.gateway import ANTHROPIC_MODEL, OPENAI_MODEL, RunningGateway, config_at, gateway, written
from tests.wall.official import anthropic_client, openai_client
from tests.wall.raw_client import RawClient, RawReply
from tests.wall.script import Script, Stall, sized
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


async def decided(running: RunningGateway, with_key: str, words: str, *headers: str, **body: Any) -> Any:
    """The decision object for a request that names no model."""
    asked = {"messages": [{"role": "user", "content": words}], **body}
    async with RawClient(running.port) as client:
        credential = f"authorization: Bearer {with_key}"
        await client.post("/routing/v1/chat/completions", json.dumps(asked).encode(), credential, *headers)
        reply = await client.reply()
        assert reply.status == 200
        return json.loads(reply.body)


async def refusal(
    running: RunningGateway, dialect: str, with_key: str, model: str | None = None
) -> tuple[Any, ...]:
    """What the official client raises: its class's name, status, and the code or type."""
    with pytest.raises((openai.APIStatusError, anthropic.APIStatusError)) as caught:
        await ask(running, dialect, with_key, model)
    error: Any = caught.value
    kind = error.body["error"]["type"] if dialect == "messages" else error.body.get("code")
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


async def test_a_fallback_that_is_not_allowed_is_not_tried() -> None:
    """Not even when nobody else is left."""
    broken: Script = sized(b'{"error": {"message": "down"}}', status=503)
    async with ScriptedUpstream([broken] * 4) as upstream:
        rows: Any = config_at(upstream)["model_providers"]
        rows.append({"model": "openai/gpt-spare", "base_url": upstream.url, "access_key": "k"})
        rows[0]["fallbacks"] = ["gpt-spare"]
        written = config(upstream, key(models=["gpt-wall"])) | {"model_providers": rows}
        async with gateway(written) as running:
            told = await refusal(running, "chat", KEY)

    asked = {json.loads(attempt.request.body)["model"] for attempt in upstream.attempts}
    assert (told[:2], asked) == (("InternalServerError", 503), {"gpt-wall"})


ROUTES: Any = [
    {
        "name": "code generation",
        "description": "writing new code, functions, scripts and programs",
        "models": ["simulated/large", "simulated/small"],
    }
]
CODE = "Write a Python function that parses a CSV file."


@pytest.mark.parametrize(
    ("models", "in_body", "decision"),
    [
        (["simulated/small"], False, (["simulated/small"], "code generation")),
        (["simulated/small"], True, (["simulated/small"], "code generation")),
        (["simulated/any"], False, (["simulated/any"], None)),
        (["simulated/any"], True, (["simulated/any"], None)),
    ],
    ids=["loses one", "of the body loses one", "loses all", "of the body loses all"],
)
async def test_a_route_loses_what_is_not_allowed(models: list[str], in_body: bool, decision: Any) -> None:
    """A route that loses all of its models is passed over, and what it would have chosen is not told."""
    routes: Any = {"routing_preferences": ROUTES}
    written: Any = {
        "version": "v0.4.0",
        "listeners": [{"name": "models", "type": "model", "keys": [key(models=models)]}],
        "model_providers": [
            {"model": "simulated/large"},
            {"model": "simulated/small"},
            {"model": "simulated/any", "default": True},
        ],
    }
    async with gateway(written if in_body else written | routes) as running:
        told = await decided(running, KEY, CODE, **(routes if in_body else {}))

    assert (told["models"], told["route"], "large" in json.dumps(told)) == (*decision, False)


async def test_a_pin_on_what_is_not_allowed_is_none_and_stays_for_others() -> None:
    """Two keys of one owner share sessions, and need not share models."""
    keys = key(owner="team", models=[ANTHROPIC_MODEL]), key("all", OTHER, owner="team")
    session = "x-model-affinity: s-1"
    async with asked_for_keys(*keys) as (running, _):
        told = [await decided(running, each, "Hello", session) for each in (OTHER, KEY, OTHER)]

    assert [(each["models"], each["pinned"]) for each in told] == [
        ([OPENAI_MODEL], False),
        (["none"], False),
        ([OPENAI_MODEL], True),
    ]


async def test_sessions_of_another_owner_are_others() -> None:
    """One tenant's pins are never another's."""
    keys = key(owner="a"), key("all", OTHER, owner="b")
    session = "x-model-affinity: s-1"
    async with asked_for_keys(*keys) as (running, _):
        told = [await decided(running, each, "Hello", session) for each in (KEY, KEY, OTHER)]

    assert [each["pinned"] for each in told] == [False, True, False]


async def test_a_client_that_leaves_makes_room() -> None:
    """Requests under way end on every way out."""
    async with (
        ScriptedUpstream([[Stall()]]) as upstream,
        gateway(config(upstream, key(max_concurrent=1))) as running,
    ):
        async with RawClient(running.port) as leaving:
            await leaving.post(
                "/v1/chat/completions",
                json.dumps({"model": OPENAI_MODEL, "messages": QUESTION}).encode(),
                f"x-api-key: {KEY}",
            )
            await upstream.attempt(0)
            async with RawClient(running.port) as other:
                full = await posted(other, f"x-api-key: {KEY}")
        await running.logged(2)
        async with RawClient(running.port) as other:
            after = await posted(other, f"x-api-key: {KEY}")

    assert (full.status, after.status) == (429, 200)


async def test_money_is_counted_at_the_prices_of_the_model_that_answered() -> None:
    """A ceiling of a cent, and an answer that costs more."""
    message = {"role": "assistant", "content": TEXT}
    dear = {
        "id": "a",
        "object": "chat.completion",
        "created": 1,
        "model": "gpt-4o",
        "usage": {"prompt_tokens": 4000, "completion_tokens": 1000, "total_tokens": 5000},
        "choices": [{"index": 0, "finish_reason": "stop", "message": message}],
    }
    policy = {"prefer": "cheapest"}  # so that the prices are there from the start
    async with ScriptedUpstream([sized(json.dumps(dear).encode())]) as upstream:
        written = config(
            upstream,
            key(max_usd_per_day=0.01),
            key("all", OTHER),
            routing_preferences=[
                {"name": "r", "description": "d", "models": ["gpt-4o"], "selection_policy": policy}
            ],
        )
        written["model_providers"] = [{"model": "openai/gpt-4o", "base_url": upstream.url, "access_key": "k"}]
        async with gateway(written) as running:
            await ask(running, "chat", KEY, "gpt-4o")
            told = await refusal(running, "chat", KEY, "gpt-4o")
            others = await ask(running, "chat", OTHER, "gpt-4o")

    assert (told, others) == (("RateLimitError", 429, "insufficient_quota"), TEXT)


async def test_a_key_that_is_taken_away_lets_nobody_in_any_more() -> None:
    """Not even over a connection whose head is known from before; what the others have had goes on."""
    keys = key(), key("other", OTHER, requests_per_minute=2)
    async with ScriptedUpstream() as upstream, gateway(config(upstream, *keys)) as running:
        with written(config(upstream, keys[1])) as file:
            configuration, catalog = load_catalog(file, {})
        async with RawClient(running.port) as client:
            before = [(await posted(client, f"x-api-key: {each}")).status for each in (KEY, KEY, OTHER)]
            await running.worker.reload(configuration, catalog)
            after = [(await posted(client, f"x-api-key: {each}")).status for each in (KEY, OTHER, OTHER)]

    assert (before, after) == ([200, 200, 200], [401, 200, 429])


async def test_a_while_without_keys_forgets_nothing() -> None:
    """A reload counts on: else whoever takes the keys out and puts them back gives a second day's money."""
    async with ScriptedUpstream() as upstream:
        limited = config(upstream, key(requests_per_minute=1))
        async with gateway(limited) as running, RawClient(running.port) as client:
            before = [(await posted(client, f"x-api-key: {KEY}")).status for _ in range(2)]
            for document in (config_at(upstream), limited):
                with written(document) as file:
                    await running.worker.reload(*load_catalog(file, {}))
            after = (await posted(client, f"x-api-key: {KEY}")).status

    assert (before, after) == ([200, 429], 429)
