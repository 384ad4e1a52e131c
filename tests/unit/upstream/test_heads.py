"""The head of an upstream request: a list of what goes."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from plano import __version__
from plano.catalog.catalog import Endpoint, Model, Secret
from plano.catalog.names import ModelId, ProviderId
from plano.chat.dialect import Dialect
from plano.http1.reply import InvalidField
from plano.upstream.credentials import credential_line
from plano.upstream.heads import Template


def template(
    endpoint: Endpoint, *, headers: Mapping[str, str] | None = None, http_host: str | None = None
) -> Template:
    model = Model(
        id=ModelId("openai/gpt"),
        name="gpt",
        provider=ProviderId("openai"),
        upstream_model="gpt",
        endpoints={Dialect.OPENAI_CHAT: endpoint},
        auth="bearer",
        access_key=Secret("sk-1"),
        headers=headers or {},
        http_host=http_host,
    )
    return Template(model, Dialect.OPENAI_CHAT)


PLAIN = Endpoint("https", "api.test", 443, "/v1/chat/completions")


def test_the_whole_head() -> None:
    """In this order, each line once."""
    head = template(PLAIN).render("", (), 7)

    assert head.split(b"\r\n") == [
        b"POST /v1/chat/completions HTTP/1.1",
        b"host: api.test",
        b"content-type: application/json",
        b"accept-encoding: identity",
        f"user-agent: plano/{__version__}".encode(),
        b"authorization: Bearer sk-1",
        b"content-length: 7",
        b"",
        b"",
    ]


@pytest.mark.parametrize(
    ("own", "asked", "target"),
    [
        ("", "", b"/v1/chat/completions"),
        ("", "beta=true", b"/v1/chat/completions?beta=true"),
        ("api-version=1", "", b"/v1/chat/completions?api-version=1"),
        ("api-version=1", "beta=true", b"/v1/chat/completions?api-version=1&beta=true"),
    ],
)
def test_queries_are_joined(own: str, asked: str, target: bytes) -> None:
    endpoint = Endpoint("https", "api.test", 443, "/v1/chat/completions", own)

    assert template(endpoint).render(asked, (), 0).split(b" ")[1] == target


@pytest.mark.parametrize(
    ("scheme", "host", "port", "shown"),
    [
        ("https", "api.test", 443, b"api.test"),
        ("http", "api.test", 80, b"api.test"),
        ("http", "api.test", 443, b"api.test:443"),
        ("http", "::1", 11434, b"[::1]:11434"),
        ("https", "bücher.test", 443, b"xn--bcher-kva.test"),
    ],
)
def test_the_host_is_the_authority(scheme: str, host: str, port: int, shown: bytes) -> None:
    head = template(Endpoint(scheme, host, port, "/v1")).render("", (), 0)

    assert head.split(b"\r\n")[1] == b"host: " + shown


def test_a_clients_value_wins_over_a_default_and_a_configured_one_over_both() -> None:
    """Sent twice, a field would be refused, or worse, understood."""
    endpoint = Endpoint("https", "api.test", 443, "/v1", headers={"anthropic-version": "1", "x-own": "1"})
    made = template(endpoint, headers={"X-Own": "3"})
    head = made.render("", [(b"anthropic-version", b"2"), (b"x-own", b"2")], 0)

    lines = head.split(b"\r\n")
    names = [line.partition(b":")[0] for line in lines if b":" in line]
    assert (b"anthropic-version: 2" in lines, b"x-own: 3" in lines) == (True, True)
    assert len(names) == len(set(names))


@pytest.mark.parametrize(
    ("auth", "line"),
    [
        ("bearer", b"authorization: Bearer sk-1\r\n"),
        ("x-api-key", b"x-api-key: sk-1\r\n"),
        ("api-key", b"api-key: sk-1\r\n"),
        ("none", b""),
    ],
)
def test_a_key_travels_as_its_provider_wants_it(auth: str, line: bytes) -> None:
    assert credential_line(auth, Secret("sk-1")) == line


def test_without_a_key_nothing_is_said() -> None:
    assert credential_line("bearer", None) == b""


def test_a_key_cannot_forge_a_field() -> None:
    """It comes from a file or an environment, with a line's end at its end often enough."""
    with pytest.raises(InvalidField):
        credential_line("bearer", Secret("sk-1\r\nx-admin: 1"))
