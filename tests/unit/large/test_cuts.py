"""The run over all cuts: one that could not find anything would prove nothing."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from plano.chat.dialect import Dialect
from tests.fault.cuts import BOUNDARIES, STREAMS, TERMINAL
from tests.fault.official import STREAMING, official
from tests.large.cuts import Tally, outcome_of
from tests.large.cutting import WAYS, Cut, CutUpstream, Outcome
from tests.wall.answers import PLAIN, TEXT

CHAT = Dialect.OPENAI_CHAT
WHOLE = "the whole answer"
BEHIND_CONTENT = BOUNDARIES[CHAT][1]
TERMINAL_SEEN = BOUNDARIES[CHAT][TERMINAL[CHAT]]


def cut(way: str, length: int, *, kind: str = "stream", with_another: bool = False) -> Cut:
    return Cut(1, CHAT, "stream" if kind == "stream" else "plain", way, length, with_another)


EXPECTED = [
    pytest.param(cut("FIN", 0), "loud", id="nothing came"),
    pytest.param(cut("FIN", 0, with_another=True), "rescued", id="nothing came, and another is there"),
    pytest.param(cut("RST", BEHIND_CONTENT - 1, with_another=True), "rescued", id="before the first content"),
    pytest.param(cut("RST", BEHIND_CONTENT, with_another=True), "loud", id="behind it"),
    pytest.param(cut("stall", TERMINAL_SEEN), "whole", id="behind the finish reason"),
    pytest.param(cut("stall", TERMINAL_SEEN - 1), "loud", id="a byte before its end"),
    pytest.param(cut("clean end", TERMINAL_SEEN - 1), "whole", id="the end of the stream ends it"),
    pytest.param(cut("clean end", TERMINAL_SEEN - 3), "loud", id="inside it"),
    pytest.param(cut("clean end", len(PLAIN[CHAT]) - 1, kind="plain"), "whole", id="a line end is missing"),
    pytest.param(cut("clean end", len(PLAIN[CHAT]) - 2, kind="plain"), "loud", id="a brace is missing"),
    pytest.param(cut("FIN", len(PLAIN[CHAT]), kind="plain"), "loud", id="plain, without the last chunk"),
]


@pytest.mark.parametrize(("one", "outcome"), EXPECTED)
def test_what_must_come_of_a_cut_follows_from_where_it_is(one: Cut, outcome: Outcome) -> None:
    """A stream is whole with its terminal event, a plain answer with its framing."""
    assert one.outcome == outcome


FINDINGS = [
    pytest.param(cut("FIN", BEHIND_CONTENT), WHOLE, "silent", id="as if nothing had happened"),
    pytest.param(cut("FIN", BEHIND_CONTENT), "hal", "silent", id="half of it"),
    pytest.param(cut("FIN", TERMINAL_SEEN), "raised", "false alarm", id="for a whole answer"),
    pytest.param(cut("FIN", 0, with_another=True), "raised", "false alarm", id="for one that another has"),
    pytest.param(cut("FIN", 0), "odd: KeyError()", "odd", id="not the library's own error"),
]


@pytest.mark.parametrize(("one", "got", "name"), FINDINGS)
def test_whatever_differs_is_counted_and_complained_of(one: Cut, got: str, name: str) -> None:
    """One in sixty thousand must not be lost in a sum."""
    tally = Tally()

    tally.take(one, WHOLE, got)

    assert (dict(tally.seen), len(tally.complaints)) == ({name: 1}, 1)


async def test_the_cuts_are_real() -> None:
    """A client that reads them without a gateway takes a stream that ends cleanly for a whole one."""
    dialect, drive = STREAMING["openai chat"]
    found: dict[str, str] = {}
    async with CutUpstream() as upstream, official(upstream.url) as clients:
        for number, way in enumerate(way for way in WAYS if way != "stall"):
            one = replace(cut(way, BEHIND_CONTENT), number=number)
            upstream.announce(one)
            asked = replace(clients, models={dialect: one.model.removeprefix("openai/")})
            found[way], _ = await outcome_of(drive, asked)

    silent = "hello , []"
    assert (found["clean end"], found["closed"]) == (silent, silent)
    assert not any(found[way].startswith("hello") for way in ("FIN", "RST", "FIN in a chunk"))


async def test_every_request_for_a_cut_is_counted() -> None:
    """Twice would be paid for twice."""
    one = cut("FIN", len(STREAMS[CHAT]))
    async with CutUpstream() as upstream, official(upstream.url) as clients:
        upstream.announce(one)
        for _ in range(2):
            model = one.model.removeprefix("openai/")
            await outcome_of(STREAMING["openai chat"][1], replace(clients, models={CHAT: model}))
        bodies = [json.loads(attempt.body)["model"] for attempt in upstream.attempts]

    assert (dict(upstream.asked), bodies) == ({1: 2}, ["cut-1", "cut-1"])


async def test_an_answer_that_nobody_announced_is_good() -> None:
    """Ordinary requests share the upstream with the cuts."""
    dialect, drive = STREAMING["openai chat"]
    async with CutUpstream() as upstream, official(upstream.url) as clients:
        outcome = await drive(replace(clients, models={dialect: "gpt-wall"}))

    assert outcome == f"{TEXT}, ['stop']"
