"""When to stop asking somebody who keeps failing, and when to try again: a breaker as a value.

Whoever asks holds the current value, is handed a permit or a refusal, and reports how it went. Calls
under way when the breaker opens or closes belong to an earlier era: what they report changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, assert_never

Report = Literal["succeeded", "failed", "abandoned"]
"""`abandoned`: nobody waited for the end, which says nothing about who was asked."""
_MOST_DOUBLINGS = 30


@dataclass(frozen=True, slots=True)
class BreakerLimits:
    """What is too much, and what follows. Each of the first two opens the breaker by itself."""

    in_a_row: int = 5
    """Failures with no success between them: down."""
    share: float = 0.5
    """Of those asked lately, how many may fail: half down is as bad, and never fails so often in a row."""
    least_asked: int = 20
    """A share of fewer says nothing."""
    window_s: float = 30.0
    """What "lately" means: this long at most, and at least half of it."""
    first_rest_s: float = 1.0
    longest_rest_s: float = 30.0
    """A rest doubles each time the probe after it fails, up to this."""


@dataclass(frozen=True, slots=True)
class Permit:
    """To ask once; to be reported on, whatever happens."""

    era: int


@dataclass(frozen=True, slots=True)
class Refusal:
    """Not now."""

    because: str
    """A clause for the reasons."""


@dataclass(frozen=True, slots=True)
class _Lately:
    """How many were asked and how many failed, in this half of the window and in the one before."""

    began: float = float("-inf")
    asked: int = 0
    failed: int = 0
    asked_before: int = 0
    failed_before: int = 0

    def plus(self, failed: bool, now: float, window_s: float) -> _Lately:
        lately = self._at(now, window_s)
        return replace(lately, asked=lately.asked + 1, failed=lately.failed + failed)

    def _at(self, now: float, window_s: float) -> _Lately:
        if now - self.began < window_s / 2:
            return self
        if now - self.began < window_s:
            return _Lately(now, asked_before=self.asked, failed_before=self.failed)
        return _Lately(now)


@dataclass(frozen=True, slots=True)
class _Closed:
    in_a_row: int = 0
    lately: _Lately = _Lately()


@dataclass(frozen=True, slots=True)
class _Open:
    until: float
    rests: int
    """How many in a row, this one included."""
    because: str


@dataclass(frozen=True, slots=True)
class _Probing:
    """Half open: one is asked, everybody else waits for what comes of it."""

    rests: int
    because: str


@dataclass(frozen=True, slots=True)
class Breaker:
    """One somebody's."""

    limits: BreakerLimits = BreakerLimits()
    state: _Closed | _Open | _Probing = _Closed()
    era: int = 0

    @property
    def is_closed(self) -> bool:
        return isinstance(self.state, _Closed)

    def admit(self, now: float) -> tuple[Breaker, Permit | Refusal]:
        """Whether somebody may be asked now."""
        match self.state:
            case _Closed():
                return self, Permit(self.era)
            case _Open(until, rests, because):
                if now < until:
                    return self, Refusal(f"not asked for another {until - now:.1f} s after {because}")
                probing = self._becomes(_Probing(rests, because))
                return probing, Permit(probing.era)
            case _Probing(_, because):
                return self, Refusal(f"not asked until a first try after {because} has ended")
            case _:
                assert_never(self.state)

    def report(self, permit: Permit, how: Report, now: float) -> Breaker:
        """How it went."""
        if permit.era != self.era:
            return self
        match self.state:
            case _Closed() as closed:
                return self if how == "abandoned" else self._counted(closed, how == "failed", now)
            case _Probing(rests, because):
                return self._probed(how, rests, because, now)
            case _Open():
                return self  # no permit is of this era
            case _:
                assert_never(self.state)

    def _counted(self, closed: _Closed, failed: bool, now: float) -> Breaker:
        limits = self.limits
        in_a_row = closed.in_a_row + 1 if failed else 0
        lately = closed.lately.plus(failed, now, limits.window_s)
        if in_a_row >= limits.in_a_row:
            return self._opened(1, f"{in_a_row} failures in a row", now)
        asked, all_failed = lately.asked + lately.asked_before, lately.failed + lately.failed_before
        if failed and asked >= limits.least_asked and all_failed >= limits.share * asked:
            return self._opened(1, f"{all_failed} failures of {asked}", now)
        return replace(self, state=_Closed(in_a_row, lately))

    def _probed(self, how: Report, rests: int, because: str, now: float) -> Breaker:
        match how:
            case "succeeded":
                return self._becomes(_Closed())
            case "failed":
                return self._opened(rests + 1, because, now)
            case "abandoned":
                return self._becomes(_Open(now, rests, because))
            case _:
                assert_never(how)

    def _opened(self, rests: int, because: str, now: float) -> Breaker:
        doubled = self.limits.first_rest_s * 2 ** min(rests - 1, _MOST_DOUBLINGS)
        return self._becomes(_Open(now + min(doubled, self.limits.longest_rest_s), rests, because))

    def _becomes(self, state: _Closed | _Open | _Probing) -> Breaker:
        return replace(self, state=state, era=self.era + 1)
