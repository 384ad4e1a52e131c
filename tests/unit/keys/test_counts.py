"""Windows by a clock that is handed in."""

from __future__ import annotations

from limits import RateLimitItemPerMinute
from limits.strategies import FixedWindowRateLimiter

from plano.keys.counts import Counts, WindowStorage


class Clock:
    """Stands still until it is set."""

    def __init__(self, now: float = 100.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def test_a_window_holds_what_came_in_its_minute_and_nothing_else() -> None:
    """The strategies of the library count in it."""
    clock = Clock()
    limiter = FixedWindowRateLimiter(WindowStorage(clock))
    item = RateLimitItemPerMinute(2)

    taken = []
    for at in (100.0, 130.0, 159.9, 160.0):
        clock.now = at
        taken.append(limiter.hit(item, "a"))

    assert taken == [True, True, False, True]


def test_a_window_ends_a_minute_after_its_first_request() -> None:
    """That is what `Retry-After` says."""
    clock = Clock()
    limiter = FixedWindowRateLimiter(WindowStorage(clock))
    item = RateLimitItemPerMinute(2)
    limiter.hit(item, "a")
    clock.now = 130.0

    assert limiter.get_window_stats(item, "a") == (160.0, 1)


def test_windows_that_are_over_leave_no_trace() -> None:
    """A gateway runs for months."""
    clock = Clock()
    storage = WindowStorage(clock)
    for minute in range(100):
        clock.now = minute * 60.0
        storage.incr(f"window {minute}", 60)

    assert storage.reset() == 1


def test_what_is_under_way_is_forgotten_when_it_has_ended() -> None:
    """Or a key would be full for good."""
    counts = Counts(Clock())
    counts.begin(b"a")
    counts.begin(b"a")
    counts.end(b"a")
    before = dict(counts.under_way)
    counts.end(b"a")

    assert (before, counts.under_way) == ({b"a": 1}, {})
