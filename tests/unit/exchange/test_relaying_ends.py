"""How long the end of an answer is waited for, on a connection and a clock in one's hands."""

from __future__ import annotations

import pytest

from plano.chat.dialect import Dialect
from plano.exchange.relaying import COUNTED_WITHIN_S, Relay
from plano.wire.dialects import DIALECTS
from tests.unit.exchange.sides import ClientSide, blank
from tests.unit.http1.hands import Hands

HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n"
COUNTS = b'data: {"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":2}}\n\n'
STOP = b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n'


def word(number: int, *, index: int = 0, stops: bool = False) -> bytes:
    reason = b'"stop"' if stops else b"null"
    return b'data: {"choices":[{"index":%d,"delta":{"content":"word%d "},"finish_reason":%b}]}\n\n' % (
        index,
        number,
        reason,
    )


class Answered:
    """A chat that is relayed, an event a second."""

    def __init__(self) -> None:
        self.hands = Hands()
        self.client = ClientSide()
        self.relay = Relay(
            reply=self.client,
            record=blank(),
            codec=DIALECTS[Dialect.OPENAI_CHAT],
            choices=1,
            stream=True,
            lines=b"",
            own_credential=False,
            reply_limit=1 << 20,
            now=self.hands.loop.time,
        )
        deadline = self.hands.loop.now + 600.0
        self.hands.connection.start(b"POST / HTTP/1.1\r\n\r\n", [], self.relay, 30.0, deadline)
        self.hands.connection.data_received(HEAD)

    def comes(self, *events: bytes) -> None:
        for event in events:
            if self.client.ended:
                return
            self.hands.connection.data_received(event)
            self.hands.loop.advance(1.0)


MORE = [
    pytest.param([word(number, stops=True) for number in range(10)], id="each piece has a finish reason"),
    pytest.param([STOP, *(word(number) for number in range(10))], id="more of a choice that was finished"),
    pytest.param(
        [STOP, *(word(number, index=1) for number in range(9)), word(9, index=1, stops=True)],
        id="a choice that nobody asked for",
    ),
]


@pytest.mark.parametrize("events", MORE)
async def test_an_answer_that_goes_on_behind_its_finish_reason_is_not_cut(events: list[bytes]) -> None:
    """Some gateways give every piece one; an answer of more than five seconds was cut and called whole."""
    answered = Answered()

    answered.comes(*events)
    before = answered.client.end_was
    answered.hands.loop.advance(COUNTED_WITHIN_S)

    assert (answered.client.body.count(b"word"), before, answered.client.end_was) == (10, None, "whole")
    assert answered.relay.problem is None


async def test_a_choice_begun_behind_the_end_may_think() -> None:
    """It is waited for as any answer is that is under way."""
    answered = Answered()

    answered.comes(STOP, word(0, index=1))
    answered.hands.loop.advance(4 * COUNTED_WITHIN_S)
    before = answered.client.end_was
    answered.comes(word(1, index=1, stops=True))
    answered.hands.loop.advance(COUNTED_WITHIN_S)

    assert (before, answered.client.end_was, answered.client.body.count(b"word")) == (None, "whole", 2)


async def test_counts_and_comments_do_not_put_off_the_end() -> None:
    """They are no part of the answer: who sends pings for ever would keep a client waiting."""
    answered = Answered()

    answered.comes(word(0), STOP, COUNTS, *[b": ping\n\n"] * 10)

    assert answered.client.end_was == "whole"
    assert 0 < answered.client.body.count(b"ping") <= COUNTED_WITHIN_S
