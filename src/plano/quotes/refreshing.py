"""Keeps what a source said last, and asks it again in the background.

What was good stays until there is something newer. Trouble is told once, when it begins, and once
when it is over; between the two the source is asked ever more rarely.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Generic, TypeVar

from plano.quotes.fetch import SourceFailed
from plano.quotes.reading import Reading
from plano.quotes.state import SourceState

Value = TypeVar("Value")

FIRST_RETRY_S: Final = 5.0
"""A name server that is not up yet, a deployment's race: worth a second look soon."""
LONGEST_RETRY_S: Final = 900.0
"""Doubled eight times; a source that is down for a night is asked a few dozen times."""
SPREAD: Final = 0.1
"""Of an interval, either way: workers that started together do not ask together for ever."""
FIRST_WAIT_S: Final = 0.5
"""The most a first look waits, by chance: so much apart are the workers of one machine."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Clock:
    """Time and chance, as they are given to whoever refreshes."""

    today: Callable[[], float]
    """Seconds since 1970."""
    chance: Callable[[], float]
    """From 0 to 1."""
    sleep: Callable[[float], Awaitable[None]]


class Refreshing(Generic[Value]):
    """One source: its last good reading, and the trouble with it."""

    def __init__(
        self,
        what: str,
        read: Callable[[], Awaitable[Reading[Value]]],
        *,
        interval_s: float,
        clock: Clock,
        changed: Callable[[Mapping[str, Value]], None] = lambda _: None,
    ) -> None:
        """`what`: what it is called in the log; `changed` hears of every good reading."""
        self._what = what
        self._read = read
        self._interval_s = interval_s
        self._clock = clock
        self._changed = changed
        self.values: Mapping[str, Value] = {}
        self.read_at: float | None = None
        """When the last good reading came, in seconds since 1970."""
        self.trouble: str | None = None
        """Why the last attempt failed; None when it did not."""
        self.ignored = 0
        self._failures = 0

    async def run(self) -> None:
        """Ask, tell, wait, ask again; ends when it is cancelled."""
        await self._clock.sleep(self._clock.chance() * FIRST_WAIT_S)
        while True:
            trouble, ignored = self.trouble, self.ignored
            await self.refresh()
            self._tell(trouble, ignored)
            await self._clock.sleep(wait_s(self._interval_s, self._failures, self._clock.chance()))

    async def refresh(self) -> None:
        """Ask once, and say nothing. Raises nothing but for cancellation."""
        try:
            reading = await self._read()
        except SourceFailed as failure:
            self.fail(str(failure))
        except Exception as defect:  # noqa: BLE001 - a defect here must not end the asking for good
            self.fail(f"a defect of Plano: {type(defect).__name__}: {defect}")
        else:
            self.values, self.ignored = reading.values, reading.ignored
            self.read_at = self._clock.today()
            self.trouble = None
            self._failures = 0
            self._changed(reading.values)

    def fail(self, trouble: str) -> None:
        """The source could not be read: what is there stays."""
        self._failures += 1
        self.trouble = trouble

    def state(self, name: str) -> SourceState:
        """Of the source that is called `name`."""
        if self.read_at is None:
            return SourceState(name, trouble=self.trouble)
        age_s = self._clock.today() - self.read_at
        return SourceState(name, _in_utc(self.read_at), age_s, len(self.values), self.ignored, self.trouble)

    def _tell(self, trouble: str | None, ignored: int) -> None:
        """What is new, compared with before."""
        if self.trouble is not None:
            if trouble is None:
                _log.warning("the %s could not be read: %s; %s", self._what, self.trouble, self._in_use())
            return
        if trouble is not None:
            _log.info("the %s could be read again", self._what)
        if self.ignored and not ignored:
            usable = len(self.values)
            _log.warning("the %s: %d entries cannot be used, %d can", self._what, self.ignored, usable)

    def _in_use(self) -> str:
        if self.read_at is None:
            return "until they can be, candidates keep their declared order"
        return f"those of {_in_utc(self.read_at)} stay in use"


def _in_utc(at: float) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%dT%H:%MZ}"


def wait_s(interval_s: float, failures: int, chance: float) -> float:
    """How long until the source is asked again, after so many failures in a row."""
    if failures == 0:
        return interval_s * (1.0 + SPREAD * (2.0 * chance - 1.0))
    longest = min(interval_s, LONGEST_RETRY_S)
    doubled = FIRST_RETRY_S * 2.0 ** min(failures - 1, 16)
    return min(doubled, longest) * (0.5 + 0.5 * chance)
