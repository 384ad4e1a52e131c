"""What of a provider's own words reaches clients, and what is left of them when Plano answers instead."""

from __future__ import annotations

import json

import pytest

from plano.chat.dialect import Dialect
from plano.errors import KEY_REFUSED
from tests.fault.asks import asked, request
from tests.fault.baseline import unharmed
from tests.fault.cuts import ASKED_AGAIN, FIRST_CONTENT, Cuts
from tests.fault.watched import gateway
from tests.wall.answers import EVENTS
from tests.wall.gateway import UPSTREAM_KEY, config_at, listener
from tests.wall.raw_client import RawClient
from tests.wall.script import EVENT_STREAM, JSON, Fin, Head, Raw, Script, Stall, chunked, sized

CHAT = Dialect.OPENAI_CHAT
MESSAGES = Dialect.ANTHROPIC_MESSAGES
RESPONSES = Dialect.OPENAI_RESPONSES

LIMITS = [
    ("retry-after", "17"),
    ("retry-after-ms", "17000"),
    ("x-ratelimit-remaining-tokens", "0"),
    ("anthropic-ratelimit-tokens-reset", "2026-01-01T00:00:00Z"),
    ("request-id", "req_wall"),
]
OF_THE_PAGE = [("content-type", "text/html"), ("cache-control", "max-age=9"), ("set-cookie", "a=b")]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("body", [b"", b"<html>slow down</html>"])
@pytest.mark.parametrize("status", [429, 503])
async def test_when_to_come_back_is_told_although_the_body_is_replaced(
    status: int, body: bytes, stream: bool
) -> None:
    """Proxies in front of providers answer in pages; clients that do not hear when to return come at once."""
    async with Cuts() as upstream, gateway(config_at(upstream)) as running, unharmed(running):
        upstream.script = sized(body, status=status, headers=[*OF_THE_PAGE, *LIMITS])
        upstream.times = 2 if status in ASKED_AGAIN else 1
        reply = await asked(running.port, CHAT, stream=stream)

        assert (reply.status, reply.error(CHAT)["code"]) == (status, "upstream_error")
        assert {name: reply.headers.get(name) for name, _ in LIMITS} == dict(LIMITS)
        assert (reply.headers["content-type"], reply.headers.get("cache-control")) == (
            "application/json",
            None,
        )
        assert "set-cookie" not in reply.headers


QUOTED = f"Incorrect API key provided: {UPSTREAM_KEY}"


def _refused_key(dialect: Dialect) -> bytes:
    """A refusal of the key as some providers word it."""
    if dialect is MESSAGES:
        found: dict[str, object] = {"type": "error"}
        found["error"] = {"type": "authentication_error", "message": QUOTED}
    else:
        found = {"error": {"message": QUOTED, "type": "invalid_request_error", "code": "invalid_api_key"}}
    return json.dumps(found).encode()


def _event(dialect: Dialect) -> bytes:
    name = b"" if dialect is CHAT else b"event: error\n"
    body = _refused_key(dialect)
    if dialect is RESPONSES:
        body = body[:1] + b'"type": "error", ' + body[1:]
    return name + b"data: " + body + b"\n\n"


@pytest.mark.parametrize("where", ["in a 200", "in a 200 for a stream", "in a stream", "behind its prelude"])
@pytest.mark.parametrize("dialect", list(Dialect))
async def test_a_refused_key_is_not_quoted(dialect: Dialect, where: str) -> None:
    """It is the operator's, and the provider may well repeat it."""
    prelude = EVENTS[dialect][: FIRST_CONTENT[dialect]] if where == "behind its prelude" else []
    script = sized(_refused_key(dialect)) if "200" in where else chunked([*prelude, _event(dialect)])
    async with Cuts() as upstream, gateway(config_at(upstream)) as running, unharmed(running):
        upstream.script = script
        reply = await asked(running.port, dialect, stream=where != "in a 200")
        (_, line) = await running.logged(2)

        assert (reply.status, reply.error(dialect)["message"]) == (502, KEY_REFUSED)
        assert (line["code"], line["status"]) == ("upstream_auth", 502)
        assert reply.headers["x-should-retry"] == "false"
        assert UPSTREAM_KEY not in running.log_text


def _says(code: str) -> bytes:
    return b'{"error": {"message": "no", "type": null, "code": "%b"}}' % code.encode()


DOCUMENTS = [
    pytest.param(_says("rate_limit_exceeded"), 429, "upstream_error", id="a rate limit"),
    pytest.param(_says("context_length_exceeded"), 400, "upstream_error", id="a refusal"),
    pytest.param(_says("invalid_api_key"), 502, "upstream_auth", id="the key"),
    pytest.param(b'{"error": ', 502, "upstream_invalid", id="half of one"),
    pytest.param(b'{"choices": []}', 502, "upstream_invalid", id="no error"),
    pytest.param(b'{"a": "%b"}' % (b"x" * 300_000), 502, "upstream_invalid", id="without end"),
    pytest.param(b"[]", 502, "upstream_invalid", id="a list"),
]


@pytest.mark.parametrize(("body", "status", "code"), DOCUMENTS)
async def test_a_document_in_place_of_a_stream_is_read_for_its_error(
    body: bytes, status: int, code: str
) -> None:
    """Some servers refuse to stream with a 200: the client must hear whether to try again."""
    async with Cuts() as upstream, gateway(config_at(upstream)) as running, unharmed(running):
        upstream.script = sized(body, headers=[*JSON, ("retry-after", "17")])
        reply = await asked(running.port, CHAT, stream=True)
        (_, line) = await running.logged(2)

        assert (reply.status, reply.error(CHAT)["code"], line["code"]) == (status, code, code)
        assert reply.headers.get("retry-after") == ("17" if code == "upstream_error" else None)


@pytest.mark.parametrize("start", [b"id: 7\n", b"retry: 3000\n\n", b": hello\n\n", b"event: x\n", b"\n"])
async def test_a_stream_is_known_by_any_of_its_fields(start: bytes) -> None:
    """Without a content type there is nothing but the bytes to tell."""
    events = start + b"".join(EVENTS[CHAT])
    async with Cuts() as upstream, gateway(config_at(upstream)) as running:
        upstream.script = chunked([events[:2], events[2:]], headers=[])
        reply = await asked(running.port, CHAT, stream=True)

    assert (reply.status, reply.body, reply.whole) == (200, events, True)


@pytest.mark.parametrize("dialect", list(Dialect))
async def test_the_log_has_the_status_that_was_sent(dialect: Dialect) -> None:
    """A stream that broke was a 200 to its client; the code and the ending say that it broke."""
    data = b"".join(EVENTS[dialect][: FIRST_CONTENT[dialect] + 1])
    cut: Script = [Head(200, EVENT_STREAM), Raw(b"%x\r\n%b\r\n" % (len(data), data)), Fin()]
    async with Cuts() as upstream, gateway(config_at(upstream)) as running, unharmed(running):
        upstream.script = cut
        reply = await asked(running.port, dialect, stream=True)
        (_, line) = await running.logged(2)

        told = (line["status"], line["code"], line["ending"], line["phase"])
        assert (reply.status, told) == (200, (200, "upstream_broke", "upstream_failed", "stream"))


async def test_a_stream_that_the_drain_cuts_was_a_200_too() -> None:
    """And the gateway's own doing."""
    limits = listener(drain_s="200ms", drain_idle_s="100ms")
    data = EVENTS[CHAT][1]
    script: Script = [Head(200, EVENT_STREAM), Raw(b"%x\r\n%b\r\n" % (len(data), data)), Stall()]
    async with Cuts() as upstream, gateway(config_at(upstream, **limits)) as running:
        upstream.script = script
        async with RawClient(running.port) as client:
            await client.send(request(CHAT, stream=True))
            await client.read_until(data)
            await running.worker.stop()
        (line,) = await running.logged(1)

    assert (line["status"], line["code"], line["ending"]) == (200, "shutting_down", "gateway_failed")


async def test_connections_that_are_all_taken_are_the_gateways_trouble() -> None:
    """The provider has done nothing wrong; the client is told to come again."""
    limits = listener(connections_per_origin="1", connect_s="50ms")
    async with Cuts() as upstream, gateway(config_at(upstream, **limits)) as running, unharmed(running):
        upstream.script = [Stall()]
        async with RawClient(running.port) as client:
            await client.send(request(CHAT))
            await upstream.attempt(1)
            reply = await asked(running.port, CHAT, stream=False)
        upstream.script = None
        lines = await running.logged(2)

        assert (reply.status, reply.error(CHAT)["code"]) == (503, "overloaded")
        assert reply.headers["retry-after"] == "1"
        assert lines[1]["ending"] == "gateway_failed"


@pytest.mark.parametrize("status", [301, 307])
async def test_a_redirect_is_beyond_trying_again(status: int) -> None:
    """It will be there the next time too, until somebody changes the configuration."""
    async with Cuts() as upstream, gateway(config_at(upstream)) as running, unharmed(running):
        upstream.script = sized(b"", status=status, headers=[("location", "/elsewhere")])
        reply = await asked(running.port, CHAT, stream=False)

        assert (reply.status, reply.headers["x-should-retry"]) == (502, "false")
