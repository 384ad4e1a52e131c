"""Where all quotes hang: prices and latencies from the configured sources, to be read without waiting."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from typing import Final, Protocol

from plano.catalog.catalog import Catalog
from plano.catalog.names import ModelId
from plano.catalog.prices import Price
from plano.catalog.sources import QuoteSources
from plano.exchange.record import ExchangeRecord
from plano.quotes.bundled import BundledPrices
from plano.quotes.fetch import Fetch
from plano.quotes.listed import ListedLatencies, ListedPrices
from plano.quotes.observed import Observed
from plano.quotes.refreshing import Clock
from plano.quotes.state import SourceState


class Source(Protocol):
    """Whoever quotes."""

    async def run(self) -> None:
        """Keep what is quoted fresh, until cancelled or no longer needed."""

    async def refresh(self) -> None:
        """Bring it up to date once."""

    def fail(self, trouble: str) -> None:
        """It was not brought up to date in time."""

    def state(self) -> SourceState: ...


class Prices(Source, Protocol):
    """Who knows prices."""

    def price(self, model: ModelId) -> Price | None: ...


class Latencies(Source, Protocol):
    """Who knows latencies."""

    def latency_s(self, model: ModelId) -> float | None: ...

    def observe(self, record: ExchangeRecord) -> None: ...


class Board:
    """The `Quotes` of a worker: made, started, read and closed on one event loop."""

    def __init__(
        self,
        catalog: Catalog,
        sources: QuoteSources,
        *,
        fetch: Fetch,
        prices_sessions: bool = False,
        now: Callable[[], float] = time.monotonic,
        today: Callable[[], float] = time.time,
        chance: Callable[[], float] = random.random,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """`prices_sessions`: a routing budget compares the models that a session moves between, so that all
        prices should be there from the start; `now`: the clock of the records that `observe` is given; the
        rest is for refreshing."""
        clock = Clock(today, chance, sleep)
        compared = _candidates(catalog) if prices_sessions else _compared_by_price(catalog)
        self._prices: Prices
        self._latencies: Latencies
        if sources.prices.provider == "bundled":
            self._prices = BundledPrices(compared, sources.prices.aliases)
        else:
            self._prices = ListedPrices(sources.prices, compared, fetch=fetch, clock=clock)
        if sources.latencies is None:
            self._latencies = Observed(now)
        else:
            self._latencies = ListedLatencies(sources.latencies, fetch=fetch, clock=clock)
        self._tasks: tuple[asyncio.Task[None], ...] = ()
        self.observe: Final = self._latencies.observe
        """To be called with every finished exchange; takes well under a microsecond."""
        self.rates: Final = self._prices.price
        """What `usd_per_mtok` adds up."""

    def usd_per_mtok(self, model: ModelId) -> float | None:
        price = self.rates(model)
        return None if price is None else price.both

    def latency_s(self, model: ModelId) -> float | None:
        return self._latencies.latency_s(model)

    @property
    def states(self) -> tuple[SourceState, SourceState]:
        """Of the prices, and of the latencies."""
        return self._prices.state(), self._latencies.state()

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Ask the sources, from now on until `close`; nobody waits for the first answers."""
        self._tasks = tuple(
            loop.create_task(source.run(), name=f"quotes: {source.state().name}")
            for source in (self._prices, self._latencies)
        )

    async def refresh(self, *, within_s: float) -> None:
        """Ask every source once, no longer than `within_s`: for who shows quotes and goes."""
        async with asyncio.TaskGroup() as group:
            for source in (self._prices, self._latencies):
                group.create_task(_refresh(source, within_s))

    async def close(self) -> None:
        """Ask nobody any more. Returns when nothing is under way."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        self._tasks = ()


async def _refresh(source: Source, within_s: float) -> None:
    try:
        async with asyncio.timeout(within_s):
            await source.refresh()
    except TimeoutError:
        source.fail(f"no whole answer within {within_s:g} s")


def _compared_by_price(catalog: Catalog) -> tuple[ModelId, ...]:
    """The models that some route orders by price, each once."""
    routes = (route for route in catalog.routes if route.prefer == "cheapest")
    return tuple({found.id: None for route in routes for found in route.candidates})


def _candidates(catalog: Catalog) -> tuple[ModelId, ...]:
    """The models that routing may choose, each once."""
    models = [found.id for route in catalog.routes for found in route.candidates]
    if catalog.default is not None:
        models.append(catalog.default.id)
    return tuple(dict.fromkeys(models))
