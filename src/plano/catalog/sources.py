"""Where prices and latencies come from, as values: what `model_metrics_sources` says, or its defaults."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from plano.catalog.catalog import CATCH_ALL, Catalog, Found
from plano.catalog.names import ModelId
from plano.config.configuration import Configuration
from plano.config.schema import CostSource

PriceProvider = Literal["bundled", "digitalocean", "models.dev"]


@dataclass(frozen=True, slots=True)
class PriceSource:
    """Who says what models cost; without a configured one, the table that ships with a dependency."""

    provider: PriceProvider = "bundled"
    url: str | None = field(default=None, repr=False)
    """Instead of the provider's own; may hold a user and a password."""
    refresh_s: float | None = None
    aliases: Mapping[ModelId, tuple[str, ...]] = field(default_factory=dict)
    """Our model to the names that the source has for it."""


@dataclass(frozen=True, slots=True)
class LatencySource:
    """A Prometheus that knows how long models take."""

    url: str = field(repr=False)
    query: str
    refresh_s: float | None = None
    names: Mapping[str, ModelId] = field(default_factory=dict)
    """Every fixed name of a declared model, as a series may be labelled with it, to the model."""


@dataclass(frozen=True, slots=True)
class QuoteSources:
    """One source for each kind of quote."""

    prices: PriceSource = PriceSource()
    latencies: LatencySource | None = None
    """None: this gateway's own measurements."""

    @property
    def needs_tls(self) -> bool:
        """Whether a source is asked over TLS."""
        prices, latencies = self.prices, self.latencies
        asked = prices.provider != "bundled" and (prices.url or "https:").lower().startswith("https:")
        return asked or (latencies is not None and latencies.url.lower().startswith("https:"))


def quote_sources(configuration: Configuration, catalog: Catalog) -> QuoteSources:
    """What is configured; a default for what is not."""
    cost, latency = configuration.cost_source, configuration.latency_source
    prices = PriceSource()
    if cost is not None:
        aliases = price_aliases(cost, catalog)
        prices = PriceSource(cost.provider, cost.url, cost.refresh_interval, aliases)
    latencies = None
    if latency is not None and latency.url is not None and latency.query is not None:
        latencies = LatencySource(latency.url, latency.query, latency.refresh_interval, known_names(catalog))
    return QuoteSources(prices, latencies)


def known_names(catalog: Catalog) -> dict[str, ModelId]:
    """Every name that leads to exactly one model; members of wildcards have theirs in full."""
    models = (model for model in catalog.models if not model.is_wildcard)
    names = {name for model in models for name in (model.name, model.id, model.upstream_model)}
    names |= {alias for alias in catalog.aliases if alias != CATCH_ALL}
    found = {name: catalog.find(name) for name in names}
    return {name: each.id for name, each in found.items() if isinstance(each, Found)}


def price_aliases(source: CostSource | None, catalog: Catalog) -> dict[ModelId, tuple[str, ...]]:
    """`model_aliases` turned around: our models to the source's names for them.

    A name of ours that leads nowhere has been warned of.
    """
    aliases: dict[ModelId, tuple[str, ...]] = {}
    for theirs, ours in (source.model_aliases if source else {}).items():
        found = catalog.find(ours)
        model = found.id if isinstance(found, Found) and found.by != "catch_all" else ModelId(ours)
        aliases[model] = (*aliases.get(model, ()), theirs)
    return aliases
