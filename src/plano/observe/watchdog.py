"""Tells of an event loop that is held up, and where: nobody else can while it is.

A thread looks at a beat that the loop keeps. It reports and does nothing else: what keeps a loop busy may
be a request of somebody's, and a worker that were killed for it would take all the others along.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import threading
import time
import traceback
from collections.abc import Callable
from typing import Final

BLOCKED_S: Final = 1.0
"""A hundred times what anything on the loop may take; clients that stream notice."""
REPORT_EVERY_S: Final = 60.0
"""A loop that is held up again and again has told enough."""
MOST_FRAMES: Final = 40
"""The innermost of the stack."""

_log = logging.getLogger(__name__)


class Watchdog:
    """Watches the loop that runs when it is started, on the thread that starts it."""

    def __init__(
        self,
        *,
        blocked_s: float = BLOCKED_S,
        report: Callable[[str], None] = _log.warning,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """`report` is called on the watching thread."""
        self._blocked_s = blocked_s
        self._interval_s = blocked_s / 4
        self._report = report
        self._now = now
        self._beat = 0.0
        self._counted_beat = self._reported_at = float("-inf")
        self.blocked = 0
        """How often the loop was held up."""
        self.longest_s = 0.0
        """The longest of these times, as far as was looked."""
        self._stopped = threading.Event()
        self._timer: asyncio.TimerHandle | None = None
        self._watched = 0

    def start(self) -> None:
        """Begin to watch; costs the loop one short call every quarter of `blocked_s`."""
        self._watched = threading.get_ident()
        self._keep_beating(asyncio.get_running_loop())
        threading.Thread(target=self._watch, name="plano-watchdog", daemon=True).start()

    def stop(self) -> None:
        self._stopped.set()
        if self._timer is not None:
            self._timer.cancel()

    def _keep_beating(self, loop: asyncio.AbstractEventLoop) -> None:
        self._beat = self._now()
        self._timer = loop.call_later(self._interval_s, self._keep_beating, loop)

    # -- on the thread

    def _watch(self) -> None:
        looked = self._now()
        while not self._stopped.wait(self._interval_s):
            before, looked = looked, self._now()
            # Who was late as well was held up with the loop: the machine slept, or the process stood still.
            if looked - before < self._blocked_s:
                self.look(looked)

    def look(self, now: float) -> None:
        """Count each time that the loop is held up for long, and report it, but not too often."""
        beat = self._beat
        held_s = now - beat
        if held_s < self._blocked_s:
            return
        self.longest_s = max(self.longest_s, held_s)
        if beat == self._counted_beat:
            return
        self._counted_beat = beat
        self.blocked += 1
        if now - self._reported_at < REPORT_EVERY_S:
            return
        self._reported_at = now
        self._report(
            f"the event loop has been held up for {held_s:.1f} s, and every client with it; it is here:\n"
            f"{_stack_of(self._watched)}"
        )


def _stack_of(thread: int) -> str:
    """Where a thread is; names and lines alone, no values."""
    frame = sys._current_frames().get(thread)  # documented, in spite of its name
    if frame is None:
        return "  (the thread has ended)"
    return "".join(traceback.format_stack(frame, MOST_FRAMES)).rstrip()
