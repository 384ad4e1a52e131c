"""Every name that a model goes by, from the client's body to the provider's."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import anthropic
import openai
import pytest

from tests.wall.gateway import RunningGateway, gateway
from tests.wall.official import anthropic_client, openai_client
from tests.wall.raw_client import RawClient
from tests.wall.upstream import ScriptedUpstream

PATHS = {
    "/v1/chat/completions": '"messages": [{"role": "user", "content": "hi"}]',
    "/v1/messages": '"max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]',
    "/v1/responses": '"input": "hi"',
}


def config(upstream: ScriptedUpstream, **more: Any) -> dict[str, Any]:
    """A declared model, a named one, two twins and a wildcard; two aliases."""
    rows: list[dict[str, Any]] = [
        {"model": "openai/gpt-wall", "default": True},
        {"model": "openai/gpt-named", "name": "careful"},
        {"model": "groq/twin"},
        {"model": "mistral/twin"},
        {"model": "xai/*"},
        {"model": "anthropic/*"},
    ]
    return {
        "version": "v0.4.0",
        "model_providers": [{**row, "base_url": upstream.url} for row in rows],
        "model_aliases": {"fast": {"target": "openai/gpt-wall"}, "deep": {"target": "xai/grok-of-tomorrow"}},
        **more,
    }


@pytest.fixture
async def running(upstream: ScriptedUpstream) -> AsyncIterator[RunningGateway]:
    async with gateway(config(upstream)) as running:
        yield running


async def asked(client: RawClient, member: str, path: str = "/v1/chat/completions") -> tuple[str | None, ...]:
    """Post a body that begins with `member`; status, model and decision as the answer's head tells."""
    await client.post(path, f"{{{member} {PATHS[path]}}}".encode())
    reply = await client.reply()
    return str(reply.status), reply.header("x-plano-model"), reply.header("x-plano-decision")


NAMES = [
    pytest.param('"openai/gpt-wall"', "gpt-wall", "openai/gpt-wall", "explicit", id="full model"),
    pytest.param('"gpt-wall"', "gpt-wall", "openai/gpt-wall", "explicit", id="bare id"),
    pytest.param('"careful"', "gpt-named", "openai/gpt-named", "explicit", id="name"),
    pytest.param('"openai/gpt-named"', "gpt-named", "openai/gpt-named", "explicit", id="full, though named"),
    pytest.param('"gpt-named"', "gpt-named", "openai/gpt-named", "explicit", id="bare, though named"),
    pytest.param('"mistral/twin"', "twin", "mistral/twin", "explicit", id="one of two twins"),
    pytest.param('"xai/grok-9"', "grok-9", "xai/grok-9", "explicit", id="wildcard member"),
    pytest.param('"xai/a/b:c@d"', "a/b:c@d", "xai/a/b:c@d", "explicit", id="member with slashes"),
    pytest.param('"fast"', "gpt-wall", "openai/gpt-wall", "alias", id="alias"),
    pytest.param('"deep"', "grok-of-tomorrow", "xai/grok-of-tomorrow", "alias", id="alias of a member"),
    pytest.param('"\\u0066as\\u0074"', "gpt-wall", "openai/gpt-wall", "alias", id="escaped"),
    pytest.param("null", "gpt-wall", "openai/gpt-wall", "default", id="null"),
    pytest.param('""', "gpt-wall", "openai/gpt-wall", "default", id="empty"),
    pytest.param('"none"', "gpt-wall", "openai/gpt-wall", "default", id="none"),
    pytest.param('"auto"', "gpt-wall", "openai/gpt-wall", "default", id="auto"),
    pytest.param('"plano/auto"', "gpt-wall", "openai/gpt-wall", "default", id="plano/auto"),
]


@pytest.mark.parametrize(("name", "sent", "model", "decision"), NAMES)
async def test_a_name_leads_to_its_model(
    client: RawClient,
    upstream: ScriptedUpstream,
    running: RunningGateway,
    name: str,
    sent: str,
    model: str,
    decision: str,
) -> None:
    """The head of the answer, the provider and the log agree on who was meant."""
    answer = await asked(client, f'"model": {name},')

    (line,) = await running.logged(1)
    assert answer == ("200", model, decision)
    assert json.loads(upstream.attempts[0].body)["model"] == sent
    assert (line["chosen_model"], line["decision"]) == (model, decision)
    assert line.get("requested_model") == json.loads(name)


@pytest.mark.parametrize("path", PATHS)
async def test_a_body_without_a_model_goes_to_the_default(upstream: ScriptedUpstream, path: str) -> None:
    """In every dialect, and the provider is told which of its models is meant."""
    rows = [{"model": "openrouter/any/model", "base_url": upstream.url, "default": True}]
    async with (
        gateway({"version": "v0.4.0", "model_providers": rows}) as running,
        RawClient(running.port) as client,
    ):
        answer = await asked(client, "", path)

    assert answer == ("200", "openrouter/any/model", "default")
    assert json.loads(upstream.attempts[0].body)["model"] == "any/model"


async def test_the_catch_all_takes_what_nothing_else_answers_to(upstream: ScriptedUpstream) -> None:
    """Coding agents send names of their own; declared ones keep their meaning."""
    aliases = {"*": {"target": "careful"}, "fast": {"target": "gpt-wall"}}
    async with gateway(config(upstream, model_aliases=aliases)) as running, RawClient(running.port) as client:
        answers = [
            await asked(client, f'"model": {name},')
            for name in ('"claude-of-tomorrow"', '"ünknown ⚡"', '"twin/"', '"fast"', '"xai/x"', '"auto"')
        ]

    assert answers == [
        ("200", "openai/gpt-named", "alias"),
        ("200", "openai/gpt-named", "alias"),
        ("200", "openai/gpt-named", "alias"),
        ("200", "openai/gpt-wall", "alias"),
        ("200", "xai/x", "explicit"),
        ("200", "openai/gpt-wall", "default"),
    ]


async def test_an_unknown_name_is_answered_with_the_names_that_are_near(
    running: RunningGateway, upstream: ScriptedUpstream
) -> None:
    """As OpenAI does it, so that its client raises what programs catch; nothing is sent anywhere."""
    async with openai_client(running.url) as client:
        with pytest.raises(openai.NotFoundError) as raised:
            await client.chat.completions.create(
                model="opnai/gpt-wal", messages=[{"role": "user", "content": "hi"}]
            )
        with pytest.raises(openai.NotFoundError) as raised_by_responses:
            await client.responses.create(model="carefull", input="hi")

    assert (raised.value.code, raised.value.param, raised.value.type) == (
        "model_not_found",
        "model",
        "invalid_request_error",
    )
    assert "did you mean 'openai/gpt-wall'" in raised.value.message
    assert "did you mean 'careful'" in raised_by_responses.value.message
    assert upstream.attempts == []


async def test_an_unknown_name_is_told_to_anthropics_client_in_its_words(running: RunningGateway) -> None:
    """Its body has no code; the type and the class say it."""
    async with anthropic_client(running.url) as client:
        with pytest.raises(anthropic.NotFoundError) as raised:
            await client.messages.create(
                model="claude-wal", max_tokens=9, messages=[{"role": "user", "content": "hi"}]
            )

    body = raised.value.body
    assert isinstance(body, dict)
    assert (body["type"], body["error"]["type"]) == ("error", "not_found_error")
    assert body["request_id"] == raised.value.response.headers["x-request-id"]


async def test_an_ambiguous_name_is_answered_with_the_choices(running: RunningGateway) -> None:
    """Guessing between two providers could send a prompt to the wrong one."""
    async with openai_client(running.url) as client:
        with pytest.raises(openai.NotFoundError) as raised:
            await client.chat.completions.create(model="twin", messages=[{"role": "user", "content": "hi"}])

    assert raised.value.code == "model_not_found"
    assert "name one of 'groq/twin', 'mistral/twin'" in raised.value.message


async def test_without_a_default_an_unnamed_model_is_the_callers_to_name(upstream: ScriptedUpstream) -> None:
    """And the answer says where the names are listed."""
    rows = [{"model": "openai/gpt-wall", "base_url": upstream.url}]
    async with (
        gateway({"version": "v0.4.0", "model_providers": rows}) as running,
        openai_client(running.url) as client,
    ):
        with pytest.raises(openai.BadRequestError) as raised:
            await client.chat.completions.create(model="auto", messages=[{"role": "user", "content": "hi"}])

    assert (raised.value.code, raised.value.param) == ("no_model", "model")
    assert "GET /v1/models" in raised.value.message


async def test_two_providers_on_one_host_are_told_apart_by_port() -> None:
    """One machine may serve several; a request must never reach the other's."""
    async with ScriptedUpstream() as one, ScriptedUpstream() as other:
        rows = [
            {"model": "ollama/small", "base_url": one.url},
            {"model": "together_ai/large", "base_url": other.url},
        ]
        async with (
            gateway({"version": "v0.4.0", "model_providers": rows}) as running,
            RawClient(running.port) as client,
        ):
            for name in ("small", "large", "large", "small", "large"):
                await asked(client, f'"model": "{name}",')

        sent = [[json.loads(each.body)["model"] for each in provider.attempts] for provider in (one, other)]
        assert sent == [["small", "small"], ["large", "large", "large"]]
