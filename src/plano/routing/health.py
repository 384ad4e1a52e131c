"""Which candidates are worth trying: breakers and cooldowns, as values.

Five failures in a row rest a candidate, for half a minute times the number of rests in a row; then one
request tries it. A 429 rests it for as long as it says. A candidate that rests goes last, never out: it
is still tried when there is nobody else. Local to a worker, and cheap to lose.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Final, Literal

from plano.routing.decision import Candidate

FAILURES_IN_A_ROW: Final = 5
"""Fewer are bad luck; a provider that is down makes them within a second of ordinary load."""
REST_S: Final = 30.0
LONGEST_REST_S: Final = 300.0
"""Times the number of rests in a row, and no longer than five minutes: most outages end before."""
PROBE_S: Final = 30.0
"""How long one request has the candidate to itself that is tried again, unless it ends before."""
BUSY_S: Final = 5.0
"""The rest after a 429 that does not say when to come back."""
LONGEST_BUSY_S: Final = 300.0
"""What a provider may ask for; a limit by the day is met again every five minutes, by one request."""
MOST_KEPT: Final = 4096
"""Candidates in trouble; members of wildcards can be any number."""

Report = Literal["succeeded", "failed", "busy"]
"""How an attempt went, as far as it says something about the candidate: it answered (be it with a refusal of
this request), it failed, it said 429."""

Key = tuple[int, str]
"""Where requests go and on whose account (`Model.account`), and the model that was asked for."""


@dataclass(frozen=True, slots=True)
class Condition:
    """How one candidate is doing. Requests overlap: what one that went out before the rest began has met
    with says nothing of how the candidate does since."""

    failures: int = 0
    """In a row."""
    rests: int = 0
    """In a row."""
    rests_until: float = 0.0
    busy_until: float = 0.0
    probed_until: float = 0.0
    since: float = 0.0
    """When the last rest, of either kind, began."""

    def is_resting(self, now: float) -> bool:
        return now < self.busy_until or now < self.rests_until or now < self.probed_until

    def tried(self, now: float) -> Condition:
        """A request goes to it; after a rest it is the only one for a while."""
        if self.rests and now >= self.rests_until and now >= self.probed_until:
            return replace(self, probed_until=now + PROBE_S)
        return self

    def abandoned(self, probe: float) -> Condition:
        """That request ended, and nobody knows more; `probe`: until when it had the candidate."""
        return replace(self, probed_until=0.0) if self.probed_until == probe else self

    def failed(self, now: float, sent: float) -> Condition:
        failures = self.failures + 1
        if self.rests == 0 and failures < FAILURES_IN_A_ROW:
            return replace(self, failures=failures)
        if self.rests > 0 and sent < self.rests_until:  # from before the rest, or asked as the last one left
            return replace(self, failures=failures)
        rests = self.rests + 1
        rests_until = now + min(REST_S * rests, LONGEST_REST_S)
        return Condition(failures, rests, rests_until, self.busy_until, since=now)

    def busy(self, now: float, retry_after_s: float | None) -> Condition:
        wait_s = BUSY_S if retry_after_s is None else min(max(retry_after_s, 0.0), LONGEST_BUSY_S)
        return replace(self, busy_until=now + wait_s, probed_until=0.0, since=now)

    def succeeded(self, sent: float) -> Condition | None:
        """None: nothing is left to be known of it."""
        is_old = sent < self.since
        return replace(self, failures=0) if is_old and (self.rests or self.busy_until) else None


_WELL = Condition()


class Health:
    """What is known of candidates in trouble; of the others nothing is kept."""

    __slots__ = ("_conditions", "_now")

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._conditions: dict[Key, Condition] = {}

    @property
    def is_troubled(self) -> bool:
        """Whether anything is known at all; almost always nothing is."""
        return bool(self._conditions)

    def is_resting(self, candidate: Candidate) -> bool:
        condition = self._conditions.get(_key(candidate))
        return condition is not None and condition.is_resting(self._now())

    def order(self, candidates: tuple[Candidate, ...]) -> tuple[Candidate, ...]:
        """Those that rest behind the others, each part in its own order."""
        if not self._conditions or len(candidates) < 2:
            return candidates
        resting = [self.is_resting(each) for each in candidates]
        if not any(resting) or all(resting):
            return candidates
        return (*_those(candidates, resting, resting=False), *_those(candidates, resting, resting=True))

    def tried(self, candidate: Candidate) -> float | None:
        """A request goes to it now. What that is given for trying it alone after a rest goes back with
        `abandoned` where the request ends without a report; None: there is nothing to go back."""
        key = _key(candidate)
        condition = self._conditions.get(key)
        if condition is None:
            return None
        tried = self._conditions[key] = condition.tried(self._now())
        return None if tried is condition else tried.probed_until

    def abandoned(self, candidate: Candidate, probe: float) -> None:
        """A request that `tried` gave this to has ended, and has nothing to report."""
        key = _key(candidate)
        condition = self._conditions.get(key)
        if condition is not None:
            self._conditions[key] = condition.abandoned(probe)

    @property
    def resting(self) -> int:
        """How many rest now."""
        now = self._now()
        return sum(condition.is_resting(now) for condition in self._conditions.values())

    def report(
        self,
        candidate: Candidate,
        how: Report,
        *,
        sent: float | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        """How a request went that was sent to it at `sent`; None: just now."""
        key, now = _key(candidate), self._now()
        sent = now if sent is None else sent
        before = self._conditions.get(key)
        condition: Condition | None = None
        match how:
            case "succeeded":
                if before is not None:
                    condition = before.succeeded(sent)
            case "failed":
                condition = (before or _WELL).failed(now, sent)
            case "busy":
                condition = (before or _WELL).busy(now, retry_after_s)
        if condition is None:
            self._conditions.pop(key, None)
            return
        if before is None and len(self._conditions) >= MOST_KEPT:
            del self._conditions[next(iter(self._conditions))]
        self._conditions[key] = condition


def _those(candidates: Iterable[Candidate], flags: Iterable[bool], *, resting: bool) -> list[Candidate]:
    return [each for each, flag in zip(candidates, flags, strict=True) if flag is resting]


def _key(candidate: Candidate) -> Key:
    return candidate.model.account, candidate.upstream_model
