"""What goes wrong, as the official clients see it: the right class, in the words of their dialect."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable

import anthropic
import openai
import pytest
from anthropic import AsyncAnthropic
from openai import AsyncOpenAI

from plano.chat.dialect import Dialect
from tests.wall.answers import refusal
from tests.wall.gateway import RunningGateway, config_at, gateway
from tests.wall.official import anthropic_client, openai_client
from tests.wall.raw_client import RawClient
from tests.wall.script import JSON, Script, sized
from tests.wall.upstream import ScriptedUpstream

CHAT = "/v1/chat/completions"
MESSAGES = "/v1/messages"
RESPONSES = "/v1/responses"


async def ask_chat(client: AsyncOpenAI, model: str = "gpt-wall") -> object:
    return await client.chat.completions.create(model=model, messages=[{"role": "user", "content": "hi"}])


async def ask_responses(client: AsyncOpenAI, model: str = "gpt-wall") -> object:
    return await client.responses.create(model=model, input="hi")


async def ask_messages(client: AsyncAnthropic, model: str = "claude-wall") -> object:
    return await client.messages.create(
        model=model, max_tokens=9, messages=[{"role": "user", "content": "hi"}]
    )


async def raised_by_openai(
    script: Script, ask: Callable[[AsyncOpenAI], Awaitable[object]] = ask_chat, **row: object
) -> openai.APIStatusError:
    """What OpenAI's client raises when the provider answers like this; `row` changes its declaration."""
    async with ScriptedUpstream(otherwise=lambda _: script) as upstream:
        config = config_at(upstream)
        config["model_providers"][0] |= row
        async with gateway(config) as running, openai_client(running.url) as client:
            with pytest.raises(openai.APIStatusError) as raised:
                await ask(client)
            await running.logged(1)
    return raised.value


async def raised_by_anthropic(script: Script) -> anthropic.APIStatusError:
    async with (
        ScriptedUpstream(otherwise=lambda _: script) as upstream,
        gateway(config_at(upstream)) as running,
        anthropic_client(running.url) as client,
    ):
        with pytest.raises(anthropic.APIStatusError) as raised:
            await ask_messages(client)
    return raised.value


# --- what providers say is passed on

OPENAI_CLASSES = [
    (400, openai.BadRequestError),
    (404, openai.NotFoundError),
    (409, openai.ConflictError),
    (422, openai.UnprocessableEntityError),
    (429, openai.RateLimitError),
    (500, openai.InternalServerError),
    (503, openai.InternalServerError),
]


@pytest.mark.parametrize(("status", "kind"), OPENAI_CLASSES)
@pytest.mark.parametrize("ask", [ask_chat, ask_responses])
async def test_openais_client_raises_what_the_provider_meant(
    status: int, kind: type[openai.APIStatusError], ask: Callable[[AsyncOpenAI], Awaitable[object]]
) -> None:
    """Programs tell a mistake from a full house by these classes."""
    error = await raised_by_openai(refusal(status, Dialect.OPENAI_CHAT), ask)

    assert (type(error), error.status_code, error.code) == (kind, status, "wall")
    assert "the wall says no" in error.message


ANTHROPIC_CLASSES = [
    (400, anthropic.BadRequestError),
    (404, anthropic.NotFoundError),
    (413, anthropic.RequestTooLargeError),
    (429, anthropic.RateLimitError),
    (500, anthropic.InternalServerError),
    (529, anthropic.OverloadedError),
]


@pytest.mark.parametrize(("status", "kind"), ANTHROPIC_CLASSES)
async def test_anthropics_client_raises_what_the_provider_meant(
    status: int, kind: type[anthropic.APIStatusError]
) -> None:
    """Statuses of its own included."""
    error = await raised_by_anthropic(refusal(status, Dialect.ANTHROPIC_MESSAGES))

    assert (type(error), error.status_code) == (kind, status)
    assert error.body == {
        "type": "error",
        "error": {"type": "wall_error", "message": "the wall says no"},
        "request_id": "req_wall",
    }


async def test_a_rate_limit_says_when_to_come_back() -> None:
    """The client's own retries go by these headers."""
    script = refusal(429, Dialect.OPENAI_CHAT, headers=(("retry-after", "7"), ("retry-after-ms", "6500")))

    error = await raised_by_openai(script)

    assert (error.response.headers["retry-after"], error.response.headers["retry-after-ms"]) == ("7", "6500")


async def test_a_context_that_is_too_long_can_be_told_by_its_code() -> None:
    """Agents compact their conversation when they read it."""
    body = {"error": {"message": "too long", "type": "invalid_request_error", "param": "messages"}}
    body["error"]["code"] = "context_length_exceeded"

    error = await raised_by_openai(sized(json.dumps(body).encode(), status=400))

    assert (type(error), error.code, error.param) == (
        openai.BadRequestError,
        "context_length_exceeded",
        "messages",
    )


# --- keys


@pytest.mark.parametrize("status", [401, 403])
async def test_a_refused_key_of_ours_is_never_the_clients_fault(status: int) -> None:
    """A client that reads 401 throws its own good key away; one that retries does it for nothing."""
    error = await raised_by_openai(refusal(status, Dialect.OPENAI_CHAT, message="bad key sk-abc"))

    assert (error.status_code, error.code, type(error)) == (502, "upstream_auth", openai.InternalServerError)
    assert error.response.headers["x-should-retry"] == "false"
    assert "sk-abc" not in error.message


@pytest.mark.parametrize("status", [401, 403])
async def test_a_refused_key_of_ours_is_told_in_anthropics_words(status: int) -> None:
    """The same to a client of messages."""
    error = await raised_by_anthropic(refusal(status, Dialect.ANTHROPIC_MESSAGES))

    assert (error.status_code, type(error)) == (502, anthropic.InternalServerError)
    assert isinstance(error.body, dict)
    assert error.body["error"]["type"] == "api_error"


@pytest.mark.parametrize(
    ("status", "kind"), [(401, openai.AuthenticationError), (403, openai.PermissionDeniedError)]
)
async def test_a_refused_key_of_the_client_is_the_clients_to_see(
    status: int, kind: type[openai.APIStatusError]
) -> None:
    """Where its own credential is passed through, it must learn that it was refused."""
    error = await raised_by_openai(refusal(status, Dialect.OPENAI_CHAT), passthrough_auth=True)

    assert (type(error), error.status_code, error.code) == (kind, status, "wall")


# --- what cannot be passed on


@pytest.mark.parametrize(
    ("script", "status", "code"),
    [
        pytest.param(
            sized(b"<html>nope</html>", headers=(("content-type", "text/html"),)),
            502,
            "upstream_invalid",
            id="a page",
        ),
        pytest.param(sized(b""), 502, "upstream_invalid", id="nothing"),
        pytest.param(sized(b"[]"), 502, "upstream_invalid", id="no object"),
        pytest.param(
            sized(b"", status=307, headers=(("location", "http://elsewhere.invalid/"),)),
            502,
            "upstream_invalid",
            id="a redirect",
        ),
        pytest.param(
            sized(b"<html>busy</html>", status=503, headers=(("content-type", "text/html"),)),
            503,
            "upstream_error",
            id="an error page",
        ),
        pytest.param(
            sized(b'{"error":{"message":"m","code":"server_error"}}', headers=JSON),
            500,
            "upstream_error",
            id="an error in a 200",
        ),
    ],
)
async def test_what_is_no_answer_becomes_an_error_that_the_client_can_read(
    script: Script, status: int, code: str
) -> None:
    """A 200 with a page in it makes clients fail far from the cause."""
    error = await raised_by_openai(script)

    assert (error.status_code, error.code) == (status, code)


# --- dialects

HELP = "Use that path, or name another model."


async def test_a_dialect_that_the_provider_does_not_speak_is_refused_in_openais_words(
    running: RunningGateway, upstream: ScriptedUpstream
) -> None:
    """It says what the provider does speak; nothing is sent that it could not read."""
    async with openai_client(running.url) as client:
        with pytest.raises(openai.BadRequestError) as raised:
            await ask_responses(client, "claude-wall")

    assert (raised.value.code, raised.value.param) == ("dialect_not_supported", "model")
    assert "/v1/chat/completions, /v1/messages" in raised.value.message
    assert HELP in raised.value.message
    assert upstream.attempts == []


async def test_a_dialect_that_the_provider_does_not_speak_is_refused_in_anthropics_words(
    running: RunningGateway, upstream: ScriptedUpstream
) -> None:
    """The same for a client of messages on a model of OpenAI."""
    async with anthropic_client(running.url) as client:
        with pytest.raises(anthropic.BadRequestError) as raised:
            await ask_messages(client, "gpt-wall")

    body = raised.value.body
    assert isinstance(body, dict)
    assert body["error"]["type"] == "invalid_request_error"
    assert "/v1/chat/completions, /v1/responses" in body["error"]["message"]
    assert upstream.attempts == []


# --- requests that are not

WRONG = [
    pytest.param(b"", "invalid_json", None, id="empty"),
    pytest.param(b"{", "invalid_json", None, id="cut"),
    pytest.param(b"[]", "invalid_request", None, id="a list"),
    pytest.param(b'{"model":"a","model":"b"}', "invalid_json", "model", id="twice the same key"),
    pytest.param(b'{"model":"gpt-wall","stream":NaN}', "invalid_json", None, id="NaN"),
    pytest.param(b'{"model":"gpt-wall","x":"\xff"}', "invalid_json", None, id="not UTF-8"),
    pytest.param(b'{"model":7}', "invalid_request", "model", id="a number for a model"),
    pytest.param(b'{"model":"gpt-wall","stream":"yes"}', "invalid_request", "stream", id="a word for a flag"),
    pytest.param(b'{"model":"gpt-wall","x":%b}' % (b"[" * 65 + b"]" * 65), "invalid_json", None, id="deep"),
    pytest.param(b'{"model":"gpt-wall","x":%b' % (b"[" * 99999), "invalid_json", None, id="very deep"),
]


@pytest.mark.parametrize(("body", "code", "param"), WRONG)
async def test_what_is_no_request_is_refused_before_it_costs_anything(
    client: RawClient, upstream: ScriptedUpstream, body: bytes, code: str, param: str | None
) -> None:
    """With a message that says where; the connection stays good for the next one."""
    await client.post(CHAT, body)
    reply = await client.reply()
    await client.post(CHAT, b'{"model":"gpt-wall"}')
    after = await client.reply()

    error = json.loads(reply.body)["error"]
    assert (reply.status, error["code"], error["param"]) == (400, code, param)
    assert error["type"] == "invalid_request_error"
    assert (after.status, len(upstream.attempts)) == (200, 1)


@pytest.mark.parametrize("path", [CHAT, MESSAGES, RESPONSES])
@pytest.mark.parametrize(
    "header",
    [
        "x-model-affinity: ",
        "x-model-affinity: a b",
        "x-model-affinity: ä",
        f"x-model-affinity: {'x' * 257}",
        "x-model-affinity: a\r\nx-model-affinity: b",
    ],
)
async def test_a_malformed_affinity_is_refused(
    client: RawClient, upstream: ScriptedUpstream, path: str, header: str
) -> None:
    """Better than two users who share a session by accident."""
    await client.post(path, b'{"model":"gpt-wall"}', header)
    reply = await client.reply()

    body = json.loads(reply.body)
    assert reply.status == 400
    assert (body["type"] if path == MESSAGES else body["error"]["code"]) == (
        "error" if path == MESSAGES else "invalid_affinity_id"
    )
    assert "X-Model-Affinity" in body["error"]["message"]
    assert upstream.attempts == []


@pytest.mark.parametrize("value", ["a", "~!user:7", "x" * 256])
async def test_a_well_formed_affinity_is_accepted(client: RawClient, value: str) -> None:
    """Any visible ASCII, up to 256 of it."""
    await client.post(CHAT, b'{"model":"gpt-wall"}', f"x-model-affinity: {value}")

    assert (await client.reply()).status == 200


# --- paths and methods


@pytest.mark.parametrize(
    ("method", "path", "status", "allow"),
    [
        ("GET", CHAT, 405, "POST"),
        ("DELETE", MESSAGES, 405, "POST"),
        ("OPTIONS", RESPONSES, 405, "POST"),
        ("POST", "/v1/models", 405, "GET, HEAD"),
        ("PUT", "/healthz", 405, "GET, HEAD"),
        ("POST", "/v1/embeddings", 404, None),
        ("GET", "/", 404, None),
        ("GET", "/v1/models/gpt-wall", 404, None),
        ("POST", CHAT + "/", 404, None),
        ("POST", "/v1/chat%2Fcompletions", 404, None),
        ("POST", "//v1/chat/completions", 404, None),
        ("GET", "/metrics", 404, None),
    ],
)
async def test_other_paths_and_methods_are_told_what_there_is(
    client: RawClient, method: str, path: str, status: int, allow: str | None
) -> None:
    """A wrong base URL is the first mistake people make; metrics are not the public's."""
    await client.send(f"{method} {path} HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n".encode())
    reply = await client.reply(to=method)

    assert (reply.status, reply.header("allow")) == (status, allow)
    error = json.loads(reply.body)["error"]
    assert path in error["message"]


@pytest.mark.parametrize(
    ("path", "fields", "dialect"),
    [
        ("/v1/messages/count_tokens", "", "anthropic"),
        ("/v1/messages/batches?limit=1", "", "anthropic"),
        ("/v1/files", "anthropic-version: 2023-06-01\r\n", "anthropic"),
        ("/v1/messagesx", "", "openai"),
        ("/v1/embeddings", "", "openai"),
    ],
)
async def test_other_paths_are_answered_in_the_clients_dialect(
    client: RawClient, path: str, fields: str, dialect: str
) -> None:
    """Coding agents count tokens first; an error they cannot read hides what is wrong."""
    await client.send(f"POST {path} HTTP/1.1\r\nhost: a\r\n{fields}content-length: 0\r\n\r\n".encode())
    reply = await client.reply()

    body = json.loads(reply.body)
    shapes = {"anthropic": ("error", "not_found_error"), "openai": (None, "invalid_request_error")}
    assert (reply.status, body.get("type"), body["error"]["type"]) == (404, *shapes[dialect])


async def test_a_request_that_cannot_be_read_has_a_whole_line_in_the_log(
    client: RawClient, running: RunningGateway
) -> None:
    """Who sent it, what it wanted, and what it was answered with."""
    await client.send(b"POST /v1/messages HTTP/1.1\r\nhost: a b\r\ncontent-length: 0\r\n\r\n")
    reply = await client.reply()
    (line,) = await running.logged(1)

    told = (line["method"], line["path"], line["client"], line["status"], line["bytes_out"])
    assert told == ("POST", "/v1/messages", "127.0.0.1", 400, len(reply.body))


async def test_a_path_that_is_not_served_is_told_to_the_official_client(
    running: RunningGateway,
) -> None:
    """A base URL with one `/v1` too many."""
    async with openai_client(f"{running.url}/v1") as client:
        with pytest.raises(openai.NotFoundError) as raised:
            await ask_chat(client)

    assert raised.value.code == "not_found"
    assert "/v1/chat/completions" in raised.value.message


async def test_a_compressed_body_is_refused(client: RawClient, upstream: ScriptedUpstream) -> None:
    """It would have to be opened to be routed; nobody sends one."""
    await client.post(CHAT, b"\x1f\x8b", "content-encoding: gzip")
    reply = await client.reply()

    assert (reply.status, json.loads(reply.body)["error"]["code"]) == (415, "unsupported_encoding")
    assert upstream.attempts == []


async def test_a_refusal_before_the_body_is_read_keeps_the_callers_request_id(client: RawClient) -> None:
    """The id is how its caller finds it in the log, above all when something was wrong with it."""
    await client.send(
        b"POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\nx-request-id: mine-7\r\n"
        b"content-length: 99999999\r\n\r\n"
    )
    reply = await client.reply()

    assert (reply.status, reply.header("x-request-id")) == (413, "mine-7")


@pytest.fixture
async def nobody_there() -> AsyncIterator[RunningGateway]:
    """A gateway whose provider has gone."""
    async with ScriptedUpstream() as upstream:
        config = config_at(upstream)
    async with gateway(config) as running:
        yield running


async def test_a_provider_that_is_not_there_is_an_error_that_says_so(nobody_there: RunningGateway) -> None:
    """For both clients, of the class that they retry."""
    async with openai_client(nobody_there.url) as client:
        with pytest.raises(openai.InternalServerError) as raised:
            await ask_chat(client)
    async with anthropic_client(nobody_there.url) as other:
        with pytest.raises(anthropic.InternalServerError) as raised_by_other:
            await ask_messages(other)

    assert (raised.value.status_code, raised.value.code) == (502, "upstream_unreachable")
    assert raised_by_other.value.status_code == 502


async def test_where_a_provider_stands_is_for_the_log(nobody_there: RunningGateway) -> None:
    """Callers have no use for addresses inside the operator's network; operators cannot do without."""
    async with RawClient(nobody_there.port) as client:
        await client.post(CHAT, b'{"model":"gpt-wall"}')
        reply = await client.reply()
    (line,) = await nobody_there.logged(1)

    assert b"127.0.0.1" not in reply.body
    assert re.fullmatch(r"cannot connect to 127\.0\.0\.1:\d+: Connection refused", line["detail"])
