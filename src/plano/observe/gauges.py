"""What is so at the moment of a scrape. No record tells it, and it goes when the worker goes."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec


class LastReload(msgspec.Struct, frozen=True):
    """How reading the configuration went the last time; reading it at the start counts."""

    was_successful: bool
    succeeded_at: float
    """Seconds since 1970: when the configuration that serves was taken."""


class Gauges(msgspec.Struct, frozen=True):
    """The readings of one worker, or of several together."""

    affinity_degraded: int = 0
    """Workers that do without the store of pins."""
    affinity_sessions: int | None = None
    """Sessions held in memory; None where they are held elsewhere."""
    quotes_age_s: dict[str, float] = {}
    """Seconds since the last good reading, by the kind of source that is asked over the network."""
    candidates_resting: int = 0
    """Models that go last, as each worker sees it for itself."""
    loop_blocked_longest_s: float = 0.0
    """Since the worker began."""
    last_reload: LastReload | None = None
    """Known where the configuration is watched, which is not in each worker."""
    keys_degraded: int = 0
    """Workers that count by themselves what gateway keys have had."""


NO_GAUGES = Gauges()


def together(readings: Iterable[Gauges]) -> Gauges:
    """Of several workers: counts add up, and of ages and times the worst is what somebody may decide by."""
    degraded = resting = keys_degraded = 0
    longest_s = 0.0
    sessions: int | None = None
    ages: dict[str, float] = {}
    last_reload: LastReload | None = None
    for reading in readings:
        degraded += reading.affinity_degraded
        resting += reading.candidates_resting
        keys_degraded += reading.keys_degraded
        longest_s = max(longest_s, reading.loop_blocked_longest_s)
        last_reload = reading.last_reload or last_reload
        if reading.affinity_sessions is not None:
            sessions = (sessions or 0) + reading.affinity_sessions
        for source, age_s in reading.quotes_age_s.items():
            ages[source] = max(age_s, ages.get(source, age_s))
    return Gauges(degraded, sessions, ages, resting, longest_s, last_reload, keys_degraded)
