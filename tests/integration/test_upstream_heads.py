"""What a provider is sent beside the body: its address, its key, and nothing of the client's own."""

from __future__ import annotations

from typing import Any

import pytest

from plano import __version__
from tests.wall.canary import WITNESS
from tests.wall.framing import RawRequest
from tests.wall.gateway import gateway
from tests.wall.raw_client import RawClient
from tests.wall.upstream import ScriptedUpstream

PROVIDER_KEY = "sk-configured-secret-canary-42"
BEARER = WITNESS.guard("Bearer sk-clients-bearer-canary-7")
API_KEY = WITNESS.guard("sk-clients-x-api-key-canary-9")

CHAT = "/v1/chat/completions"
MESSAGES = "/v1/messages"
BODY = b'{"model":"auto"}'

PRIVATE = (
    f"Authorization: {BEARER}",
    f"X-Api-Key: {API_KEY}",
    "Cookie: session=clients-own",
    "X-Forwarded-For: 203.0.113.7",
    "Forwarded: for=203.0.113.7",
    "Via: 1.1 somebody",
    "X-Stainless-Lang: python",
    "User-Agent: OpenAI/Python 9",
    "Accept: text/event-stream",
    "Accept-Encoding: br",
    "Origin: https://client.invalid",
    "Referer: https://client.invalid/",
    "X-Anything: at all",
    "OpenAI-Organization: org-of-the-client",
    "Proxy-Authorization: Basic Y2xpZW50",
    "X-Model-Affinity: session-1",
    "X-Request-Id: the-clients-own",
    "X-Plano-Debug: true",
    "TE: trailers",
)
"""What clients and the proxies before them send, and no provider is to see."""


async def sent(path: str, *headers: str, **row: Any) -> RawRequest:
    """What the provider of one model got for a request with these header lines."""
    async with ScriptedUpstream() as upstream:
        row = {"base_url": upstream.url, "default": True, **row}
        row["base_url"] = row["base_url"].replace("$PORT", str(upstream.port))
        config = {"version": "v0.4.0", "model_providers": [row]}
        async with gateway(config) as running, RawClient(running.port) as client:
            await client.post(path, BODY, *headers)
            reply = await client.reply()
        assert reply.status == 200, reply.body
        request = upstream.attempts[0].request
        assert request.header("content-length") == str(len(request.body))
        return request


def told(request: RawRequest) -> dict[str, str]:
    """The header fields that are not the same for every request; none of them may come twice."""
    fields = dict(request.headers)
    assert len(fields) == len(request.headers)
    same = ("content-length", "content-type", "accept-encoding", "user-agent")
    return {name: value for name, value in fields.items() if name not in (*same, "host")}


async def test_the_head_is_built_not_copied() -> None:
    """The whole of it, for a client that sent everything: a list of what goes, not of what does not."""
    request = await sent(CHAT, *PRIVATE, model="openai/gpt", access_key=PROVIDER_KEY)

    host = request.header("host")
    assert host is not None
    assert host.startswith("127.0.0.1:")
    assert sorted(request.headers) == [
        ("accept-encoding", "identity"),
        ("authorization", f"Bearer {PROVIDER_KEY}"),
        ("content-length", str(len('{"model":"gpt"}'))),
        ("content-type", "application/json"),
        ("host", host),
        ("user-agent", f"plano/{__version__}"),
    ]


WAYS = [
    pytest.param(CHAT, "openai/m", {"authorization": f"Bearer {PROVIDER_KEY}"}, id="openai"),
    pytest.param("/v1/responses", "openai/m", {"authorization": f"Bearer {PROVIDER_KEY}"}, id="responses"),
    pytest.param(CHAT, "mistral/m", {"authorization": f"Bearer {PROVIDER_KEY}"}, id="mistral"),
    pytest.param(
        MESSAGES,
        "anthropic/m",
        {"x-api-key": PROVIDER_KEY, "anthropic-version": "2023-06-01"},
        id="anthropic",
    ),
    pytest.param(CHAT, "anthropic/m", {"authorization": f"Bearer {PROVIDER_KEY}"}, id="anthropic by chat"),
    pytest.param(CHAT, "azure_openai/m", {"api-key": PROVIDER_KEY}, id="azure"),
    pytest.param(
        MESSAGES,
        "openrouter/m",
        {"authorization": f"Bearer {PROVIDER_KEY}", "anthropic-version": "2023-06-01"},
        id="messages elsewhere",
    ),
]


@pytest.mark.parametrize(("path", "model", "fields"), WAYS)
async def test_the_key_goes_as_its_provider_wants_it(path: str, model: str, fields: dict[str, str]) -> None:
    """And in no other way as well: some providers refuse two."""
    request = await sent(path, *PRIVATE, model=model, access_key=PROVIDER_KEY)

    assert told(request) == fields


@pytest.mark.parametrize(
    ("interface", "path", "fields"),
    [
        ("openai", CHAT, {"authorization": f"Bearer {PROVIDER_KEY}"}),
        ("claude", MESSAGES, {"x-api-key": PROVIDER_KEY, "anthropic-version": "2023-06-01"}),
    ],
)
async def test_a_custom_provider_is_spoken_to_as_its_interface_says(
    interface: str, path: str, fields: dict[str, str]
) -> None:
    """Whoever serves a known dialect under a name of its own."""
    request = await sent(
        path, *PRIVATE, model="house/m", provider_interface=interface, access_key=PROVIDER_KEY
    )

    assert told(request) == fields


@pytest.mark.parametrize("path", [CHAT, MESSAGES])
async def test_without_a_key_nothing_of_the_clients_goes_up(path: str) -> None:
    """A local model gets no secret that it did not ask for."""
    request = await sent(path, *PRIVATE, model="ollama/m")

    assert told(request).keys() - {"anthropic-version"} == set()


PASSED = [
    pytest.param([f"Authorization: {BEARER}"], {"authorization": BEARER}, id="authorization"),
    pytest.param([f"X-Api-Key: {API_KEY}"], {"x-api-key": API_KEY}, id="x-api-key"),
    pytest.param(
        [f"authorization: {BEARER}", f"x-api-key: {API_KEY}", "cookie: a=b"],
        {"authorization": BEARER, "x-api-key": API_KEY},
        id="both",
    ),
    pytest.param(["cookie: a=b"], {}, id="none"),
]


@pytest.mark.parametrize(("headers", "fields"), PASSED)
async def test_passthrough_sends_the_clients_credential_and_never_the_configured(
    headers: list[str], fields: dict[str, str]
) -> None:
    """Whose request it is, is who pays: also when the client sent no key at all."""
    request = await sent(
        MESSAGES, *headers, model="anthropic/m", access_key=PROVIDER_KEY, passthrough_auth=True
    )

    assert told(request) == {"anthropic-version": "2023-06-01", **fields}


async def test_extra_headers_are_sent_and_win() -> None:
    """A configured header is what its owner wants, whatever the client or a default would say."""
    headers = {"X-Team": "blue unit", "Anthropic-Beta": "ours", "User-Agent": "house/1"}

    request = await sent(
        MESSAGES,
        "anthropic-beta: theirs",
        "x-team: red",
        model="anthropic/m",
        access_key=PROVIDER_KEY,
        headers=headers,
    )

    fields = dict(request.headers)
    assert (fields["x-team"], fields["anthropic-beta"], fields["user-agent"]) == (
        "blue unit",
        "ours",
        "house/1",
    )
    assert len(fields) == len(request.headers)


async def test_http_host_replaces_the_host_that_is_shown() -> None:
    """A proxy in between is reached by one name and routes by another."""
    request = await sent(CHAT, model="openai/m", access_key=PROVIDER_KEY, http_host="models.example.org")

    assert request.header("host") == "models.example.org"


ADDRESSES = [
    pytest.param("http://127.0.0.1:$PORT", "openai/m", CHAT, "/v1/chat/completions", id="no path: /v1"),
    pytest.param("http://127.0.0.1:$PORT/", "openai/m", CHAT, "/v1/chat/completions", id="a bare slash"),
    pytest.param("http://127.0.0.1:$PORT/a/b", "openai/m", CHAT, "/a/b/chat/completions", id="a prefix"),
    pytest.param(
        "http://127.0.0.1:$PORT/a/b/", "anthropic/m", MESSAGES, "/a/b/messages", id="a prefix and slash"
    ),
    pytest.param(
        "http://127.0.0.1:$PORT",
        "azure_openai/gpt-4o",
        CHAT,
        "/openai/deployments/gpt-4o/chat/completions?api-version=2025-01-01-preview",
        id="azure names the model in its path",
    ),
    pytest.param(
        "http://127.0.0.1:$PORT?api-version=2024-10-21",
        "azure_openai/gpt-4o",
        CHAT + "?a=%20b&c",
        "/openai/deployments/gpt-4o/chat/completions?api-version=2024-10-21&a=%20b&c",
        id="azure, version and query",
    ),
    pytest.param(
        "http://127.0.0.1:$PORT", "anthropic/m", MESSAGES + "?beta=true", "/v1/messages?beta=true", id="beta"
    ),
    pytest.param(
        "http://127.0.0.1:$PORT",
        "openai/m",
        CHAT + "?x=%2F..%2f&y=a+b&y=&?#"[:-1],
        "/v1/chat/completions?x=%2F..%2f&y=a+b&y=&?",
        id="a query as it was written",
    ),
]


@pytest.mark.parametrize(("base_url", "model", "path", "target"), ADDRESSES)
async def test_the_target_is_the_providers_with_the_clients_query(
    base_url: str, model: str, path: str, target: str
) -> None:
    """Coding agents put switches into the query; some providers have one of their own."""
    request = await sent(path, model=model, base_url=base_url, access_key=PROVIDER_KEY)

    assert (request.method, request.target) == ("POST", target)


FORWARDED = [
    pytest.param(
        ["anthropic-version: 2099-12-31", "Anthropic-Beta: a-1,b-2 ,  c-3"],
        {"anthropic-version": "2099-12-31", "anthropic-beta": "a-1,b-2 ,  c-3"},
        id="as written",
    ),
    pytest.param(
        ["anthropic-beta: a-1", "anthropic-beta: b-2"],
        {"anthropic-version": "2023-06-01", "anthropic-beta": "a-1, b-2"},
        id="two lines are one list, and the version is given",
    ),
    pytest.param(
        ["traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "tracestate: a=b"],
        {
            "anthropic-version": "2023-06-01",
            "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "tracestate": "a=b",
        },
        id="a trace goes on",
    ),
    pytest.param(
        [*["traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"] * 2, "tracestate: a=b"],
        {"anthropic-version": "2023-06-01"},
        id="a trace with two parents does not",
    ),
]


@pytest.mark.parametrize(("headers", "fields"), FORWARDED)
async def test_what_a_dialect_says_in_headers_is_forwarded(
    headers: list[str], fields: dict[str, str]
) -> None:
    """Byte for byte: a beta that is lost changes what the model does."""
    request = await sent(MESSAGES, *headers, model="anthropic/m")

    assert told(request) == fields


async def test_a_configured_authorization_takes_the_place_of_the_key() -> None:
    """Two of them would be refused, or worse, understood."""
    request = await sent(
        CHAT,
        model="openai/m",
        access_key=PROVIDER_KEY,
        headers={"Authorization": "Token house-secret-canary-1"},
    )

    assert told(request) == {"authorization": "Token house-secret-canary-1"}
