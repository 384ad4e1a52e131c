"""What the ladder needs of the world: somebody who knows which route fits, and what models cost and take."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from plano.catalog.names import ModelId
from plano.routing.route_set import RouteSet
from plano.routing.utterance import Utterance
from plano.routing.verdict import Verdict


class RouteClassifier(Protocol):
    """Finds the route that fits a conversation."""

    name: str
    """Who it is, in reasons and metrics: `embedded`, or the full name of a served model."""

    async def classify(
        self, conversation: Sequence[Utterance], routes: RouteSet, *, deadline: float
    ) -> Verdict:
        """The verdict, not later than `deadline` (by the loop's monotonic clock): past it, `Unable`.

        `conversation` ends with the latest user utterance it is about and is not empty; `routes` is not
        empty. Never raises but for cancellation.
        """


class Quotes(Protocol):
    """What is known of models when candidates are put in order. Reading must not wait."""

    def usd_per_mtok(self, model: ModelId) -> float | None:
        """Input and output list price together, in US dollars for a million tokens; None: not known."""

    def latency_s(self, model: ModelId) -> float | None:
        """How long the model takes, in seconds by the source's own measure; None: not known."""
