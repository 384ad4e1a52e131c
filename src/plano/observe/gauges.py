"""What is so at the moment of a scrape. No record tells it, and it goes when the worker goes."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec


class Gauges(msgspec.Struct, frozen=True):
    """The readings of one worker, or of several together."""

    affinity_degraded: int = 0
    """Workers that do without the store of pins."""
    affinity_sessions: int | None = None
    """Sessions held in memory; None where they are held elsewhere."""
    quotes_age_s: dict[str, float] = {}
    """Seconds since the last good reading, by the kind of source that is asked over the network."""


NO_GAUGES = Gauges()


def together(readings: Iterable[Gauges]) -> Gauges:
    """Of several workers: counts add up, and of ages the oldest is what somebody may decide by."""
    degraded = 0
    sessions: int | None = None
    ages: dict[str, float] = {}
    for reading in readings:
        degraded += reading.affinity_degraded
        if reading.affinity_sessions is not None:
            sessions = (sessions or 0) + reading.affinity_sessions
        for source, age_s in reading.quotes_age_s.items():
            ages[source] = max(age_s, ages.get(source, age_s))
    return Gauges(degraded, sessions, ages)
