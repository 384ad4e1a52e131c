"""Who is tried next, and when it is too late to change: a generator that performs nothing.

It yields commands and is sent reports of what came of them. It knows no clock but the one in the
reports, and nothing of bytes; what may be tried again follows from the kind of failure alone.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Final

from plano.errors import (
    PlanoError,
    UpstreamAuth,
    UpstreamError,
    UpstreamRefused,
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
    """The last one."""
    is_lasting: bool
    """Trying again cannot help: not one of them would answer a moment later."""
    retry_after_s: float | None = None
    """The shortest time after which trying again may help, where another than the last has said it."""


@dataclass(frozen=True, slots=True)
class Failed:
    """No answer came of the last attempt, and the client has seen nothing of it."""

    problem: PlanoError
    now: float
    retry_after_s: float | None = None
    """As the provider said."""
    is_resting: bool = False
    """The candidate has failed everybody lately."""


Command = Send | GiveUp


def attempts(candidates: Sequence[Candidate], *, deadline: float) -> Generator[Command, Failed, None]:
    """The dialogue about one request. `candidates` in order, at least one; `deadline` by the clock of the
    reports."""
    waiting = list(candidates)
    candidate = waiting.pop(0)
    sent = 1
    has_repeated = False
    is_lasting = True
    returns: list[tuple[Candidate, float]] = []
    failed = yield Send(candidate, is_last=not waiting)
    while True:
        problem = failed.problem
        is_lasting = is_lasting and problem.is_lasting
        if failed.retry_after_s is not None:
            returns.append((candidate, failed.now + failed.retry_after_s))
        if isinstance(problem, UpstreamAuth):
            waiting = [each for each in waiting if not _have_one_key(each, candidate)]
        if not may_try_another(problem) or sent >= MOST_ATTEMPTS or failed.now + LEAST_S > deadline:
            break
        if waiting:
            candidate = waiting.pop(0)
        elif has_repeated or failed.is_resting or not _may_ask_again(problem):
            break
        else:
            has_repeated = True
        sent += 1
        failed = yield Send(candidate, is_last=sent >= MOST_ATTEMPTS or not waiting)
    sooner = _sooner(returns, candidate) if may_try_another(problem) else None
    yield GiveUp(
        problem, is_lasting and not waiting, None if sooner is None else max(0.0, sooner - failed.now)
    )


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


def _sooner(returns: Sequence[tuple[Candidate, float]], last: Candidate) -> float | None:
    """When the first of the others is back, if that is before the last one; who speaks twice means what it
    said last."""
    own = [at for candidate, at in returns if candidate is last]
    others = min((at for candidate, at in returns if candidate is not last), default=None)
    return others if others is None or not own or others < own[-1] else None


def _may_ask_again(problem: PlanoError) -> bool:
    """Only after what may be gone a moment later, and never after a timeout: its time is spent."""
    if problem.is_lasting:
        return False
    if isinstance(problem, UpstreamRefused):
        return problem.status in TRY_AGAIN
    return isinstance(problem, UpstreamUnreachable)


def _have_one_key(one: Candidate, other: Candidate) -> bool:
    """Whether a refusal of the one's key is a refusal of the other's. Without a key there is none to refuse,
    unless it is the client's own."""
    if one.model.access_key != other.model.access_key:
        return False
    if one.model.provider != other.model.provider and not _have_one_address(one, other):
        return False
    return one.model.access_key is not None or (one.model.passthrough_auth and other.model.passthrough_auth)


def _have_one_address(one: Candidate, other: Candidate) -> bool:
    """One provider under two names."""
    return any(
        (first.host, first.port) == (second.host, second.port)
        for first in one.model.endpoints.values()
        for second in other.model.endpoints.values()
    )
