"""A decision as programs read it: the answer of the decision endpoints, `x-plano-debug` and
`plano route --json`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

import msgspec

from plano.catalog.names import RouteName
from plano.routing.decision import Decision, Reason, Step

NOBODY = "none"
"""Stands for a model where nobody decided."""
DECIMALS = 4
MS_DECIMALS = 3


class ReasonObject(msgspec.Struct, frozen=True, omit_defaults=True):
    """One step, what it said and why; what it has nothing to say about is left out."""

    step: Step
    outcome: str
    because: str
    route: str | None = None
    score: float | None = None
    margin: float | None = None
    router: str | None = None
    elapsed_ms: float | None = None


class DecisionObject(msgspec.Struct, frozen=True):
    """Who should answer, in which order, and why."""

    models: tuple[str, ...]
    """Ranked, `provider/model` in full; `none` alone when nobody decided."""
    route: RouteName | None
    trace_id: str
    """32 hex digits: the caller's trace, or the request's own."""
    session_id: str | None
    pinned: bool
    """The session's earlier decision was used."""
    switched: bool
    """The session had another model before."""
    decision: Step | None
    """The step that chose; None when none did."""
    reasons: tuple[ReasonObject, ...]
    elapsed_ms: float

    def as_json(self) -> bytes:
        return msgspec.json.encode(self)

    def as_field(self) -> bytes:
        """Compact JSON in visible ASCII, as a header field can carry it."""
        return json.dumps(msgspec.to_builtins(self), separators=(",", ":"), ensure_ascii=True).encode("ascii")


def decision_object(decision: Decision, *, trace_id: str, elapsed_ms: float) -> DecisionObject:
    models = tuple(candidate.id for candidate in decision.candidates) or (NOBODY,)
    return DecisionObject(
        models,
        decision.route,
        trace_id,
        decision.session_id,
        pinned=decision.is_pinned,
        switched=decision.has_switched,
        decision=decision.step,
        reasons=tuple(map(_reason_object, decision.reasons)),
        elapsed_ms=round(elapsed_ms, MS_DECIMALS),
    )


def _reason_object(reason: Reason) -> ReasonObject:
    return ReasonObject(
        reason.step,
        reason.outcome,
        reason.because,
        reason.route,
        _rounded(reason.score),
        _rounded(reason.margin),
        reason.router,
        round(reason.elapsed_ms, MS_DECIMALS),
    )


def _rounded(measure: float | None) -> float | None:
    return None if measure is None else round(measure, DECIMALS)


def trace_id_of(fields: Mapping[bytes, bytes]) -> str | None:
    """The trace id of a valid W3C `traceparent` (version 00 or later, §3.2)."""
    parent = fields.get(b"traceparent", b"").strip()
    parts = parent.split(b"-")
    if len(parts) < 4 or len(parts[0]) != 2 or parts[0] == b"ff" or (parts[0] == b"00" and len(parts) != 4):
        return None
    trace = parts[1]
    if len(trace) != 32 or not _HEX.issuperset(trace) or trace == b"0" * 32:
        return None
    return trace.decode("ascii")


_HEX = frozenset(b"0123456789abcdef")
