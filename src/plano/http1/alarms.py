"""Deadlines for many connections on one timer.

A busy connection moves its deadline several times a request. Arming and cancelling a loop timer
each time would cost more than the parsing; here moving a deadline is an assignment, and the heap
is touched only when a deadline comes nearer than the entry that already waits for it. Entries
that no longer speak for anybody are dropped where they come up, or all at once when they are most.
"""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable
from itertools import count

NEVER = float("inf")
FEW = 64
"""So many spent entries are not worth a sweep."""


class Alarm:
    """One deadline of one owner: set `at`, or `NEVER`. `ring` is called once after it has passed."""

    __slots__ = ("_alarms", "_ring", "at", "waiting")

    def __init__(self, alarms: Alarms, ring: Callable[[], None]) -> None:
        self.at = NEVER
        """The moment by the loop's clock, in seconds. Read it freely; move it with `set`."""
        self._alarms = alarms
        self._ring: Callable[[], None] | None = ring
        self.waiting = NEVER
        """When the one entry that speaks for this alarm comes up; entries at other moments are spent."""

    def set(self, at: float) -> None:
        """Move the deadline. Later is free; earlier than the waiting entry costs a heap push."""
        self.at = at
        if at < self.waiting:
            outdated = self.waiting != NEVER
            self.waiting = at
            self._alarms.push(at, self)
            if outdated:
                self._alarms.spend()

    def clear(self) -> None:
        self.at = NEVER

    def cancel(self) -> None:
        """Never ring again, and let go of the owner although an entry may still wait."""
        self.at = NEVER
        self._ring = None
        if self.waiting != NEVER:
            self.waiting = NEVER
            self._alarms.spend()

    def due(self, entry: float, now: float) -> None:
        """The entry `entry` has come up: ring, wait again, or forget."""
        if entry != self.waiting:
            self._alarms.spent -= 1
            return
        self.waiting = NEVER
        if self.at > now:
            if self.at != NEVER:
                self.set(self.at)
            return
        self.at = NEVER
        if self._ring is not None:
            self._ring()


class Alarms:
    """All alarms of one event loop. Rings up to half a tick early: nothing here needs to be sharper."""

    def __init__(self, loop: asyncio.AbstractEventLoop, *, tick_s: float = 0.05) -> None:
        self._loop = loop
        self._tick_s = tick_s
        self._heap: list[tuple[float, int, Alarm]] = []
        self._numbers = count()
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = NEVER
        self.spent = 0
        """Entries whose alarm was cancelled, or moved nearer by another entry."""

    def __len__(self) -> int:
        """Entries that wait, spent ones among them."""
        return len(self._heap)

    def alarm(self, ring: Callable[[], None]) -> Alarm:
        return Alarm(self, ring)

    def push(self, at: float, alarm: Alarm) -> None:
        heapq.heappush(self._heap, (at, next(self._numbers), alarm))
        if at < self._timer_at:
            self._arm(at)

    def spend(self) -> None:
        """One more entry speaks for nobody. Short connections would fill the heap with them, since each
        waits for the longest of its owner's deadlines; a sweep at half keeps the cost of each constant."""
        self.spent += 1
        if self.spent > FEW and self.spent * 2 > len(self._heap):
            self._heap = [entry for entry in self._heap if entry[0] == entry[2].waiting]
            heapq.heapify(self._heap)
            self.spent = 0

    def _arm(self, at: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer_at = at
        self._timer = self._loop.call_at(at, self._wake)

    def _wake(self) -> None:
        self._timer, self._timer_at = None, NEVER
        now = self._loop.time() + self._tick_s / 2
        try:
            while self._heap and self._heap[0][0] <= now:
                entry, _, alarm = heapq.heappop(self._heap)
                alarm.due(entry, now)
        finally:
            # Also when a ring raised: the others still count on theirs.
            if self._heap and self._heap[0][0] < self._timer_at:
                self._arm(max(self._heap[0][0], self._loop.time() + self._tick_s))

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._heap.clear()
        self._timer, self._timer_at = None, NEVER
        self.spent = 0
