"""How late a loop is."""

from __future__ import annotations

import sys

from benchmarks.decisions.blocking import Pings, figures_of
from benchmarks.decisions.probe import ages_of
from benchmarks.load import Load


def stamp(at: int) -> bytes:
    return at.to_bytes(8, sys.byteorder)


def test_every_stamp_gets_its_own_age() -> None:
    """Those that waited together waited differently long: the loop's standstill is in all of them."""
    ages, kept = ages_of(stamp(100) + stamp(700), 1000)

    assert (ages, kept) == (stamp(900) + stamp(300), b"")


def test_a_stamp_cut_in_two_is_waited_for() -> None:
    """Streams have no borders."""
    first, kept = ages_of(stamp(100)[:5], 1000)
    second, rest = ages_of(kept + stamp(100)[5:], 2000)

    assert (first, second, rest) == (b"", stamp(1900), b"")


def test_decisions_that_were_not_made_are_counted() -> None:
    """A loop that is on time because nothing was decided proves nothing."""
    pings = Pings(1000, 1000, 2, 30.0, 900.0, 5100.0, 6000.0)
    streamed = Load(20, 1, 0, 0, 0, 1.0, 0, 0, 0, 0, 0)
    decided = Load(500, 0, 0, 0, 0, 2.0, 0, 0, 0, 0, 0, by_preference=480)

    assert figures_of(pings, streamed, decided) == {
        "late p50 ms": 0.03,
        "late p99 ms": 0.9,
        "late p99.9 ms": 5.1,
        "late worst ms": 6.0,
        "over 5 ms": 2.0,
        "errors": 1.0,
        "decisions per_s": 240.0,
        "undecided": 20.0,
    }
