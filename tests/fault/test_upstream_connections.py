"""Upstreams that cannot be connected to, or whose connection is gone when it is needed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from plano.chat.dialect import Dialect
from tests.fault.asks import MODELS, answered, ask, asked, request
from tests.fault.baseline import unharmed, until
from tests.fault.cuts import STREAMS, Cuts
from tests.fault.told import Told
from tests.fault.watched import gateway
from tests.wall.answers import PLAIN
from tests.wall.authority import Authority
from tests.wall.gateway import config_at
from tests.wall.script import Fin, Head, Raw, Rst, Script, sized
from tests.wall.upstream import ScriptedUpstream, refusing_port

MESSAGES = Dialect.ANTHROPIC_MESSAGES
CHAT = Dialect.OPENAI_CHAT


def _with_messages_at(url: str, upstream: ScriptedUpstream, **more: Any) -> dict[str, Any]:
    """The chat model is healthy, the messages model is somewhere else."""
    config = config_at(upstream, **more)
    config["model_providers"][1]["base_url"] = url
    return config


def _error(reply: Told) -> tuple[int, str]:
    return reply.status, reply.error(MESSAGES)["type"]


async def _unreachable(url: str, **more: Any) -> tuple[tuple[int, str], dict[str, Any]]:
    """What a client is told of an upstream at `url`, and the log."""
    async with Cuts() as upstream:
        config = _with_messages_at(url, upstream, **more)
        async with gateway(config) as running, unharmed(running):
            reply = await asked(running.port, MESSAGES, stream=True)
            (_, line) = await running.logged(2)
    return _error(reply), line


@pytest.mark.parametrize(
    "url",
    [
        pytest.param("http://127.0.0.1:{refusing}", id="refused"),
        pytest.param("https://127.0.0.1:{refusing}", id="refused before TLS"),
        pytest.param("http://nowhere.invalid", id="no such name"),
        pytest.param("https://nowhere.invalid", id="no such name, with TLS"),
    ],
)
async def test_an_upstream_that_is_not_there_is_unreachable(url: str) -> None:
    """At once, after one more try, and as the provider's failure: 502."""
    error, line = await _unreachable(url.format(refusing=refusing_port()))

    assert error == (502, "api_error")
    told_of = (line["code"], line["phase"], line["ending"], line["attempts"])
    assert told_of == ("upstream_unreachable", "connect", "upstream_failed", 2)


TLS = [
    pytest.param("localhost", True, 200, id="trusted"),
    pytest.param("localhost", False, 502, id="an authority that nobody trusts"),
    pytest.param("elsewhere.test", True, 502, id="a certificate for another name"),
]


@pytest.mark.parametrize(("name", "trusted", "status"), TLS)
async def test_tls_is_verified_and_never_weakened(
    name: str, trusted: bool, status: int, tmp_path: Path
) -> None:
    """`overrides.upstream_tls_ca_path` adds an authority; nothing takes the verification away."""
    authority = Authority()
    pem = authority.write_pem(tmp_path / "authority.pem")
    more = {"overrides": {"upstream_tls_ca_path": str(pem)}} if trusted else {}
    async with Cuts() as healthy, ScriptedUpstream(tls=authority.serving(name)) as secret:
        config = _with_messages_at(secret.url, healthy, **more)
        async with gateway(config) as running:
            reply = await asked(running.port, MESSAGES, stream=False)
            (line,) = await running.logged(1)

    assert reply.status == status
    assert (line.get("code"), len(secret.attempts)) == (
        (None, 1) if status == 200 else ("upstream_unreachable", 0)
    )


async def test_tls_to_an_upstream_that_speaks_none_is_unreachable() -> None:
    """A wrong scheme in `base_url` is found out by its error, not by a hang."""
    async with ScriptedUpstream(on_connect=[Raw(b"HTTP/1.1 400 Bad Request\r\n\r\n"), Fin()]) as clear:
        error, line = await _unreachable(f"https://127.0.0.1:{clear.port}")

    assert error == (502, "api_error")
    assert (line["code"], clear.attempts) == ("upstream_unreachable", [])


HALF_A_HEAD = Raw(b"HTTP/1.1 200 OK\r\ncontent-")


@pytest.mark.parametrize(
    "script",
    [
        pytest.param([Rst()], id="reset"),
        pytest.param([Fin()], id="FIN"),
        pytest.param([HALF_A_HEAD, Rst()], id="reset in the head"),
        pytest.param([HALF_A_HEAD, Fin()], id="FIN in the head"),
    ],
)
async def test_a_fresh_connection_that_ends_before_the_head_is_tried_once_more(script: Script) -> None:
    """The request may have been taken: that is an attempt, told as such, and there is one more at most."""
    async with (
        ScriptedUpstream(otherwise=lambda _: script) as upstream,
        gateway(config_at(upstream)) as running,
    ):
        reply = await asked(running.port, CHAT, stream=False)
        (line,) = await running.logged(1)

    assert (reply.status, reply.error(CHAT)["code"]) == (502, "upstream_unreachable")
    assert (line["code"], line["phase"], line["attempts"]) == ("upstream_unreachable", "head", 2)
    assert [attempt.connection.number for attempt in upstream.attempts] == [0, 1]


@pytest.mark.parametrize("is_large", [False, True], ids=["small", "large"])
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("dialect", list(Dialect))
@pytest.mark.parametrize("end", [pytest.param(Fin(), id="FIN"), pytest.param(Rst(), id="reset")])
async def test_a_stale_connection_is_replaced_once_and_in_silence(
    end: Fin | Rst, dialect: Dialect, stream: bool, is_large: bool
) -> None:
    """Providers close idle connections whenever they like; the request that crosses it is not lost,
    arrives with its whole body, and is answered from a connection of its own."""
    body = ask(dialect, stream=stream)
    if is_large:
        body = body[:-1] + b', "x": "%b"}' % (b"y" * 1_000_000)
    wire = request(dialect, "connection: close", body=body)
    async with Cuts() as upstream, gateway(config_at(upstream)) as running, unharmed(running):
        upstream.script = [end]
        reply = await answered(running.port, wire)
        (*_, line) = await running.logged(2)
        attempts = upstream.attempts[1:]

        whole = STREAMS[dialect] if stream else PLAIN[dialect]
        assert (reply.status, reply.body, line["attempts"]) == (200, whole, 1)
        assert [attempt.connection.number for attempt in attempts] == [0, 1]
        assert attempts[0].request == attempts[1].request
        asked_for = MODELS[dialect].encode()
        assert attempts[1].body == body.replace(asked_for, asked_for.partition(b"/")[2])


async def test_a_stale_connection_is_replaced_by_a_fresh_one_and_no_further() -> None:
    """When the fresh one ends as well it is the upstream's doing, and the attempt has failed."""
    scripts: list[Script] = [sized(PLAIN[CHAT]), [Rst()], [Rst()], [Rst()]]
    async with ScriptedUpstream(scripts) as upstream, gateway(config_at(upstream)) as running:
        await asked(running.port, CHAT, stream=False)
        reply = await asked(running.port, CHAT, stream=False)
        (_, line) = await running.logged(2)

    assert (reply.status, reply.error(CHAT)["code"], line["attempts"]) == (502, "upstream_unreachable", 2)
    assert [attempt.connection.number for attempt in upstream.attempts] == [0, 0, 1, 2]


async def test_a_used_connection_that_has_begun_to_answer_is_not_replaced() -> None:
    """From the first byte on the request has been taken, and what follows is another attempt."""
    half: Script = [Raw(b"H"), Rst()]
    async with (
        ScriptedUpstream([sized(PLAIN[CHAT]), half, half]) as upstream,
        gateway(config_at(upstream)) as running,
    ):
        await asked(running.port, CHAT, stream=False)
        reply = await asked(running.port, CHAT, stream=False)
        (_, line) = await running.logged(2)

    assert (reply.status, reply.error(CHAT)["code"], line["attempts"]) == (502, "upstream_unreachable", 2)
    assert [attempt.connection.number for attempt in upstream.attempts] == [0, 0, 1]


async def test_a_connection_that_its_upstream_has_closed_is_not_used() -> None:
    """The close is seen when it comes, not when the next request goes out."""
    async with ScriptedUpstream() as upstream, gateway(config_at(upstream)) as running:
        await asked(running.port, CHAT, stream=False)
        upstream.close_idle()
        await until(upstream.connections[0].gone.is_set)
        reply = await asked(running.port, CHAT, stream=False)

    assert reply.status == 200
    assert [attempt.connection.number for attempt in upstream.attempts] == [0, 1]


UNASKED = b'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 15\r\n\r\n{"x":"forged"}\n'


@pytest.mark.parametrize(
    "rest",
    [
        pytest.param(UNASKED, id="a second answer"),
        pytest.param(b"x", id="a byte"),
    ],
)
async def test_what_nobody_asked_for_reaches_nobody(rest: bytes) -> None:
    """Bytes behind an answer would be the next caller's answer: such a connection ends."""
    body = PLAIN[CHAT]
    first: Script = [
        Head(200, [("content-type", "application/json"), ("content-length", str(len(body)))]),
        Raw(body + rest),
    ]
    async with ScriptedUpstream([first]) as upstream, gateway(config_at(upstream)) as running:
        replies = [await asked(running.port, CHAT, stream=False) for _ in range(2)]

    assert [(reply.status, reply.body) for reply in replies] == [(200, body)] * 2
    assert [attempt.connection.number for attempt in upstream.attempts] == [0, 1]
