"""What a client is told in the head of an answer."""

from __future__ import annotations

import re

import pytest
from openai import AsyncOpenAI

from plano.chat.dialect import Dialect
from tests.wall.answers import EVENTS, PLAIN
from tests.wall.gateway import RunningGateway, config_at, gateway
from tests.wall.raw_client import RawClient
from tests.wall.script import Chunk, Head, LastChunk, Raw, Script
from tests.wall.upstream import ScriptedUpstream

CHAT = "/v1/chat/completions"
OWN_ID = re.compile(r"[0-9a-f]{32}\Z")

PASSING = [
    ("Retry-After", "7"),
    ("retry-after-ms", "7000"),
    ("Request-Id", "req_of_the_provider"),
    ("x-ratelimit-limit-requests", "10000"),
    ("x-ratelimit-remaining-tokens", "149984"),
    ("X-RateLimit-Reset-Tokens", "6ms"),
    ("anthropic-ratelimit-input-tokens-reset", "2026-01-01T00:00:00Z"),
    ("openai-processing-ms", "412"),
    ("openai-version", "2020-10-01"),
    ("x-should-retry", "false"),
    ("cache-control", "no-store"),
]
KEPT_BACK = [
    ("Set-Cookie", "__cf_bm=abc; path=/; HttpOnly"),
    ("Server", "cloudflare"),
    ("OpenAI-Organization", "org-of-the-gateways-owner"),
    ("openai-project", "proj_owner"),
    ("anthropic-organization-id", "0f0f-owner"),
    ("x-request-id", "req_other"),
    ("x-plano-model", "forged/model"),
    ("x-plano-decision", "forged"),
    ("Date", "Thu, 01 Jan 1970 00:00:00 GMT"),
    ("Strict-Transport-Security", "max-age=1"),
    ("Alt-Svc", 'h3=":443"'),
    ("CF-RAY", "1-FRA"),
    ("access-control-allow-origin", "*"),
    ("connection", "keep-alive"),
    ("keep-alive", "timeout=5"),
    ("trailer", "x-late"),
    ("x-anything", "at all"),
]


def script(*, stream: bool) -> Script:
    """A good chat answer under all of these fields."""
    dialect = Dialect.OPENAI_CHAT
    kind = "text/event-stream; charset=utf-8" if stream else "application/json"
    headers = [("Content-Type", kind), *PASSING, *KEPT_BACK]
    if stream:
        return [Head(200, headers), *map(Chunk, EVENTS[dialect]), LastChunk()]
    return [Head(200, [*headers, ("Content-Length", str(len(PLAIN[dialect])))]), Raw(PLAIN[dialect])]


@pytest.mark.parametrize("stream", [False, True])
async def test_the_head_is_a_list_of_what_passes(*, stream: bool) -> None:
    """The whole of it: limits and retries help a client, cookies and account names are the owner's."""
    body = b'{"model":"gpt-wall","stream":%s}' % (b"true" if stream else b"false")
    async with (
        ScriptedUpstream([script(stream=stream)]) as upstream,
        gateway(config_at(upstream)) as running,
        RawClient(running.port) as client,
    ):
        await client.post(CHAT, body, "x-request-id: my-own.id_1")
        reply = await client.reply()

    fields = dict(reply.headers)
    assert len(fields) == len(reply.headers)
    assert not fields.pop("date").startswith("Thu, 01 Jan 1970")
    assert fields == {name.lower(): value for name, value in PASSING} | {
        "content-type": "text/event-stream; charset=utf-8" if stream else "application/json",
        **({"transfer-encoding": "chunked"} if stream else {"content-length": str(len(reply.body))}),
        "x-request-id": "my-own.id_1",
        "x-plano-model": "openai/gpt-wall",
        "x-plano-decision": "explicit",
    }


@pytest.mark.parametrize("given", ["a", "A-z_0.9", "x" * 128])
async def test_a_request_id_that_is_well_formed_is_kept(
    client: RawClient, running: RunningGateway, given: str
) -> None:
    """So that the caller's log and ours tell of the same request by the same name."""
    await client.post(CHAT, b'{"model":"gpt-wall"}', f"x-request-id: {given}")
    reply = await client.reply()

    (line,) = await running.logged(1)
    assert (reply.header("x-request-id"), line["request_id"]) == (given, given)


@pytest.mark.parametrize("given", ["", "x" * 129, "a b", "a;b", "a/b", '"a"', "ä", "a,b", "<script>", "a\tb"])
async def test_a_request_id_that_is_not_is_replaced(
    client: RawClient, running: RunningGateway, given: str
) -> None:
    """It goes into logs and heads: nothing there may be written by others."""
    await client.post(CHAT, b'{"model":"gpt-wall"}', f"x-request-id: {given}")
    reply = await client.reply()

    (line,) = await running.logged(1)
    own = reply.header("x-request-id")
    assert own is not None
    assert OWN_ID.match(own)
    assert line["request_id"] == own


async def test_two_request_ids_are_none(client: RawClient) -> None:
    """Which of them to believe is not ours to guess."""
    await client.post(CHAT, b'{"model":"gpt-wall"}', "x-request-id: a", "x-request-id: b")
    reply = await client.reply()

    assert OWN_ID.match(reply.header("x-request-id") or "")


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        (CHAT, b'{"model":"nobody"}', 404),
        (CHAT, b"{", 400),
        ("/nowhere", b"", 404),
        ("/v1/models", b"{}", 405),
        ("/v1/messages", b'{"model":"nobody"}', 404),
    ],
)
async def test_errors_carry_the_request_id_too(
    client: RawClient, running: RunningGateway, path: str, body: bytes, status: int
) -> None:
    """They are what people ask about."""
    await client.post(path, body, "x-request-id: ask-about-me")
    reply = await client.reply()

    (line,) = await running.logged(1)
    assert (reply.status, reply.header("x-request-id")) == (status, "ask-about-me")
    assert (line["status"], line["request_id"]) == (status, "ask-about-me")


async def test_the_official_client_shows_the_request_id(openai: AsyncOpenAI) -> None:
    """It reads the same header that OpenAI sends."""
    completion = await openai.chat.completions.create(
        model="gpt-wall",
        messages=[{"role": "user", "content": "hi"}],
        extra_headers={"x-request-id": "shown-to-people"},
    )

    assert completion._request_id == "shown-to-people"


async def test_an_upstream_error_has_the_same_head(upstream: ScriptedUpstream) -> None:
    """Who was asked matters most when it went wrong."""
    busy: Script = [
        Head(429, [("content-type", "application/json"), *PASSING, *KEPT_BACK, ("content-length", "12")]),
        Raw(b'{"error":{}}'),
    ]
    async with (
        ScriptedUpstream([busy]) as failing,
        gateway(config_at(failing)) as running,
        RawClient(running.port) as client,
    ):
        await client.post(CHAT, b'{"model":"gpt-wall"}')
        reply = await client.reply()

    assert (reply.status, reply.header("x-plano-model"), reply.header("retry-after")) == (
        429,
        "openai/gpt-wall",
        "7",
    )
    assert reply.header("set-cookie") is None
