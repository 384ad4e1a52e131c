"""What the ladder needs of the world: somebody who knows which route fits, what models cost and take, and
where sessions stay."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from plano.catalog.names import ModelId
from plano.catalog.prices import Price
from plano.routing.affinity import NoPin, Pin, StoreState, Unavailable
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

    def rates(self, model: ModelId) -> Price | None:
        """The list prices one by one, those of the prompt cache among them; None: not known."""

    def latency_s(self, model: ModelId) -> float | None:
        """How long the model takes, in seconds by the source's own measure; None: not known."""


class AffinityStore(Protocol):
    """Keeps the pins of sessions, each under its key and until its time is over.

    Nothing here raises but for cancellation; trouble is `Unavailable`, which costs a request its affinity
    and nothing else.
    """

    @property
    def name(self) -> str:
        """`memory` or `redis`, in metrics and what people read."""

    @property
    def state(self) -> StoreState:
        """How it is doing; reading does not wait."""

    async def read(self, key: str) -> Pin | NoPin | Unavailable:
        """The pin under `key`. Reading does not extend its life."""

    async def pin_first(self, key: str, pin: Pin, ttl_s: float) -> Pin | Unavailable:
        """Pin `key` for `ttl_s` seconds unless it is pinned: the first wins. The pin that holds."""

    async def pin(self, key: str, pin: Pin, ttl_s: float) -> Pin | Unavailable:
        """Put `pin` under `key` for `ttl_s` seconds, whatever was there."""

    async def move(self, key: str, pin: Pin) -> Pin | NoPin | Unavailable:
        """Put `pin` in the place of the one under `key`, for the rest of its time. The pin that holds;
        `NoPin` when that time was over."""
