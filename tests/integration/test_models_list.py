"""GET /v1/models: everything that can be asked for, in both shapes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

import pytest

from plano.catalog.catalog import Model
from plano.catalog.names import ModelId, ProviderId
from plano.catalog.prices import known_members
from tests.wall.gateway import RunningGateway, config_at, gateway
from tests.wall.official import anthropic_client, openai_client
from tests.wall.raw_client import RawClient, RawReply
from tests.wall.upstream import ScriptedUpstream

DECLARED = """
version: v0.4.0
model_providers:
  - {model: openai/gpt-wall, base_url: "http://127.0.0.1:9", default: true}
  - {model: openai/gpt-named, name: careful, base_url: "http://127.0.0.1:9"}
  - {model: ollama/llama3.2, base_url: "http://127.0.0.1:9"}
model_aliases:
  "fast ⚡": {target: openai/gpt-wall}
  "*": {target: careful}
"""
WILD = """
version: v0.4.0
model_providers:
  - {model: mistral/*, name: all-of-mistral, base_url: "http://127.0.0.1:9"}
  - {model: mistral/mistral-large-latest, base_url: "http://127.0.0.1:9"}
  - {model: house/*, base_url: "http://127.0.0.1:9", provider_interface: openai}
  - {model: simulated/*}
model_aliases:
  mistral/codestral-latest: {target: mistral/mistral-large-latest}
"""
NAMES = [
    ("openai/gpt-wall", "openai"),
    ("careful", "openai"),
    ("ollama/llama3.2", "ollama"),
    ("fast ⚡", "plano"),
]
"""What is declared and what it is called; the catch-all is no name that anybody could ask for."""


@pytest.fixture
async def declared() -> AsyncIterator[RunningGateway]:
    async with gateway(DECLARED) as running:
        yield running


@pytest.fixture
async def wild() -> AsyncIterator[RunningGateway]:
    async with gateway(WILD) as running:
        yield running


async def listed(running: RunningGateway, *headers: str) -> RawReply:
    async with RawClient(running.port) as client:
        await client.get("/v1/models", *headers)
        return await client.reply(to="GET")


async def test_the_list_in_openais_shape(declared: RunningGateway) -> None:
    """Members that OpenAI's client needs, and no other."""
    reply = await listed(declared, "x-request-id: listing-1")

    (line,) = await declared.logged(1)
    assert json.loads(reply.body) == {
        "object": "list",
        "data": [{"id": name, "object": "model", "created": 0, "owned_by": owner} for name, owner in NAMES],
    }
    assert (reply.status, reply.header("content-type")) == (200, "application/json")
    assert (reply.header("x-request-id"), line["request_id"], line["status"]) == (
        "listing-1",
        "listing-1",
        200,
    )


async def test_the_list_in_anthropics_shape(declared: RunningGateway) -> None:
    """For who sends Anthropic's version: coding agents ask so before they begin."""
    reply = await listed(declared, "anthropic-version: 2023-06-01")

    names = [name for name, _ in NAMES]
    assert json.loads(reply.body) == {
        "data": [
            {"type": "model", "id": name, "display_name": name, "created_at": "1970-01-01T00:00:00Z"}
            for name in names
        ],
        "first_id": names[0],
        "last_id": names[-1],
        "has_more": False,
    }


async def test_the_official_clients_list_the_same_names(declared: RunningGateway) -> None:
    """Each reads its own shape, pages included."""
    async with openai_client(declared.url) as openai, anthropic_client(declared.url) as anthropic:
        by_openai = [model.id async for model in openai.models.list()]
        by_anthropic = [model.id async for model in anthropic.models.list(limit=1)]

    assert by_openai == by_anthropic == [name for name, _ in NAMES]


async def test_a_wildcard_is_listed_with_the_members_that_are_known_of_it(wild: RunningGateway) -> None:
    """Each name once, under its strongest meaning; a provider whose models nobody lists is only itself."""
    reply = await listed(wild)

    names = [model["id"] for model in json.loads(reply.body)["data"]]
    owners = {model["id"]: model["owned_by"] for model in json.loads(reply.body)["data"]}
    mistral = Model(ModelId("mistral/*"), "mistral/*", ProviderId("mistral"), "*", {}, "none")
    members = known_members(mistral)
    assert names[:5] == [
        "mistral/*",
        "mistral/mistral-large-latest",
        "house/*",
        "simulated/*",
        "mistral/codestral-latest",
    ]
    assert (len(names), len(members) > 5) == (len(set(names)), True)
    assert set(names[5:]) == set(members) - set(names[:5])
    assert owners["mistral/codestral-latest"] == "plano"


async def test_every_listed_name_can_be_asked_for(upstream: ScriptedUpstream) -> None:
    """Except the wildcard itself, which stands for any."""
    rows = [{"model": "mistral/*", "base_url": upstream.url}]
    async with (
        gateway({"version": "v0.4.0", "model_providers": rows}) as running,
        RawClient(running.port) as client,
    ):
        await client.get("/v1/models")
        names = [model["id"] for model in json.loads((await client.reply(to="GET")).body)["data"]]
        answered = []
        for name in names:
            await client.post("/v1/chat/completions", json.dumps({"model": name}).encode())
            reply = await client.reply()
            answered.append((name, reply.status))

    assert answered[0] == ("mistral/*", 404)
    assert [status for _, status in answered[1:]] == [200] * (len(names) - 1)
    assert len(names) > 5


async def test_many_who_ask_at_once_get_the_same(wild: RunningGateway) -> None:
    """The first list takes a moment; nobody gets half of it."""
    async with asyncio.TaskGroup() as group:
        asking = [group.create_task(listed(wild)) for _ in range(20)]

    bodies = {task.result().body for task in asking}
    assert len(bodies) == 1


async def test_requests_are_answered_while_the_first_list_is_made(upstream: ScriptedUpstream) -> None:
    """And one that leaves does not take the list from the others."""
    config = config_at(upstream)
    config["model_providers"].append({"model": "openrouter/*", "base_url": upstream.url})
    async with gateway(config) as running, RawClient(running.port) as client:
        async with RawClient(running.port) as leaving:
            await leaving.get("/v1/models")
            await client.post("/v1/chat/completions", b'{"model":"gpt-wall"}')
            reply = await client.reply()
        whole = await listed(running)

    assert (reply.status, whole.status) == (200, 200)
    assert len(json.loads(whole.body)["data"]) > 10


async def test_head_has_the_head_and_no_body(client: RawClient) -> None:
    """Load balancers ask so."""
    await client.send(b"HEAD /v1/models HTTP/1.1\r\nhost: a\r\n\r\n")
    reply = await client.reply(to="HEAD")
    await client.get("/v1/models")
    got = await client.reply(to="GET")

    assert (reply.status, reply.body) == (200, b"")
    assert reply.header("content-length") == got.header("content-length") == str(len(got.body))


async def test_the_query_of_the_list_is_no_secret_in_the_log(
    client: RawClient, running: RunningGateway
) -> None:
    """Some clients put their key there."""
    await client.get("/v1/models?limit=1000&key=sk-in-the-query")
    reply = await client.reply(to="GET")

    (line,) = await running.logged(1)
    assert (reply.status, line["path"]) == (200, "/v1/models")
    assert "sk-in-the-query" not in running.log_text
