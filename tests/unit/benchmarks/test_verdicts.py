"""What must be reached, and what is said of it."""

from __future__ import annotations

from benchmarks.verdicts import Verdict, verdicts

ROUND = {
    "upstream": {"p50 1 KB us": 20.0, "first p50 us": 20.0},
    "floor": {"cpu 1 KB us": 10.0, "p50 1 KB us": 120.0, "first p50 us": 120.0},
    "plano": {"cpu 1 KB us": 21.0, "cpu 1 MB us": 420.0, "p50 1 KB us": 180.0, "first p50 us": 150.0},
    "peer": {"cpu 1 KB us": 42.0},
}
MEMORY = {"plano": {"held 1 MB x": 2.0, "held 8 MB x": 3.5, "idle stream bytes": 20480.0}}
START = {"import ms": 120.0, "ready ms": 400.0}


def test_each_figure_is_held_against_its_limit() -> None:
    """The table is what people read: one wrong comparison here and a regression is called met."""
    found = [(each.found, each.met) for each in verdicts([ROUND], MEMORY, START, ["peer"])]

    assert found == [
        ("2.10x", False),
        ("peer 0.50x", True),
        ("1.60x", True),
        ("1.30x", True),
        ("20.00x", True),
        ("3.50x", False),
        ("20.00 KiB", True),
        ("120.00 ms", True),
        ("400.00 ms", True),
    ]


def test_what_was_not_measured_is_neither_met_nor_missed() -> None:
    """A gateway that did not start must not pass."""
    assert {each.met for each in verdicts([], {}, {}, [])} == {None}


def test_the_range_of_the_rounds_is_told() -> None:
    """A ratio that swings from round to round is worth less than its median looks."""
    slower = {**ROUND, "plano": {**ROUND["plano"], "cpu 1 KB us": 19.0}}

    first = verdicts([ROUND, slower], {}, {}, [])[0]

    assert first == Verdict("CPU a 1 KB request, by the floor's", "<= 2x", "2.00x (1.90 to 2.10)", True)
