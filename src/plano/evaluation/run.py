"""Labelled turns through the preference step, one after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from plano.catalog.names import RouteName
from plano.evaluation.accuracy import Outcome
from plano.evaluation.labelled import LabelledTurn
from plano.routing.asked import Asked, already_read
from plano.routing.decision import Reason
from plano.routing.preference import Preferred

Prefer = Callable[[Asked], Preferred]
"""The preference step, as configured."""


@dataclass(frozen=True, slots=True)
class Judged:
    """One turn, and what the step said of it."""

    turn: LabelledTurn
    reason: Reason

    @property
    def predicted(self) -> RouteName | None:
        return self.reason.route if self.reason.outcome == "chose" else None

    @property
    def is_right(self) -> bool:
        return self.predicted == self.turn.right_for(self.predicted)

    @property
    def had_no_verdict(self) -> bool:
        """No router could tell: it was late, busy, or not there. Counts as none of the routes."""
        return self.reason.outcome == "abstained" and self.reason.router is None

    @property
    def outcome(self) -> Outcome:
        turn, predicted = self.turn, self.predicted
        return Outcome(turn.conversation, turn.right_for(predicted), predicted, self.reason.elapsed_ms)


def judged(turns: Iterable[LabelledTurn], prefer: Prefer) -> Iterator[Judged]:
    """Every turn judged, in order; nothing is answered from a default model."""
    for turn in turns:
        yield Judged(turn, prefer(Asked(None, already_read(turn.said()), turn.routes)).reason)
