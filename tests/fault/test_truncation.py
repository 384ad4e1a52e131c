"""A cut answer is never taken for a whole one: the client's bytes say so, wherever it was cut.

Every official client takes a stream that ends cleanly for a success, so an upstream that dies in
mid-answer must not end cleanly for the client: before the first content it is an ordinary error
with its status, afterwards whole events, the dialect's error event, and FIN without a last chunk.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import cycle

import pytest

from plano.chat.dialect import Dialect
from plano.exchange.relaying import HELD_PRELUDE_BYTES
from tests.fault.asks import asked, assert_healthy
from tests.fault.cuts import (
    BOUNDARIES,
    ENDINGS,
    FIRST_CONTENT,
    LOOKS_COMPLETE,
    STREAMS,
    TERMINAL,
    Cuts,
    cut_plain,
    cut_stream,
    events_told,
    telling_lengths,
)
from tests.fault.told import Told, error_in_event, events_in
from tests.fault.watched import gateway
from tests.wall.answers import EVENTS, PLAIN
from tests.wall.gateway import config_at
from tests.wall.script import EVENT_STREAM

AT_EVERY_BYTE = ("FIN without the last chunk", "reset", "clean end")
BY_TURNS = tuple(name for name in ENDINGS if name not in AT_EVERY_BYTE)
"""These take turns, at every third byte: what differs between them is seldom the content."""

Seen = tuple[int, bytes, str]
"""The status, what was relayed of the answer, and the error's code (in Anthropic's dialect, its
type) or `whole`."""


def seen(dialect: Dialect, reply: Told) -> Seen:
    """Fails where an answer ends neither as a whole one nor as a cut one must."""
    word = "type" if dialect is Dialect.ANTHROPIC_MESSAGES else "code"
    if reply.status != 200:
        assert reply.whole
        return reply.status, b"", reply.error(dialect)[word]
    if reply.whole:
        return 200, reply.body, "whole"
    assert reply.loud
    *events, last = events_in(reply.body)
    return 200, b"".join(events), error_in_event(dialect, last)[word]


def _code(dialect: Dialect, code: str) -> str:
    return "api_error" if dialect is Dialect.ANTHROPIC_MESSAGES else code


def expected_of_stream(dialect: Dialect, ending: str, length: int) -> Seen:
    count = events_told(dialect, ending, length)
    events = b"".join(EVENTS[dialect][:count])
    if count > TERMINAL[dialect]:
        return 200, events, "whole"
    code = _code(dialect, "upstream_invalid" if ending == "garbage in an event" else "upstream_broke")
    return (200, events, code) if count > FIRST_CONTENT[dialect] else (502, b"", code)


async def _hold_each(dialect: Dialect, cuts: Sequence[tuple[str, int]]) -> None:
    async with Cuts() as upstream, gateway(config_at(upstream)) as running:
        for ending, length in cuts:
            upstream.script = cut_stream(dialect, ending, length)
            reply = await asked(running.port, dialect, stream=True)

            found = seen(dialect, reply)
            assert found == expected_of_stream(dialect, ending, length), f"{ending} after {length} bytes"
        await assert_healthy(running.port)
        lines = await running.logged(len(cuts) + 1)

    whole = [events_told(dialect, *cut) > TERMINAL[dialect] for cut in cuts]
    endings = ["answered" if each else "upstream_failed" for each in whole]
    assert [line["ending"] for line in lines] == [*endings, "answered"]


@pytest.mark.parametrize("ending", AT_EVERY_BYTE)
@pytest.mark.parametrize("dialect", list(Dialect))
async def test_a_stream_cut_at_any_byte_is_an_error_unless_its_terminal_event_was_seen(
    dialect: Dialect, ending: str
) -> None:
    """There is no byte at which dying goes unnoticed, and none at which half an event gets out."""
    await _hold_each(dialect, [(ending, length) for length in range(len(STREAMS[dialect]) + 1)])


@pytest.mark.parametrize("dialect", list(Dialect))
async def test_other_ways_to_end_at_any_byte_are_no_quieter(dialect: Dialect) -> None:
    """How HTTP was broken makes no difference to what the client is told."""
    # Not in the last event: a chat's `[DONE]` is one whatever stands behind it.
    lengths = range(0, BOUNDARIES[dialect][-2], 3)
    by_turns = list(zip(cycle(BY_TURNS), lengths))
    around_events = [(ending, length) for ending in BY_TURNS for length in telling_lengths(dialect)]
    await _hold_each(dialect, by_turns + around_events)


def expected_of_plain(dialect: Dialect, ending: str, length: int) -> Seen:
    body = PLAIN[dialect]
    if ending in LOOKS_COMPLETE:
        if length >= len(body.rstrip()):
            return 200, body[:length], "whole"
        return 502, b"", _code(dialect, "upstream_invalid")
    code = "upstream_invalid" if ending == "garbage in an event" else "upstream_broke"
    return 502, b"", _code(dialect, code)


@pytest.mark.parametrize("dialect", list(Dialect))
async def test_half_of_a_plain_answer_is_an_error_with_its_status(dialect: Dialect) -> None:
    """Nothing of it has gone out by then, so nothing needs to be taken back."""
    async with Cuts() as upstream, gateway(config_at(upstream)) as running:
        count = 0
        for length in range(len(PLAIN[dialect]) + 1):
            for ending in tuple(ENDINGS)[length % 4 :: 4]:
                upstream.script = cut_plain(dialect, ending, length)
                reply = await asked(running.port, dialect, stream=False)

                found = seen(dialect, reply)
                assert found == expected_of_plain(dialect, ending, length), f"{ending} after {length} bytes"
                count += 1
        await assert_healthy(running.port)
        assert len(await running.logged(count + 1)) == count + 1


COMMENT = b": %b\n\n" % (b"x" * 1020)


@pytest.mark.parametrize("dialect", list(Dialect))
async def test_a_prelude_over_its_cap_has_begun_to_go_out(dialect: Dialect) -> None:
    """Memory is not given for ever to a stream that brings no content; what breaks behind is told in it."""
    prelude = COMMENT * (HELD_PRELUDE_BYTES // len(COMMENT) + 1)
    async with Cuts() as upstream, gateway(config_at(upstream)) as running:
        upstream.script = ENDINGS["reset"](prelude, EVENT_STREAM)
        reply = await asked(running.port, dialect, stream=True)
        (line,) = await running.logged(1)

    *relayed, last = events_in(reply.body)
    assert (reply.status, b"".join(relayed), reply.loud) == (200, prelude, True)
    assert error_in_event(dialect, last)["message"]
    assert (line["code"], line["attempts"], len(upstream.attempts)) == ("upstream_broke", 1, 1)
