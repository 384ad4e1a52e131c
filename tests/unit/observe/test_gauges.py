"""What is so at the moment of a scrape, of several workers."""

from __future__ import annotations

from plano.observe.gauges import NO_GAUGES, Gauges, LastReload, together


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


def test_rests_are_added_the_longest_block_is_told_and_who_watches_the_file_tells_of_it() -> None:
    """One process watches; the worst moment of a client was with one worker."""
    last = LastReload(was_successful=True, succeeded_at=5.0)

    told = together(
        [
            Gauges(candidates_resting=1, loop_blocked_longest_s=2.5, keys_degraded=1),
            Gauges(candidates_resting=2, loop_blocked_longest_s=1.5, keys_degraded=1),
            Gauges(last_reload=last),
        ]
    )

    assert told == Gauges(candidates_resting=3, loop_blocked_longest_s=2.5, last_reload=last, keys_degraded=2)


def test_what_nobody_knows_stays_unknown() -> None:
    """Sessions that are held elsewhere are not none."""
    assert together([NO_GAUGES, NO_GAUGES]) == NO_GAUGES
    assert NO_GAUGES.affinity_sessions is None
