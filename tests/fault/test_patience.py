"""How long an answer may take where the others are known to be down: as long as if there were no others.

While a provider is out, whoever stands in for it gets all the requests. Were it given up for thinking longer
than one may with somebody else to ask, the only one who is well would be left for one who is not.
"""

from __future__ import annotations

import pytest

from plano.chat.dialect import Dialect
from tests.fault.asks import answered, ask, asked, request
from tests.fault.cuts import Cuts
from tests.fault.test_fallback import config_of
from tests.fault.watched import gateway
from tests.wall.answers import refusal
from tests.wall.gateway import OPENAI_MODEL, listener
from tests.wall.script import Stall

CHAT = Dialect.OPENAI_CHAT
IN_A_ROW = 5
"""Failures after which a candidate rests."""
LAST_IS_SHORT = listener(first_byte_with_another_s="20s", first_byte_s="150ms")
"""The other way round than anybody would have it: what ends soon was given the time of the last one."""


def to(name: str) -> bytes:
    """A request that names another model than the first."""
    body = ask(CHAT, stream=False).replace(OPENAI_MODEL.encode(), f"openai/gpt-{name}".encode())
    return request(CHAT, "connection: close", body=body)


@pytest.mark.parametrize("stream", [False, True])
async def test_who_stands_in_for_one_that_rests_has_the_time_of_the_last(stream: bool) -> None:
    """The one that rests is asked all the same, when nobody else is left."""
    async with (
        Cuts() as first,
        Cuts() as second,
        gateway(config_of(first.url, second.url, **LAST_IS_SHORT)) as running,
    ):
        first.script, first.times = refusal(503, CHAT), IN_A_ROW + 1
        for _ in range(IN_A_ROW):
            assert (await asked(running.port, CHAT, stream=False)).status == 200
        second.script = [Stall()]
        reply = await asked(running.port, CHAT, stream=stream)

        assert (reply.status, reply.headers["x-plano-attempts"]) == (503, "2")
        assert (len(first.attempts), len(second.attempts)) == (IN_A_ROW + 1, IN_A_ROW + 1)


async def test_the_second_of_three_has_the_time_of_the_last_when_the_third_rests() -> None:
    """After a failure it is the same."""
    async with (
        Cuts() as first,
        Cuts() as second,
        Cuts() as third,
        gateway(config_of(first.url, second.url, third.url, **LAST_IS_SHORT)) as running,
    ):
        third.script, third.times = refusal(500, CHAT), 2 * IN_A_ROW
        for _ in range(IN_A_ROW):
            assert (await answered(running.port, to("third"))).status == 500
        asked_before = len(third.attempts)
        first.script, second.script, third.script = refusal(500, CHAT), [Stall()], refusal(502, CHAT)
        reply = await asked(running.port, CHAT, stream=False)

        assert (reply.status, reply.headers["x-plano-attempts"]) == (502, "3")
        assert (len(second.attempts), len(third.attempts) - asked_before) == (1, 1)
