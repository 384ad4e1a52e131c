"""Errors that a provider words itself: with a status, inside a 200, and inside a stream."""

from __future__ import annotations

import json

import pytest

from plano.chat.dialect import Dialect
from tests.fault.asks import answered, asked, request
from tests.fault.baseline import unharmed
from tests.fault.cuts import ASKED_AGAIN, FIRST_CONTENT, Cuts
from tests.fault.official import RAISED, STREAMING, official
from tests.fault.watched import gateway
from tests.wall.answers import EVENTS, refusal
from tests.wall.gateway import UPSTREAM_KEY, config_at
from tests.wall.script import Chunk, Head, Raw, Script, chunked, sized

CHAT = Dialect.OPENAI_CHAT
MESSAGES = Dialect.ANTHROPIC_MESSAGES
RESPONSES = Dialect.OPENAI_RESPONSES
HTML = b"<html><h1>502 Bad Gateway</h1></html>"

PASSED_ON = [400, 402, 404, 408, 409, 413, 422, 429, 500, 502, 503, 504, 529]
FIELDS = (
    ("retry-after", "17"),
    ("retry-after-ms", "17000"),
    ("x-should-retry", "false"),
    ("x-ratelimit-remaining-tokens", "0"),
    ("anthropic-ratelimit-tokens-reset", "2026-01-01T00:00:00Z"),
    ("request-id", "req_wall"),
    ("set-cookie", "session=secret"),
    ("x-upstream-account", "acme"),
)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("dialect", list(Dialect))
@pytest.mark.parametrize("status", PASSED_ON)
async def test_a_providers_own_error_is_passed_on(status: int, dialect: Dialect, stream: bool) -> None:
    """Its status, its words, and what it says about trying again, which is obeyed here as well; once, and
    nothing of its own house."""
    script = refusal(status, dialect, headers=FIELDS)
    async with Cuts() as upstream, gateway(config_at(upstream)) as running, unharmed(running):
        upstream.script = script
        reply = await asked(running.port, dialect, stream=stream)
        (_, line) = await running.logged(2)

        assert isinstance(script[1], Raw)
        assert (reply.status, reply.body, reply.whole) == (status, script[1].data, True)
        assert {name: reply.headers.get(name) for name, _ in FIELDS[:6]} == dict(FIELDS[:6])
        assert not {"set-cookie", "x-upstream-account"} & set(reply.headers)
        ending = "upstream_failed" if status >= 500 or status in (408, 429) else "refused"
        assert (line["status"], line["code"], line["ending"]) == (status, "upstream_error", ending)
        assert len(upstream.attempts) == 2


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("dialect", list(Dialect))
@pytest.mark.parametrize("status", PASSED_ON)
async def test_the_only_candidate_is_asked_once_more_where_that_may_help(
    status: int, dialect: Dialect, stream: bool
) -> None:
    """Half of what is passed on would be gone a moment later; the other half never is."""
    attempts = 2 if status in ASKED_AGAIN else 1
    script = refusal(status, dialect)
    async with Cuts() as upstream, gateway(config_at(upstream)) as running, unharmed(running):
        upstream.script, upstream.times = script, attempts
        reply = await asked(running.port, dialect, stream=stream)
        (_, line) = await running.logged(2)

        assert isinstance(script[1], Raw)
        assert (reply.status, reply.body) == (status, script[1].data)
        assert (len(upstream.attempts), line["attempts"]) == (1 + attempts, attempts)
        assert reply.headers.get("x-plano-attempts") == ("2" if attempts == 2 else None)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("dialect", list(Dialect))
@pytest.mark.parametrize("status", [401, 403])
@pytest.mark.parametrize(
    "script",
    [
        pytest.param(None, id="in its words"),
        pytest.param([Raw(HTML)], id="as a page"),
        pytest.param([], id="without a word"),
    ],
)
async def test_a_refused_key_is_the_gateways_trouble(
    status: int, script: Script | None, dialect: Dialect, stream: bool
) -> None:
    """A 401 would send the caller to look at its own key, which has nothing to do with it. The provider's
    words stay here: they may quote the key."""
    words = refusal(status, dialect, message=f"Incorrect API key provided: {UPSTREAM_KEY}")
    if script is not None:
        words = sized(b"".join(step.wire() for step in script if isinstance(step, Raw)), status=status)
    async with Cuts() as upstream, gateway(config_at(upstream)) as running, unharmed(running):
        upstream.script = words
        reply = await asked(running.port, dialect, stream=stream)
        (_, line) = await running.logged(2)

        error = reply.error(dialect)
        assert (reply.status, error.get("code", error["type"])) in (
            (502, "upstream_auth"),
            (502, "api_error"),
        )
        assert reply.headers["x-should-retry"] == "false"
        assert (line["code"], line["ending"]) == ("upstream_auth", "upstream_failed")
        assert UPSTREAM_KEY.encode() not in reply.body
        assert UPSTREAM_KEY not in running.log_text
        assert len(upstream.attempts) == 2


@pytest.mark.parametrize("status", [401, 403])
async def test_a_refused_key_of_the_callers_own_is_its_trouble(status: int) -> None:
    """With `passthrough_auth` the key is the caller's, and so is the answer about it."""
    async with Cuts() as upstream:
        config = config_at(upstream)
        del config["model_providers"][0]["access_key"]
        config["model_providers"][0]["passthrough_auth"] = True
        async with gateway(config) as running:
            upstream.script = refusal(status, CHAT)
            wire = request(CHAT, "connection: close", "authorization: Bearer sk-own")
            reply = await answered(running.port, wire)

    assert (reply.status, reply.error(CHAT)["message"]) == (status, "the wall says no")
    assert upstream.attempts[0].request.header("authorization") == "Bearer sk-own"


UNREADABLE = [
    pytest.param(sized(HTML, status=500, headers=[("content-type", "text/html")]), 500, id="500 as a page"),
    pytest.param(sized(HTML, status=502), 502, id="502 as a page that says it is JSON"),
    pytest.param(sized(b"", status=503), 503, id="503 without a word"),
    pytest.param(sized(b"upstream connect error", status=503), 503, id="503 in words"),
    pytest.param(sized(b'{"error": ', status=400), 400, id="400 in broken JSON"),
    pytest.param(sized(HTML, status=404), 404, id="404 as a page"),
    pytest.param(sized(HTML, status=429), 429, id="429 as a page"),
]


@pytest.mark.parametrize("dialect", list(Dialect))
@pytest.mark.parametrize(("script", "status"), UNREADABLE)
async def test_an_error_that_clients_cannot_read_is_put_in_their_words(
    script: Script, status: int, dialect: Dialect
) -> None:
    """The status is the provider's, the body is the dialect's: pages crash JSON parsers."""
    async with Cuts() as upstream, gateway(config_at(upstream)) as running, unharmed(running):
        upstream.script, upstream.times = script, 2 if status in ASKED_AGAIN else 1
        reply = await asked(running.port, dialect, stream=True)
        (_, line) = await running.logged(2)

        error = reply.error(dialect)
        assert (reply.status, line["code"]) == (status, "upstream_error")
        assert dialect is MESSAGES or error["code"] == "upstream_error"
        assert reply.headers["content-type"] == "application/json"


async def test_an_endless_error_is_not_read_to_its_end() -> None:
    """An error says what it has to say in a few kilobytes."""
    script: Script = [Head(500), *[Chunk(b" " * 65_536)] * 40]
    async with Cuts() as upstream, gateway(config_at(upstream)) as running, unharmed(running):
        upstream.script, upstream.times = script, 2
        reply = await asked(running.port, CHAT, stream=False)
        for attempt in upstream.attempts[1:]:
            await attempt.gone()

        assert len(upstream.attempts) == 3
        assert (reply.status, reply.error(CHAT)["code"]) == (500, "upstream_error")


def _anthropic(kind: str) -> bytes:
    return f'{{"type": "error", "error": {{"type": "{kind}", "message": "x"}}}}'.encode()


def _openai(**error: object) -> bytes:
    return json.dumps({"error": {"message": "x", "type": None, **error}}).encode()


IN_A_200 = [
    pytest.param(CHAT, _openai(type="rate_limit_error"), 429, 1, id="chat, 429"),
    pytest.param(CHAT, _openai(code="context_length_exceeded"), 400, 1, id="chat, 400"),
    pytest.param(CHAT, _openai(code=503), 503, 2, id="chat, a status for a code"),
    pytest.param(CHAT, b'{"error": "just a text"}', 502, 2, id="chat, a text"),
    pytest.param(CHAT, _openai(code="invalid_api_key"), 502, 1, id="chat, the key refused"),
    pytest.param(MESSAGES, _anthropic("overloaded_error"), 529, 2, id="messages, 529"),
    pytest.param(MESSAGES, _anthropic("api_error"), 500, 2, id="messages, 500"),
    pytest.param(MESSAGES, b'{"type": "error"}', 502, 2, id="messages, without a word"),
    pytest.param(RESPONSES, _openai(code="server_error"), 500, 2, id="responses"),
    pytest.param(RESPONSES, b'{"status": "failed"}', 502, 2, id="responses, without a word"),
]


@pytest.mark.parametrize(("dialect", "body", "status", "attempts"), IN_A_200)
async def test_an_error_in_a_200_gets_the_status_it_deserves(
    dialect: Dialect, body: bytes, status: int, attempts: int
) -> None:
    """Clients look at the status before they look at the body; so do their retries."""
    async with Cuts() as upstream, gateway(config_at(upstream)) as running, unharmed(running):
        upstream.script, upstream.times = sized(body), attempts
        reply = await asked(running.port, dialect, stream=False)
        (_, line) = await running.logged(2)

        assert (reply.status, bool(reply.error(dialect)["message"])) == (status, True)
        assert (line["ending"], line["attempts"]) == ("upstream_failed", attempts)


CHAT_ERROR = b"data: %b\n\n" % _openai(message="overloaded", type="server_error", code="overloaded")
MESSAGES_ERROR = b"event: error\ndata: %b\n\n" % _anthropic("overloaded_error")
RESPONSES_ERROR = (
    b'event: error\ndata: {"type": "error", "sequence_number": 2, '
    b'"code": "overloaded", "message": "x", "param": null}\n\n'
)
"""As OpenAI documents it: the official client delivers this one and does not raise at it."""


FAILED = (
    b'event: response.failed\ndata: {"type": "response.failed", "sequence_number": 2, '
    b'"response": {"id": "r", "object": "response", "status": "failed", "output": [], '
    b'"error": {"code": "overloaded", "message": "overloaded"}}}\n\n'
)
"""A terminal event, and no success."""

IN_A_STREAM = [
    pytest.param(CHAT, CHAT_ERROR, 503, id="chat"),
    pytest.param(MESSAGES, MESSAGES_ERROR, 529, id="messages"),
    pytest.param(RESPONSES, RESPONSES_ERROR, 503, id="responses"),
    pytest.param(RESPONSES, FAILED, 503, id="responses, failed"),
]


@pytest.mark.parametrize("prelude", [False, True])
@pytest.mark.parametrize(("dialect", "event", "status"), IN_A_STREAM)
async def test_an_error_event_before_any_content_is_an_error_with_a_status(
    dialect: Dialect, event: bytes, status: int, prelude: bool
) -> None:
    """The provider's 200 was none, and nothing has gone out yet that says so."""
    events = EVENTS[dialect][: FIRST_CONTENT[dialect]] if prelude else []
    async with Cuts() as upstream, gateway(config_at(upstream)) as running, unharmed(running):
        upstream.script, upstream.times = chunked([*events, event]), 2
        reply = await asked(running.port, dialect, stream=True)
        (_, line) = await running.logged(2)

        assert (reply.status, bool(reply.error(dialect)["message"])) == (status, True)
        assert (len(upstream.attempts), line["attempts"]) == (3, 2)
        assert (line["status"], line["code"], line["ending"]) == (status, "upstream_error", "upstream_failed")


ERROR_EVENTS = {CHAT: CHAT_ERROR, MESSAGES: MESSAGES_ERROR, RESPONSES: RESPONSES_ERROR}


@pytest.mark.parametrize("client", STREAMING)
async def test_an_error_event_after_content_is_relayed_and_recorded(client: str) -> None:
    """It is the provider's last word, byte for byte, and every official client raises: at the event,
    or at an end that is none."""
    dialect, drive = STREAMING[client]
    events = [*EVENTS[dialect][: FIRST_CONTENT[dialect] + 1], ERROR_EVENTS[dialect]]
    async with Cuts() as upstream, gateway(config_at(upstream)) as running, official(running.url) as clients:
        upstream.script = chunked(events)
        reply = await asked(running.port, dialect, stream=True)
        upstream.script = chunked(events)
        with pytest.raises(RAISED):
            await drive(clients)
        lines = await running.logged(2)

    assert (reply.status, reply.body, reply.loud) == (200, b"".join(events), True)
    told_of = [(line["status"], line["code"], line["ending"]) for line in lines]
    assert told_of == [(200, "upstream_error", "upstream_failed")] * 2


async def test_a_response_that_failed_is_whole_and_recorded_as_failed() -> None:
    """The dialect has a terminal event for it, which its clients know; nothing needs to be added."""
    events = [*EVENTS[RESPONSES][: FIRST_CONTENT[RESPONSES] + 1], FAILED]
    async with Cuts() as upstream, gateway(config_at(upstream)) as running:
        upstream.script = chunked(events)
        reply = await asked(running.port, RESPONSES, stream=True)
        (line,) = await running.logged(1)

    assert (reply.status, reply.body, reply.whole) == (200, b"".join(events), True)
    assert (line["status"], line["code"], line["ending"]) == (200, "upstream_error", "upstream_failed")
