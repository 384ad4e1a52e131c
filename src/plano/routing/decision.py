"""Which models should answer, in which order, and why: an answer that explains itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from plano.catalog.catalog import Model
from plano.catalog.names import ModelId, RouteName

Step = Literal["explicit", "alias", "affinity", "preference", "default"]
"""The rungs of the ladder, and the value of `x-plano-decision`."""


@dataclass(frozen=True, slots=True)
class Reason:
    """What one step of the ladder said."""

    step: Step
    outcome: Literal["chose", "abstained"]
    because: str
    elapsed_ms: float | None = None


@dataclass(frozen=True, slots=True)
class Candidate:
    """One model that may answer, under the name it is sent by."""

    model: Model
    upstream_model: str
    """What goes into the body's `model`: for a wildcard member, the name that was asked for."""
    id: ModelId
    """`provider/model` in full, the wildcard filled in; what `x-plano-model` shows."""


@dataclass(frozen=True, slots=True)
class Decision:
    """The ranked candidates (never empty), the step that chose, and what every step said."""

    candidates: tuple[Candidate, ...]
    step: Step
    reasons: tuple[Reason, ...]
    route: RouteName | None = None
