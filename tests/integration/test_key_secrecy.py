"""What keys keep from whom: what others may use, and from strangers the memory for a body."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.fault.baseline import turns
from tests.integration.test_keys import KEY, OTHER, QUESTION, ask, asked_for_keys, config, key, refusal
from tests.wall.answers import TEXT
from tests.wall.gateway import ANTHROPIC_MODEL, OPENAI_MODEL, gateway
from tests.wall.official import anthropic_client
from tests.wall.raw_client import RawClient
from tests.wall.upstream import ScriptedUpstream

HIDDEN = "claude-wall"
EVERY_WAY: list[Any] = [
    pytest.param({"model": "claude-wal"}, id="a near miss"),
    pytest.param({"model": "anthropic/claude-wal"}, id="a near miss in full"),
    pytest.param({"model": "smrat"}, id="a near miss of an alias"),
    pytest.param({"model": "smart"}, id="an alias"),
    pytest.param({"model": "anything"}, id="the alias for all names"),
    pytest.param({"model": None}, id="no name: a route, then the default"),
    pytest.param({"model": OPENAI_MODEL}, id="what it may use, with others behind"),
    pytest.param(
        {"routing_preferences": [{"name": "r", "description": "d", "models": ["claude-wal"]}]},
        id="a near miss in a route of the body",
    ),
    pytest.param(
        {"routing_preferences": [{"name": "r", "description": "words", "models": [ANTHROPIC_MODEL]}]},
        id="a route of the body",
    ),
]


@pytest.mark.parametrize("body", EVERY_WAY)
@pytest.mark.parametrize("path", ["/v1/chat/completions", "/routing/v1/chat/completions"])
async def test_what_a_key_may_not_use_is_named_nowhere(path: str, body: dict[str, Any]) -> None:
    """In no message, header, decision or reason: a key may be a stranger's."""
    more: Any = {
        "model_aliases": {"smart": {"target": ANTHROPIC_MODEL}, "*": {"target": ANTHROPIC_MODEL}},
        "routing_preferences": [{"name": "words", "description": "any words", "models": [ANTHROPIC_MODEL]}],
    }
    async with ScriptedUpstream() as upstream:
        written = config(upstream, key(models=[OPENAI_MODEL]), **more)
        first, second = written["model_providers"]
        first |= {"default": False, "fallbacks": [ANTHROPIC_MODEL]}
        second |= {"default": True}
        asked = json.dumps({"messages": QUESTION, **body}).encode()
        async with gateway(written) as running, RawClient(running.port) as client:
            await client.post(path, asked, f"x-api-key: {KEY}", "x-plano-debug: true", "x-model-affinity: s")
            reply = await client.reply()

    told = f"{reply.headers} {reply.body.decode()}".replace(json.dumps(body.get("model")), "")
    assert HIDDEN not in told
    assert [each.request.headers for each in upstream.attempts if HIDDEN in repr(each.request.body)] == []


async def test_the_alias_for_all_names_leads_only_where_a_key_may_go() -> None:
    """Whoever may use its target reaches it under any name; for others there is no such model."""
    more: Any = {"model_aliases": {"*": {"target": ANTHROPIC_MODEL}}}
    keys = key(models=[OPENAI_MODEL]), key("all", OTHER)
    async with asked_for_keys(*keys, **more) as (running, _):
        told = await refusal(running, "messages", KEY, "claude-of-my-own")
        answer = await ask(running, "messages", OTHER, "claude-of-my-own")

    assert (told, answer) == (("NotFoundError", 404, "not_found_error"), TEXT)


@pytest.mark.parametrize(
    ("models", "statuses"),
    [
        pytest.param(["lab/one"], (200, 404), id="by name"),
        pytest.param(["lab/o*"], (200, 404), id="by a pattern"),
        pytest.param(["lab/*"], (200, 200), id="all"),
        pytest.param([OPENAI_MODEL], (404, 404), id="none"),
    ],
)
async def test_members_of_a_wildcard_are_allowed_one_by_one(
    models: list[str], statuses: tuple[int, int]
) -> None:
    """A wildcard that is declared is none that is allowed."""
    async with ScriptedUpstream() as upstream:
        written = config(upstream, key(models=models))
        written["model_providers"].append(
            {"model": "lab/*", "base_url": upstream.url, "provider_interface": "openai", "access_key": "k"}
        )
        async with gateway(written) as running, RawClient(running.port) as client:
            told = []
            for model in ("lab/one", "lab/two"):
                asked = json.dumps({"model": model, "messages": QUESTION}).encode()
                await client.post("/v1/chat/completions", asked, f"x-api-key: {KEY}")
                told.append((await client.reply()).status)

    assert tuple(told) == statuses


async def test_the_list_in_anthropics_shape_holds_what_is_allowed() -> None:
    """Claude Code offers its user what stands there."""
    keys = key(models=[ANTHROPIC_MODEL]), key("all", OTHER)
    async with asked_for_keys(*keys) as (running, _):
        listed = []
        for each in (KEY, OTHER):
            async with anthropic_client(running.url).with_options(api_key=each) as client:
                listed.append([model.id async for model in client.models.list()])

    assert listed == [[ANTHROPIC_MODEL], [OPENAI_MODEL, ANTHROPIC_MODEL]]


@pytest.mark.parametrize("path", ["/v1/models", "/v1/messages", "/v1/responses", "/routing/v1/messages"])
async def test_an_unknown_key_learns_nothing_else(path: str) -> None:
    """Whatever it asks for, and however wrong the rest is, it is the key that is told of."""
    async with asked_for_keys(key()) as (running, upstream), RawClient(running.port) as client:
        shown = (f"authorization: Bearer {OTHER}", "anthropic-version: 2023-06-01", "x-model-affinity: ")
        await (client.get(path, *shown) if path == "/v1/models" else client.post(path, b"{", *shown))
        reply = await client.reply()

    assert (reply.status, OTHER in reply.body.decode(), upstream.attempts) == (401, False, [])


async def test_a_strangers_body_is_not_waited_for() -> None:
    """Whoever has no key could else fill the memory for everybody's bodies."""
    head = (
        b"POST /v1/messages HTTP/1.1\r\nhost: x\r\ncontent-length: 5000000\r\nx-api-key: pk-of-nobody\r\n\r\n"
    )
    async with asked_for_keys(key()) as (running, upstream), RawClient(running.port) as client:
        await client.send(head + b'{"model"')
        reply = await client.reply()

        assert (reply.status, json.loads(reply.body)["error"]["type"]) == (401, "authentication_error")
        assert running.worker.server.buffered_bytes == 0
        assert upstream.attempts == []


async def test_a_stranger_is_not_told_to_continue() -> None:
    """A client that waits for leave to send has its answer before it sends anything."""
    start = b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\n"
    head = start + b"content-length: 900\r\nexpect: 100-continue\r\n\r\n"
    async with asked_for_keys(key()) as (running, _), RawClient(running.port) as client:
        await client.send(head)
        reply = await client.reply()

    assert (reply.status, json.loads(reply.body)["error"]["code"]) == (401, "invalid_api_key")


async def test_who_has_a_key_may_send_in_pieces() -> None:
    """A body that takes several reads is looked at twice, and served."""
    body = json.dumps({"model": OPENAI_MODEL, "messages": QUESTION}).encode()
    head = (
        f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: {len(body)}\r\n"
        f"authorization: Bearer {KEY}\r\n\r\n"
    ).encode()
    async with asked_for_keys(key()) as (running, _), RawClient(running.port) as client:
        await client.send(head + body[:9])
        await turns()
        await client.send(body[9:])
        reply = await client.reply()

    assert reply.status == 200
