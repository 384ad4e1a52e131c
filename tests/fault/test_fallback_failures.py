"""What a client is told when every candidate fails, and what is tried before."""

from __future__ import annotations

from contextlib import AsyncExitStack

import pytest

from tests.fault.asks import asked
from tests.fault.failing import CHAT
from tests.fault.test_fallback import KEYS, SECOND, config_of
from tests.fault.watched import gateway
from tests.wall.answers import refusal
from tests.wall.upstream import ScriptedUpstream, refusing_port


async def test_the_last_failure_is_what_the_client_hears() -> None:
    """Three attempts, and no more: each candidate, and the last one once more."""
    async with (
        ScriptedUpstream(otherwise=lambda _: refusal(500, CHAT, message="first")) as first,
        ScriptedUpstream(otherwise=lambda _: refusal(503, CHAT, message="second")) as second,
        gateway(config_of(first.url, second.url)) as running,
    ):
        reply = await asked(running.port, CHAT, stream=True)
        (line,) = await running.logged(1)

    assert (reply.status, reply.error(CHAT)["message"]) == (503, "second")
    assert (reply.headers["x-plano-attempts"], reply.headers["x-plano-model"]) == ("3", SECOND[CHAT])
    assert (len(first.attempts), len(second.attempts), line["attempts"]) == (1, 2, 3)
    assert (line["code"], line["ending"]) == ("upstream_error", "upstream_failed")


async def test_four_candidates_are_three_attempts() -> None:
    """However many there are."""
    async with AsyncExitStack() as stack:
        upstreams = [
            await stack.enter_async_context(ScriptedUpstream(otherwise=lambda _: refusal(500, CHAT)))
            for _ in range(4)
        ]
        running = await stack.enter_async_context(gateway(config_of(*(each.url for each in upstreams))))
        reply = await asked(running.port, CHAT, stream=False)

    assert (reply.status, reply.headers["x-plano-attempts"]) == (500, "3")
    assert [len(each.attempts) for each in upstreams] == [1, 1, 1, 0]


RETURNS = [
    pytest.param("3", "60", "3", id="the first is back before"),
    pytest.param("60", "3", "3", id="the last is back before"),
    pytest.param("60", None, "60", id="only the first has said"),
    pytest.param("soon", "60", "60", id="the first says what nobody understands"),
    pytest.param(None, None, None, id="nobody has said"),
]


@pytest.mark.parametrize(("one", "other", "told"), RETURNS)
async def test_the_client_is_told_when_the_first_of_them_is_back(
    one: str | None, other: str | None, told: str | None
) -> None:
    """Whoever it is: a second request may go to any of them."""
    scripts = [
        refusal(429, CHAT, headers=() if said is None else (("retry-after", said),)) for said in (one, other)
    ]
    async with (
        ScriptedUpstream([scripts[0]]) as first,
        ScriptedUpstream([scripts[1]]) as second,
        gateway(config_of(first.url, second.url)) as running,
    ):
        reply = await asked(running.port, CHAT, stream=False)

    assert (reply.status, reply.headers.get("retry-after")) == (429, told)


async def test_a_return_is_told_with_a_failure_of_another_kind() -> None:
    """The second cannot be reached; the first will be back in a moment."""
    async with ScriptedUpstream([refusal(429, CHAT, headers=(("retry-after", "3"),))]) as first:
        config = config_of(first.url, f"http://127.0.0.1:{refusing_port()}")
        async with gateway(config) as running:
            reply = await asked(running.port, CHAT, stream=False)

    assert (reply.status, reply.error(CHAT)["code"]) == (502, "upstream_unreachable")
    assert reply.headers["retry-after"] == "3"


@pytest.mark.parametrize(("status", "told"), [(401, "false"), (503, None)])
async def test_a_refused_key_is_hopeless_only_if_all_else_is(status: int, told: str | None) -> None:
    """`x-should-retry: false` makes the official clients give up."""
    async with (
        ScriptedUpstream(otherwise=lambda _: refusal(status, CHAT)) as first,
        ScriptedUpstream(otherwise=lambda _: refusal(401, CHAT)) as second,
        gateway(config_of(first.url, second.url)) as running,
    ):
        reply = await asked(running.port, CHAT, stream=False)

    assert (reply.status, reply.error(CHAT)["code"]) == (502, "upstream_auth")
    assert (reply.headers.get("x-should-retry"), reply.headers["x-plano-attempts"]) == (told, "2")


async def test_a_refused_key_is_not_sent_again() -> None:
    """The second model has the same key, at another address of the same provider."""
    async with (
        ScriptedUpstream(otherwise=lambda _: refusal(401, CHAT)) as first,
        ScriptedUpstream() as second,
        gateway(config_of(first.url, second.url, key=KEYS[0])) as running,
    ):
        reply = await asked(running.port, CHAT, stream=False)

    assert (reply.status, len(first.attempts), len(second.attempts)) == (502, 1, 0)
    assert "x-plano-attempts" not in reply.headers
