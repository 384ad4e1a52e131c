"""Prices that ship with a dependency.

The table takes a tenth of a second and 30 MB, which a gateway that compares no prices need not pay: where
no route compares any, it is loaded off the event loop, when somebody first wants one all the same.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from typing import Final

from plano.catalog.names import ModelId
from plano.catalog.prices import Price, TableFacts, price_known_as, table_facts
from plano.quotes.reading import offloaded
from plano.quotes.state import SourceState

MOST_REMEMBERED: Final = 4096
"""Prices looked up, at some 70 µs each; members of wildcards can be any number."""


class BundledPrices:
    """Looks prices up in the table once it is there; until then there are none."""

    def __init__(self, candidates: Iterable[ModelId], aliases: Mapping[ModelId, tuple[str, ...]]) -> None:
        """`candidates`: the models that routes compare by price. Theirs are looked up here and now, so that
        the first decision knows them; checking the configuration has loaded the table already."""
        self._candidates = tuple(candidates)
        self._aliases = aliases
        self._prices: dict[ModelId, Price | None] = {}
        self._facts: TableFacts | None = None
        self._wanted = asyncio.Event()
        if self._candidates:
            self._prices, self._facts = self._loaded(self._candidates)

    def price(self, model: ModelId) -> Price | None:
        """None: it is not in the table, or the table is not there yet."""
        if self._facts is None:
            self._wanted.set()
            return None
        if model in self._prices:
            return self._prices[model]
        if len(self._prices) >= MOST_REMEMBERED:
            self._prices.clear()
        price = self._prices[model] = price_known_as(model, self._aliases)
        return price

    async def run(self) -> None:
        """Load the table when it is wanted."""
        await self._wanted.wait()
        await self.refresh()

    async def refresh(self) -> None:
        """Load the table, unless it is there: it changes with the installation only."""
        if self._facts is None:
            self._prices, self._facts = await offloaded(self._loaded, self._candidates)

    def fail(self, trouble: str) -> None:
        """Nothing of it is on the network: whoever was too impatient may ask again."""

    def state(self) -> SourceState:
        facts = self._facts
        if facts is None:
            return SourceState("bundled")
        return SourceState(f"bundled ({facts.name})", facts.date)

    def _loaded(self, models: tuple[ModelId, ...]) -> tuple[dict[ModelId, Price | None], TableFacts]:
        return {model: price_known_as(model, self._aliases) for model in models}, table_facts()
