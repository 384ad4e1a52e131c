"""Who is tried next, and when it is too late to change: a generator that performs nothing.

It yields commands and is sent reports of what came of them. It knows no clock but the one in the
reports, and nothing of bytes; what may be tried again follows from the kind of failure alone.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Final

from plano.catalog.catalog import Secret
from plano.errors import (
    PlanoError,
    UpstreamAuth,
    UpstreamError,
    UpstreamRefused,
    UpstreamTimeout,
    UpstreamUnreachable,
)
from plano.exchange.relaying import may_pass
from plano.routing.decision import Candidate
from plano.routing.health import Report

MOST_ATTEMPTS: Final = 3
"""Of one request: retries multiply with those of the client's library, which makes two of its own."""
TRY_AGAIN: Final = frozenset((408, 500, 502, 503, 504, 529))
"""After these the same candidate may be asked once more when there is no other."""
BUSY: Final = 429
LEAST_S: Final = 0.5
"""With less than that left, another attempt would only time out."""


@dataclass(frozen=True, slots=True)
class Send:
    """Send the request to this candidate."""

    candidate: Candidate
    is_last: bool
    """Nobody else could be tried after it: it may take its time."""


@dataclass(frozen=True, slots=True)
class GiveUp:
    """Nobody else is tried: this is what the client is told."""

    problem: PlanoError
    retry_after_s: float | None
    """The shortest time after which trying again may help, as a provider said; None: none did."""


@dataclass(frozen=True, slots=True)
class Failed:
    """No answer came of the last attempt, and the client has seen nothing of it."""

    problem: PlanoError
    now: float
    retry_after_s: float | None = None
    """As the provider said."""


Command = Send | GiveUp
RefusedKey = tuple[str, Secret | None]
"""Whose key, and which."""


def attempts(
    candidates: Sequence[Candidate], *, deadline: float, may_repeat: bool = True
) -> Generator[Command, Failed, None]:
    """The dialogue about one request. `candidates` in order, at least one; `may_repeat`: the candidate that
    is the last one left may be asked twice (not when it has failed everybody lately)."""
    waiting = list(candidates)
    refused_keys: set[RefusedKey] = set()
    shortest: float | None = None
    candidate = waiting.pop(0)
    sent = 1
    has_repeated = False
    failed = yield Send(candidate, is_last=not waiting)
    while True:
        problem = failed.problem
        if failed.retry_after_s is not None:
            shortest = failed.retry_after_s if shortest is None else min(shortest, failed.retry_after_s)
        if isinstance(problem, UpstreamAuth):
            refused_keys.add(_key_of(candidate))
        if not may_try_another(problem) or sent >= MOST_ATTEMPTS or failed.now + LEAST_S > deadline:
            break
        following = _following(waiting, refused_keys)
        if following is not None:
            candidate = following
        elif has_repeated or not may_repeat or not _may_ask_again(problem):
            break
        else:
            has_repeated = True
        sent += 1
        failed = yield Send(candidate, is_last=sent >= MOST_ATTEMPTS or not waiting)
    yield GiveUp(problem, shortest)


def may_try_another(problem: PlanoError) -> bool:
    """Whether the failure is the provider's, and not the request's."""
    if isinstance(problem, UpstreamRefused):
        return may_pass(problem.status)
    return isinstance(problem, UpstreamError)


def report_of(problem: PlanoError) -> Report | None:
    """What a failure says of the candidate; None: nothing."""
    if isinstance(problem, UpstreamRefused):
        if problem.status == BUSY:
            return "busy"
        return "failed" if may_try_another(problem) else "succeeded"
    return "failed" if isinstance(problem, UpstreamError) else None


def _following(waiting: list[Candidate], refused_keys: set[RefusedKey]) -> Candidate | None:
    """The next that has not been tried, and does not come with a key that was refused."""
    while waiting:
        candidate = waiting.pop(0)
        if _key_of(candidate) not in refused_keys:
            return candidate
    return None


def _may_ask_again(problem: PlanoError) -> bool:
    """Only after what may be gone a moment later, and never after a timeout: its time is spent."""
    if isinstance(problem, UpstreamTimeout):
        return False
    if isinstance(problem, UpstreamRefused):
        return problem.status in TRY_AGAIN
    return isinstance(problem, UpstreamUnreachable) and not problem.is_lasting


def _key_of(candidate: Candidate) -> RefusedKey:
    return candidate.model.provider, candidate.model.access_key
