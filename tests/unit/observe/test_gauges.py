"""What is so at the moment of a scrape, of several workers."""

from __future__ import annotations

from plano.observe.gauges import NO_GAUGES, Gauges, together


def test_workers_are_added_and_the_oldest_quotes_are_told() -> None:
    """Each worker asks its sources itself: one that is stuck decides by old prices."""
    told = together(
        [
            Gauges(1, 3, {"digitalocean": 4.0, "prometheus": 1.0}),
            Gauges(0, 2, {"digitalocean": 9.0}),
            Gauges(1, None),
        ]
    )

    assert told == Gauges(2, 5, {"digitalocean": 9.0, "prometheus": 1.0})


def test_what_nobody_knows_stays_unknown() -> None:
    """Sessions that are held elsewhere are not none."""
    assert together([NO_GAUGES, NO_GAUGES]) == NO_GAUGES
    assert NO_GAUGES.affinity_sessions is None
