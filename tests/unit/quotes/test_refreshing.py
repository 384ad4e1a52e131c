"""A source is asked again and again; what was good stays."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

import pytest

from plano.quotes.fetch import SourceFailed
from plano.quotes.reading import Reading
from plano.quotes.refreshing import FIRST_WAIT_S, LONGEST_RETRY_S, Clock, Refreshing, wait_s
from tests.unit.quotes.fakes import DOWN, Time, even

Said = Reading[float] | Exception
HOUR = 3600.0


async def asked(*said: Said) -> tuple[Refreshing[float], Time]:
    """A source that says these things in turn, asked as often as that."""
    script = list(said)
    time = Time(naps=len(script))

    async def read() -> Reading[float]:
        answer = script.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    source = Refreshing("prices of x", read, interval_s=HOUR, clock=Clock(time.now, even, time.sleep))
    task = asyncio.create_task(source.run())
    await time.tired.wait()
    task.cancel()
    return source, time


def good(value: float, ignored: int = 0) -> Reading[float]:
    return Reading({"a": value}, ignored)


def told(caplog: pytest.LogCaptureFixture) -> Sequence[tuple[str, str]]:
    return [(record.levelname, record.getMessage()) for record in caplog.records]


async def test_what_was_good_stays_until_there_is_something_newer() -> None:
    """An outage of a catalogue must not turn the order of candidates around."""
    source, time = await asked(good(1.0), good(2.0), DOWN, DOWN)

    state = source.state("x")
    assert (source.values, state.trouble) == ({"a": 2.0}, str(DOWN))
    assert state.quoted_at is not None
    assert state.age_s == sum(time.slept[2:-1])


async def test_trouble_is_told_when_it_begins_and_when_it_ends(caplog: pytest.LogCaptureFixture) -> None:
    """A line a minute for a night would hide everything else."""
    caplog.set_level(logging.INFO)

    await asked(good(1.0), DOWN, SourceFailed("other"), DOWN, good(2.0), good(3.0))

    found = "host:443 answered 503; expected 200"
    kept = "those of 2026-09-21T14:13Z stay in use"
    assert told(caplog) == [
        ("WARNING", f"the prices of x could not be read: {found}; {kept}"),
        ("INFO", "the prices of x could be read again"),
    ]


async def test_before_the_first_answer_nothing_is_in_use(caplog: pytest.LogCaptureFixture) -> None:
    """And the line says what follows from that."""
    source, _ = await asked(DOWN)

    assert source.state("x").quoted_at is None
    assert [text.endswith("candidates keep their declared order") for _, text in told(caplog)] == [True]


async def test_what_could_not_be_used_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    """With the count; the next reading has the same entries."""
    source, _ = await asked(good(1.0, ignored=3), good(1.0, ignored=4))

    assert told(caplog) == [("WARNING", "the prices of x: 3 entries cannot be used, 1 can")]
    assert source.state("x").ignored == 4


async def test_a_defect_does_not_end_the_asking(caplog: pytest.LogCaptureFixture) -> None:
    """The task would be gone for good, and nobody would notice."""
    source, _ = await asked(ZeroDivisionError("here"), good(1.0))

    assert source.values == {"a": 1.0}
    assert "a defect of Plano: ZeroDivisionError: here" in caplog.text


async def test_a_source_in_trouble_is_asked_soon_and_then_ever_more_rarely() -> None:
    """And after an answer at its interval again. The first look waits for a moment only."""
    _, time = await asked(DOWN, DOWN, DOWN, good(1.0), DOWN)

    assert time.slept == [FIRST_WAIT_S / 2, 3.75, 7.5, 15.0, HOUR, 3.75]


@pytest.mark.parametrize(
    ("failures", "low", "high"),
    [(0, 0.9 * HOUR, 1.1 * HOUR), (1, 2.5, 5.0), (3, 10.0, 20.0), (99, LONGEST_RETRY_S / 2, LONGEST_RETRY_S)],
)
def test_chance_keeps_workers_apart(failures: int, low: float, high: float) -> None:
    """Those that started together, or failed together."""
    waits = [wait_s(HOUR, failures, chance) for chance in (0.0, 1.0)]

    assert waits == pytest.approx([low, high])


def test_a_source_in_trouble_is_not_asked_more_rarely_than_wanted() -> None:
    """Whoever asks every ten seconds does not want to wait for a quarter of an hour."""
    assert wait_s(10.0, 50, 1.0) == 10.0
