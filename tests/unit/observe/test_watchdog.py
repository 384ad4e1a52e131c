"""A loop that is held up is told of from outside, with the place."""

from __future__ import annotations

import threading

from plano.observe.watchdog import BLOCKED_S, REPORT_EVERY_S, Watchdog

PATIENCE_S = 10.0


class Reports:
    """What was reported, and a way to wait for it that holds up the loop."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.came = threading.Event()

    def __call__(self, text: str) -> None:
        self.texts.append(text)
        self.came.set()


async def test_a_loop_that_is_held_up_is_told_of_with_the_place() -> None:
    """Whoever reads "it was slow" looks for days; the line of the culprit is what helps."""
    reports = Reports()
    watchdog = Watchdog(blocked_s=0.05, report=reports)
    watchdog.start()

    def culprit() -> bool:
        return reports.came.wait(PATIENCE_S)

    was_reported = culprit()
    watchdog.stop()

    assert (was_reported, len(reports.texts)) == (True, 1)
    assert "in culprit\n" in reports.texts[0]
    assert "the event loop has been held up for 0." in reports.texts[0]


async def test_once_for_each_time_and_not_too_often() -> None:
    """A loop in trouble must not fill the log with its stack."""
    reports = Reports()
    now = 0.0
    watchdog = Watchdog(report=reports, now=lambda: now)
    watchdog.start()
    watchdog.stop()
    counts = []

    for late in (BLOCKED_S / 2, BLOCKED_S, BLOCKED_S + 1, REPORT_EVERY_S * 3):
        watchdog.look(late)
        counts.append(len(reports.texts))

    assert counts == [0, 1, 1, 1]


async def test_each_time_is_counted_and_the_longest_is_known() -> None:
    """Also those that are not reported any more."""
    reports = Reports()
    beats = [0.0]
    watchdog = Watchdog(report=reports, now=lambda: beats[-1])
    for beat, held_for in ((10.0, [0.5, 1.25, 2.5]), (20.0, [0.75]), (30.0, [1.5])):
        beats.append(beat)
        watchdog.start()
        watchdog.stop()
        for held_s in held_for:
            watchdog.look(beat + held_s)

    assert (watchdog.blocked, watchdog.longest_s, len(reports.texts)) == (2, 2.5, 1)


async def test_a_later_block_is_told_when_the_last_is_long_past() -> None:
    """Another one, after a minute, is news."""
    reports = Reports()
    beats = [0.0]
    watchdog = Watchdog(report=reports, now=lambda: beats[-1])
    counts = []

    for beat in (0.0, REPORT_EVERY_S / 2, REPORT_EVERY_S + BLOCKED_S):
        beats.append(beat)
        watchdog.start()
        watchdog.stop()
        watchdog.look(beat + BLOCKED_S)
        counts.append(len(reports.texts))

    assert counts == [1, 1, 2]
