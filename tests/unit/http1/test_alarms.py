"""Deadlines on one timer, held against a model that looks at every deadline every time."""

from __future__ import annotations

import asyncio
import gc
import weakref
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plano.http1.alarms import NEVER, Alarms
from tests.unit.http1.hands import HandLoop

TICK_S = 0.05

Acts = list[tuple[str, int, float]]
"""What is done, to which alarm, in how many seconds or for how long."""

acts = st.lists(
    st.tuples(
        st.sampled_from(["set", "set", "set", "clear", "cancel", "pass"]),
        st.integers(0, 4),
        st.integers(0, 300).map(lambda tenths: tenths / 10),
    ),
    max_size=60,
)


def alarms_at(loop: HandLoop) -> Alarms:
    return Alarms(cast("asyncio.AbstractEventLoop", loop), tick_s=TICK_S)


class Bell:
    def __init__(self, loop: HandLoop) -> None:
        self._loop = loop
        self.rang: list[float] = []

    def ring(self) -> None:
        self.rang.append(round(self._loop.now, 3))


@given(acts)
def test_each_alarm_rings_once_at_its_last_deadline(acts: Acts) -> None:
    """A deadline that is missed leaves a connection open for ever; one that rings twice, or after it was
    moved, ends a healthy one."""
    loop = HandLoop()
    alarms = alarms_at(loop)
    bells = [Bell(loop) for _ in range(5)]
    set_of = [alarms.alarm(bell.ring) for bell in bells]
    deadlines = [NEVER] * 5
    expected: list[list[float]] = [[] for _ in range(5)]
    cancelled: set[int] = set()

    for act, number, seconds in [*acts, ("pass", 0, 100.0)]:
        match act:
            case "set":
                set_of[number].set(loop.now + seconds)
                deadlines[number] = loop.now + seconds
            case "clear":
                set_of[number].clear()
                deadlines[number] = NEVER
            case "cancel":
                set_of[number].cancel()
                cancelled.add(number)
            case _:
                end = loop.now + seconds
                loop.advance(seconds)
                for each, deadline in enumerate(deadlines):
                    if deadline <= end:
                        deadlines[each] = NEVER
                        if each not in cancelled:
                            expected[each].append(deadline)

    for bell, times in zip(bells, expected, strict=True):
        assert bell.rang == [pytest.approx(at, abs=TICK_S) for at in times]


def test_moving_a_deadline_later_costs_nothing() -> None:
    """Every request on a kept-alive connection moves a deadline; none may leave something behind."""
    alarms = alarms_at(HandLoop())
    alarm = alarms.alarm(lambda: None)
    alarm.set(1075.0)

    for request in range(10_000):
        alarm.clear()
        alarm.set(1075.0 + request)

    assert len(alarms) == 1


def test_short_connections_do_not_pile_up() -> None:
    """A connection that closes leaves an entry that waits for its keep-alive time: at a thousand
    connections a second there would be 75,000."""
    alarms = alarms_at(HandLoop())
    staying = alarms.alarm(lambda: None)
    staying.set(1500.0)

    for _ in range(10_000):
        alarm = alarms.alarm(lambda: None)
        alarm.set(1075.0)
        alarm.cancel()

    assert len(alarms) < 200


def test_a_deadline_that_moves_nearer_again_and_again_does_not_pile_up() -> None:
    """Each nearer deadline is a new entry; the ones it outdates are swept."""
    loop = HandLoop()
    alarms = alarms_at(loop)
    alarm = alarms.alarm(lambda: None)

    for step in range(10_000):
        alarm.set(3000.0 - step / 10)

    assert len(alarms) < 200


def test_sweeping_keeps_what_still_waits() -> None:
    """The sweep must not take a living deadline along."""
    loop = HandLoop()
    alarms = alarms_at(loop)
    bells = [Bell(loop) for _ in range(50)]
    for number, bell in enumerate(bells):
        alarms.alarm(bell.ring).set(1010.0 + number)
    for _ in range(1_000):
        alarm = alarms.alarm(lambda: None)
        alarm.set(1005.0)
        alarm.cancel()

    loop.advance(100.0)

    assert [len(bell.rang) for bell in bells] == [1] * 50


def test_a_cancelled_alarm_lets_go_of_its_owner() -> None:
    """Its entry may wait for a minute; the connection, with all its buffers, must not."""
    loop = HandLoop()
    alarms = alarms_at(loop)
    bell = Bell(loop)
    watch = weakref.ref(bell)
    alarm = alarms.alarm(bell.ring)
    alarm.set(1060.0)

    alarm.cancel()
    del bell
    gc.collect()

    assert watch() is None


def test_a_ring_that_raises_does_not_silence_the_others() -> None:
    """All deadlines hang on one timer: a defect in one owner must not leave it unset."""
    loop = HandLoop()
    alarms = alarms_at(loop)
    bell = Bell(loop)

    def broken() -> None:
        raise RuntimeError("broken")

    alarms.alarm(broken).set(1001.0)
    alarms.alarm(bell.ring).set(1002.0)

    with pytest.raises(RuntimeError, match="broken"):
        loop.advance(1.5)
    loop.advance(10.0)

    assert bell.rang == [1002.0]


def test_a_ring_may_set_its_alarm_again() -> None:
    """That is how a slow client is looked at again and again."""
    loop = HandLoop()
    alarms = alarms_at(loop)
    rang: list[float] = []

    def ring() -> None:
        rang.append(round(loop.now))
        alarm.set(loop.now + 10.0)

    alarm = alarms.alarm(ring)
    alarm.set(1010.0)
    loop.advance(45.0)

    assert rang == [1010, 1020, 1030, 1040]


def test_nothing_rings_once_closed() -> None:
    """The process is ending; its parts are gone already."""
    loop = HandLoop()
    alarms = alarms_at(loop)
    bell = Bell(loop)
    alarms.alarm(bell.ring).set(1001.0)

    alarms.close()
    loop.advance(10.0)

    assert bell.rang == []
