"""What lint has to say about a route: where, why, what was measured, and what to try."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Code = Literal["overlap", "unreachable", "name", "bare", "vague", "catch-all", "verbs", "no-domain"]
"""What kind of fault; programs tell findings apart by it."""
Part = Literal["name", "description", "route", "routes"]
"""What of a route is meant: one of its texts, all of it, or the list as a whole."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One wording that shows the fault."""

    text: str
    lead: float
    """By how much its own route is ahead of the other; below zero, the other is ahead."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One fault of a route set, measured on the embedded router."""

    code: Code
    at: int
    """The route, by its place in the list."""
    part: Part
    message: str
    """What is wrong, in a sentence that carries the measure."""
    suggestion: str
    """What to try; where it could be tried, with what it changed."""
    measures: Mapping[str, float] = field(default_factory=dict)
    """The figures of the sentences, by name."""
    other: int | None = None
    """The second route that it is about."""
    samples: tuple[Sample, ...] = ()
