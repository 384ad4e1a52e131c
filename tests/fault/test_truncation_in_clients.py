"""What the official clients make of a cut answer: each of them raises, and none of them for a whole one.

They are what the loud ending is for; the bytes of every cut are held in `test_truncation`.
"""

from __future__ import annotations

from itertools import cycle

import pytest

from plano.chat.dialect import Dialect
from tests.fault.asks import assert_healthy
from tests.fault.cuts import (
    BOUNDARIES,
    ENDINGS,
    STREAMS,
    TERMINAL,
    Cuts,
    cut_plain,
    cut_stream,
    events_told,
    telling_lengths,
)
from tests.fault.official import PLAIN_CALLS, RAISED, STREAMING, Clients, Drive, official
from tests.fault.watched import gateway
from tests.wall.answers import PLAIN, TEXT
from tests.wall.gateway import config_at


async def _outcome(drive: Drive, clients: Clients) -> str:
    try:
        return await drive(clients)
    except RAISED:
        return "raised"


@pytest.mark.parametrize("client", STREAMING)
async def test_every_client_raises_at_a_stream_that_was_cut_and_at_no_other(client: str) -> None:
    """Each ending behind each event, and by turns inside of them. Where the terminal event was seen,
    nothing is missing but `[DONE]`, usage or a last chunk, and that is nobody's failure."""
    dialect, drive = STREAMING[client]
    inside = zip(telling_lengths(dialect), cycle(ENDINGS), strict=False)
    cuts = [(0, ending) for ending in ENDINGS] + list(inside)
    cuts += [(length, ending) for length in BOUNDARIES[dialect][:-1] for ending in ENDINGS]
    async with Cuts() as upstream, gateway(config_at(upstream)) as running, official(running.url) as clients:
        whole = await drive(clients)
        for length, ending in cuts:
            upstream.script = cut_stream(dialect, ending, length)
            outcome = await _outcome(drive, clients)

            succeeds = events_told(dialect, ending, length) > TERMINAL[dialect]
            assert outcome == (whole if succeeds else "raised"), f"{ending} after {length} bytes"
        await assert_healthy(running.port)
    assert whole.startswith(f"{TEXT}, ['")


@pytest.mark.parametrize("ending", ["FIN without the last chunk", "closed, and delimited by that", "reset"])
@pytest.mark.parametrize("client", STREAMING)
async def test_a_whole_stream_succeeds_however_its_connection_ends(client: str, ending: str) -> None:
    """Providers that forget the last chunk, or reset behind the last event, have answered all the same."""
    dialect, drive = STREAMING[client]
    async with Cuts() as upstream, gateway(config_at(upstream)) as running, official(running.url) as clients:
        upstream.script = cut_stream(dialect, ending, len(STREAMS[dialect]))
        outcome = await drive(clients)
        (line,) = await running.logged(1)

    assert outcome.startswith(f"{TEXT}, ['")
    assert (line["status"], line["ending"], line["phase"], line.get("code")) == (
        200,
        "answered",
        "done",
        None,
    )


@pytest.mark.parametrize("client", PLAIN_CALLS)
async def test_every_client_raises_at_half_of_a_plain_answer(client: str) -> None:
    """It is an ordinary error with a status, which the clients may also retry."""
    dialect, drive = PLAIN_CALLS[client]
    lengths = range(0, len(PLAIN[dialect].rstrip()), 23)
    async with Cuts() as upstream, gateway(config_at(upstream)) as running, official(running.url) as clients:
        whole = await drive(clients)
        for length, ending in zip(lengths, cycle(ENDINGS), strict=False):
            upstream.script = cut_plain(dialect, ending, length)
            outcome = await _outcome(drive, clients)

            assert outcome == "raised", f"{ending} after {length} bytes"
        await assert_healthy(running.port)
    assert whole == TEXT


@pytest.mark.parametrize("dialect", list(Dialect))
async def test_the_record_tells_what_was_learnt_before_the_cut(dialect: Dialect) -> None:
    """Tokens that were counted are paid for, whether the rest came or not."""
    content = BOUNDARIES[dialect][TERMINAL[dialect] - 1]
    async with Cuts() as upstream, gateway(config_at(upstream)) as running:
        upstream.script = cut_stream(dialect, "reset", content)
        async with official(running.url) as clients:
            drive = next(drive for each, drive in STREAMING.values() if each is dialect)
            outcome = await _outcome(drive, clients)
        (line,) = await running.logged(1)

    assert outcome == "raised"
    assert (line["code"], line["ending"], line["phase"]) == ("upstream_broke", "upstream_failed", "stream")
    assert line["served_model"].startswith("wall-")
    assert line.get("input_tokens") == (14 if dialect is Dialect.ANTHROPIC_MESSAGES else None)
