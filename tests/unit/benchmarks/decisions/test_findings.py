"""From what was measured to what is said of it."""

from __future__ import annotations

import pytest

from benchmarks.decisions import report
from benchmarks.decisions.blocking import PRESSURES, QUIET
from benchmarks.decisions.findings import Findings, verdicts
from benchmarks.decisions.latency import (
    BEFORE,
    NEW_LONG,
    NEW_SHORT,
    Percentiles,
    looked_at_routes,
    percentiles,
)
from benchmarks.decisions.requests import BASE, CACHED, NAMED, PINNED, PINNED_SHARED
from benchmarks.verdicts import Verdict

LATENESS = {
    QUIET: {"late worst ms": 1.0},
    **{each.name: {"late worst ms": 4.0 + number} for number, each in enumerate(PRESSURES)},
}
FOUND = Findings(
    machine={},
    requests=[
        {
            NAMED: {"cpu us": 40.0},
            PINNED: {"cpu us": 71.0, "p50 us": 150.0},
            PINNED_SHARED: {"cpu us": 99.0, "p50 us": 350.0},
        }
    ],
    over_http=[{NEW_SHORT: [1.0, 2.0, 9.0], NEW_LONG: [16.0], BEFORE: [0.05]}, {NEW_SHORT: [3.0]}],
    lateness=[LATENESS],
    loading=[{"late worst ms": 2.0}],
    starts=[{"first decision ms": 1001.0}],
    memory={"rss added mib": 120.0},
)


def test_each_figure_is_held_against_its_limit() -> None:
    """The table is what people read: one wrong comparison here and a regression is called met."""
    found = [(each.found, each.met) for each in verdicts(FOUND)]

    assert found == [
        ("2.50 ms (2.00 to 3.00)", True),
        ("16.00 ms", False),
        ("0.05 ms", True),
        ("4.00 ms, without decisions 1.00", True),
        ("5.00 ms, without decisions 1.00", True),
        ("6.00 ms, without decisions 1.00", False),
        ("7.00 ms, without decisions 1.00", False),
        ("2.00 ms", True),
        ("31.00 us", False),
        ("200.00 us", True),
        ("120.00 MiB", True),
        ("1001.00 ms", False),
    ]


def test_what_was_not_measured_is_neither_met_nor_missed() -> None:
    """A gateway that did not start must not pass."""
    found = verdicts(Findings(machine={}))

    assert {(each.found, each.met) for each in found} == {("not measured", None)}


def test_percentiles_are_samples() -> None:
    """By the nearest rank, whatever order they came in; nothing is made up between two samples."""
    assert percentiles([float(number) for number in range(100, -1, -1)]) == Percentiles(50.0, 95.0, 99.0)


def test_no_samples_have_no_percentiles() -> None:
    """Not measured is not zero."""
    assert percentiles([]) is None


@pytest.mark.parametrize(
    ("reason", "looked"),
    [
        ({"step": "preference", "outcome": "chose", "router": "embedded"}, True),
        ({"step": "preference", "outcome": "abstained", "router": "embedded"}, True),
        ({"step": "preference", "outcome": "abstained", "because": "no answer in time"}, False),
        ({"step": "explicit", "outcome": "chose"}, False),
    ],
)
def test_only_what_a_router_has_read_is_a_decision(reason: dict[str, str], looked: bool) -> None:
    """One that gave up is quick, and would make the figures better than they are."""
    assert looked_at_routes({"reasons": [reason]}) == looked


def test_a_request_is_compared_within_its_round() -> None:
    """The machine is shared: a fast minute by a slow one is chance."""
    rounds = [
        {BASE: {"cpu us": 10.0}, CACHED: {"cpu us": 15.0}},
        {BASE: {"cpu us": 100.0}, CACHED: {"cpu us": 150.0}},
    ]

    (row,) = [line for line in report.requests_table(rounds).splitlines() if line.startswith(CACHED + "  ")]

    assert row.split()[-7:-5] == ["82.5", "1.50x"]


def test_a_verdict_says_so() -> None:
    """Found, wanted and met in one place."""
    told = report.shown(Findings(machine={}, verdicts=[Verdict("RSS", "<= 1 MiB", "2 MiB", met=False)]))

    assert "MISSED" in told
