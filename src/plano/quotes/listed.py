"""Prices and latencies from sources on the network, by our names for models."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Final

from plano.catalog.names import ModelId
from plano.catalog.prices import Price
from plano.catalog.sources import LatencySource, PriceSource
from plano.exchange.record import ExchangeRecord
from plano.quotes import digitalocean, models_dev, prometheus
from plano.quotes.fetch import Fetch
from plano.quotes.refreshing import Clock, Refreshing
from plano.quotes.state import SourceState

PRICES_REFRESH_S: Final = 6 * 3600.0
"""Prices change a few times a month; a public catalogue of some MiB is asked four times a day."""
LATENCIES_REFRESH_S: Final = 60.0
"""Prometheus scrapes every 15 to 60 s: asked more often, it says the same again."""

_log = logging.getLogger(__name__)


class ListedPrices:
    """The prices of a catalogue, found under a model's alias or its own name."""

    def __init__(
        self, source: PriceSource, candidates: Iterable[ModelId], *, fetch: Fetch, clock: Clock
    ) -> None:
        """`candidates`: the models that routes compare by price; whoever has none is told of."""
        catalogue = digitalocean if source.provider == "digitalocean" else models_dev
        self._name = source.provider
        self._keys_of: Callable[[ModelId], tuple[str, ...]] = catalogue.keys_of
        self._aliases = source.aliases
        self._candidates = tuple(candidates)
        self._unpriced: tuple[ModelId, ...] = ()
        self._source = Refreshing(
            f"prices of {source.provider}",
            partial(catalogue.read, fetch, source.url),
            interval_s=source.refresh_s or PRICES_REFRESH_S,
            clock=clock,
            changed=self._compare,
        )
        self.run = self._source.run
        self.refresh = self._source.refresh
        self.fail = self._source.fail

    def price(self, model: ModelId) -> Price | None:
        return self._find(self._source.values, model)

    def state(self) -> SourceState:
        return self._source.state(self._name)

    def _find(self, prices: Mapping[str, Price], model: ModelId) -> Price | None:
        for key in self._aliases.get(model, ()):
            if key in prices:
                return prices[key]
        return next((prices[key] for key in self._keys_of(model) if key in prices), None)

    def _compare(self, prices: Mapping[str, Price]) -> None:
        """Tell of candidates without a price, once: `model_aliases` is what helps them."""
        unpriced = tuple(model for model in self._candidates if self._find(prices, model) is None)
        if unpriced and unpriced != self._unpriced:
            named = ", ".join(unpriced)
            _log.warning(
                "no price of %s for %s: last among the cheapest (model_aliases says what it is called there)",
                self._name,
                named,
            )
        self._unpriced = unpriced


class ListedLatencies:
    """What a Prometheus says."""

    def __init__(self, source: LatencySource, *, fetch: Fetch, clock: Clock) -> None:
        self._names = source.names
        self._seconds: Mapping[str, float] = {}
        self._source = Refreshing(
            "latencies of prometheus",
            partial(prometheus.read, fetch, source.url, source.query),
            interval_s=source.refresh_s or LATENCIES_REFRESH_S,
            clock=clock,
            changed=self._rename,
        )
        self.run = self._source.run
        self.refresh = self._source.refresh
        self.fail = self._source.fail

    def latency_s(self, model: ModelId) -> float | None:
        return self._seconds.get(model)

    def observe(self, record: ExchangeRecord) -> None:
        """This gateway's own measurements are not asked for."""

    def state(self) -> SourceState:
        return self._source.state("prometheus")

    def _rename(self, seconds: Mapping[str, float]) -> None:
        self._seconds = prometheus.by_model(seconds, self._names)
