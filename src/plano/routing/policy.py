"""The order of a route's candidates: as listed, cheapest first, fastest first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from plano.routing.decision import Candidate
from plano.routing.ports import Quotes

Prefer = Literal["cheapest", "fastest", "none"]


def order(candidates: Sequence[Candidate], quotes: Quotes, prefer: Prefer) -> tuple[Candidate, ...]:
    """Ascending by price or latency; ties keep the declared order, and a model without data goes last."""
    if prefer == "none":
        return tuple(candidates)
    measures = {candidate.id: measure(candidate, quotes, prefer) for candidate in candidates}
    return tuple(sorted(candidates, key=lambda each: _rank(measures[each.id])))


def measure(candidate: Candidate, quotes: Quotes, prefer: Literal["cheapest", "fastest"]) -> float | None:
    """What the policy compares: US dollars for a million tokens, or seconds."""
    return quotes.usd_per_mtok(candidate.id) if prefer == "cheapest" else quotes.latency_s(candidate.id)


def in_words(candidates: Sequence[Candidate], quotes: Quotes, prefer: Prefer) -> str | None:
    """The order and what it rests on, as a clause; None where nothing was compared."""
    if prefer == "none" or len(candidates) < 2:
        return None
    shown = [_shown(each, measure(each, quotes, prefer), prefer) for each in candidates]
    return f"{prefer} first: {', '.join(shown)}"


def _rank(measured: float | None) -> tuple[bool, float]:
    return measured is None, measured or 0.0


def _shown(candidate: Candidate, measured: float | None, prefer: Prefer) -> str:
    if measured is None:
        return f"{candidate.id} (not known)"
    return f"{candidate.id} " + (f"(${measured:.4g}/Mtok)" if prefer == "cheapest" else f"({measured:.3g} s)")
