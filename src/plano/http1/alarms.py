"""Deadlines for many connections on one timer.

A busy connection moves its deadline several times a request. Arming and cancelling a loop timer
each time would cost more than the parsing; here moving a deadline is an assignment, and the heap
is touched only when a deadline comes nearer than the entry that already waits for it.
"""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable
from itertools import count

NEVER = float("inf")


class Alarm:
    """One deadline of one owner: set `at`, or `NEVER`. `ring` is called once after it has passed."""

    __slots__ = ("_alarms", "_ring", "_waiting", "at")

    def __init__(self, alarms: Alarms, ring: Callable[[], None]) -> None:
        self.at = NEVER
        """The moment by the loop's clock, in seconds. Read it freely; move it with `set`."""
        self._alarms = alarms
        self._ring: Callable[[], None] | None = ring
        self._waiting = NEVER

    def set(self, at: float) -> None:
        """Move the deadline. Later is free; earlier than the waiting entry costs a heap push."""
        self.at = at
        if at < self._waiting:
            self._waiting = at
            self._alarms.push(at, self)

    def clear(self) -> None:
        self.at = NEVER

    def cancel(self) -> None:
        """Never ring again, and let go of the owner although an entry may still wait."""
        self.at = NEVER
        self._ring = None

    def due(self, entry: float, now: float) -> None:
        """The entry `entry` has come up: ring, wait again, or forget."""
        if entry != self._waiting:
            return
        self._waiting = NEVER
        if self.at > now:
            if self.at != NEVER:
                self.set(self.at)
            return
        self.at = NEVER
        if self._ring is not None:
            self._ring()


class Alarms:
    """All alarms of one event loop. Resolution is `tick_s`: nothing here needs to be sharper."""

    def __init__(self, loop: asyncio.AbstractEventLoop, *, tick_s: float = 0.05) -> None:
        self._loop = loop
        self._tick_s = tick_s
        self._heap: list[tuple[float, int, Alarm]] = []
        self._numbers = count()
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = NEVER

    def alarm(self, ring: Callable[[], None]) -> Alarm:
        return Alarm(self, ring)

    def push(self, at: float, alarm: Alarm) -> None:
        heapq.heappush(self._heap, (at, next(self._numbers), alarm))
        if at < self._timer_at:
            self._arm(at)

    def _arm(self, at: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer_at = at
        self._timer = self._loop.call_at(at, self._wake)

    def _wake(self) -> None:
        self._timer, self._timer_at = None, NEVER
        now = self._loop.time() + self._tick_s / 2
        while self._heap and self._heap[0][0] <= now:
            entry, _, alarm = heapq.heappop(self._heap)
            alarm.due(entry, now)
        if self._heap and self._heap[0][0] < self._timer_at:
            self._arm(max(self._heap[0][0], self._loop.time() + self._tick_s))

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._heap.clear()
        self._timer, self._timer_at = None, NEVER
