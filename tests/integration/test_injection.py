"""Names that would like to be more than names: nothing from outside writes a line of its own."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import pytest

from tests.wall.gateway import RunningGateway, gateway
from tests.wall.raw_client import RawClient
from tests.wall.script import Head, Raw, Script, sized
from tests.wall.upstream import ScriptedUpstream

CHAT = "/v1/chat/completions"

EVIL = [
    "gpt\r\nX-Injected: 1",
    "gpt\nX-Injected: 1",
    "gpt\rX-Injected: 1",
    "gpt\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    "gpt\x00",
    "gpt\x7f",
    "gpt\x85X-Injected: 1",
    "gpt\u2028X-Injected: 1",
    "gpt\u010a\u010dX-Injected",
    "gpt 5",
    "gpt\t5",
    "ĝpt",
    "\U0001f30d",
    "x" * 5000,
]


@pytest.fixture
async def running(upstream: ScriptedUpstream) -> AsyncIterator[RunningGateway]:
    """A wildcard that any member can be asked of, and one that puts it into its path."""
    config = {
        "version": "v0.4.0",
        "model_providers": [
            {"model": "openai/*", "base_url": upstream.url},
            {"model": "azure_openai/*", "base_url": upstream.url},
            {"model": "groq/plain", "base_url": upstream.url},
        ],
    }
    async with gateway(config) as running:
        yield running


@pytest.mark.parametrize("name", EVIL)
async def test_a_member_whose_name_is_no_name_is_nobody(
    client: RawClient, upstream: ScriptedUpstream, running: RunningGateway, name: str
) -> None:
    """It is refused before it could stand in a head; the connection and the log stay in step."""
    await client.post(CHAT, json.dumps({"model": f"openai/{name}"}).encode())
    reply = await client.reply()
    await client.post(CHAT, b'{"model":"groq/plain"}')
    after = await client.reply()

    lines = await running.logged(2)
    assert (reply.status, json.loads(reply.body)["error"]["code"]) == (404, "model_not_found")
    assert {field for field, _ in reply.headers} <= {"date", "content-type", "x-request-id", "content-length"}
    assert (after.status, len(upstream.attempts)) == (200, 1)
    assert [line["status"] for line in lines] == [404, 200]
    assert all(map(str.isprintable, running.log_text.split("\n")))


@pytest.mark.parametrize("name", EVIL)
async def test_the_same_names_under_the_catch_all_are_data(upstream: ScriptedUpstream, name: str) -> None:
    """There every name is welcome, and still none of it gets into a head or starts a line."""
    config = {
        "version": "v0.4.0",
        "model_providers": [{"model": "groq/plain", "base_url": upstream.url}],
        "model_aliases": {"*": {"target": "groq/plain"}},
    }
    async with gateway(config) as running, RawClient(running.port) as client:
        await client.post(CHAT, json.dumps({"model": name}).encode())
        reply = await client.reply()

        (line,) = await running.logged(1)
        assert (reply.status, reply.header("x-plano-model")) == (200, "groq/plain")
        assert json.loads(upstream.attempts[0].body) == {"model": "plain"}
        assert (line["requested_model"].rstrip("…") in name, running.log_text.count("\n")) == (True, 1)


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("a?b=c&api-version=1", "a%3Fb%3Dc%26api-version%3D1"),
        ("a/..b", "a%2F..b"),
        ("a#b", "a%23b"),
        ("a%0d%0aX:1", "a%250d%250aX%3A1"),
        ("{model}", "%7Bmodel%7D"),
    ],
)
async def test_a_name_in_a_path_stays_one_segment(
    client: RawClient, upstream: ScriptedUpstream, name: str, path: str
) -> None:
    """A client may choose the deployment, not the address."""
    await client.post(CHAT, json.dumps({"model": f"azure_openai/{name}"}).encode())
    await client.reply()

    target = upstream.attempts[0].request.target
    assert target == f"/openai/deployments/{path}/chat/completions?api-version=2025-01-01-preview"


@pytest.mark.parametrize("name", ["..", ".", "../../secret", "a/../../b"])
async def test_a_name_that_leads_out_of_its_path_is_nobodys(
    client: RawClient, upstream: ScriptedUpstream, name: str
) -> None:
    """Between here and the provider somebody may resolve it, quoted or not."""
    await client.post(CHAT, json.dumps({"model": f"azure_openai/{name}"}).encode())

    reply = await client.reply()
    assert (reply.status, upstream.attempts) == (404, [])


@pytest.mark.parametrize(
    "field",
    [
        b"x-request-id: a\rX-Injected: 1",
        b"x-request-id: a\nX-Injected: 1",
        b"x-request-id: a\x00b",
        b"x-request-id: a\r\n folded: 1",
        b"anthropic-beta: a\x0bb",
        b"x-request-id : a",
        b"x injected: 1",
    ],
)
async def test_a_head_with_control_bytes_is_refused_whole(
    client: RawClient, upstream: ScriptedUpstream, running: RunningGateway, field: bytes
) -> None:
    """Whoever reads it otherwise would see another request."""
    body = b'{"model":"groq/plain"}'
    await client.send(
        b"POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\n%b\r\ncontent-length: %d\r\n\r\n%b"
        % (field, len(body), body)
    )
    reply = await client.reply()

    (line,) = await running.logged(1)
    assert (reply.status, reply.header("connection")) == (400, "close")
    assert reply.header("x-injected") is None
    assert (line["status"], line["code"], upstream.attempts) == (400, "malformed_http", [])


ALIAS = 'schnell ⚡ "X-Injected: 1"'


@pytest.mark.parametrize(
    ("alias", "asked"),
    [(ALIAS, ALIAS), ("*", "schnell ⚡\r\nX-Injected: 1\x7f")],
    ids=["itself", "catch-all"],
)
async def test_what_is_asked_for_by_alias_may_be_any_text(
    alias: str, asked: str, upstream: ScriptedUpstream
) -> None:
    """It is looked up, listed and logged; it never stands in a head."""
    config = {
        "version": "v0.4.0",
        "model_providers": [{"model": "groq/plain", "base_url": upstream.url}],
        "model_aliases": {alias: {"target": "groq/plain"}},
    }
    async with gateway(config) as running, RawClient(running.port) as client:
        await client.post(CHAT, json.dumps({"model": asked}).encode())
        reply = await client.reply()
        await client.get("/v1/models")
        models = await client.reply(to="GET")

        line, _ = await running.logged(2)
        listed = [row["id"] for row in json.loads(models.body)["data"]]
        assert (reply.status, reply.header("x-plano-decision"), reply.header("x-injected")) == (
            200,
            "alias",
            None,
        )
        assert listed == ["groq/plain", *([] if alias == "*" else [alias])]
        assert (line["requested_model"], running.log_text.count("\n")) == (asked, 2)
        assert all(map(str.isprintable, running.log_text.split("\n")))


async def test_a_provider_cannot_write_into_the_log(upstream: ScriptedUpstream) -> None:
    """Its model, its id and its finish reason are told as it sent them, inside their quotes."""
    evil = 'a\n{"status":200}\x1b[2J\u202e'
    answer = {"id": evil, "model": evil, "choices": [{"finish_reason": evil}], "usage": {}}
    async with ScriptedUpstream([sized(json.dumps(answer).encode())]) as writing:
        config = {
            "version": "v0.4.0",
            "model_providers": [{"model": "groq/plain", "base_url": writing.url, "default": True}],
        }
        async with gateway(config) as running, RawClient(running.port) as client:
            await client.post(CHAT, b"{}")
            await client.reply()

            (line,) = await running.logged(1)
            assert (line["served_model"], line["upstream_id"], line["finish_reason"]) == (evil, evil, evil)
            assert running.log_text.count("\n") == 1
            assert running.log_text.strip().isprintable()


@pytest.mark.parametrize("value", ["a\rb: c", "a\nb: c", "a\x00b"])
async def test_a_provider_cannot_write_into_the_head_of_an_answer(value: str) -> None:
    """What HTTP does not allow is no answer at all."""
    body = b'{"choices":[]}'
    script: Script = [
        Head(200, [("content-type", "application/json"), ("request-id", value), ("content-length", "14")]),
        Raw(body),
    ]
    async with ScriptedUpstream([script]) as writing:
        config = {
            "version": "v0.4.0",
            "model_providers": [{"model": "groq/plain", "base_url": writing.url, "default": True}],
        }
        async with gateway(config) as running, RawClient(running.port) as client:
            await client.post(CHAT, b"{}")
            reply = await client.reply()

    assert (reply.status, json.loads(reply.body)["error"]["code"]) == (502, "upstream_invalid")
    assert (reply.header("b"), reply.header("request-id")) == (None, None)
