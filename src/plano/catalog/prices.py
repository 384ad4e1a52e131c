"""What models cost, from the table that ships with a dependency: no network, and no date but its own.

Loading the table takes a tenth of a second or two and 30 MB; it is loaded when first asked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from plano.catalog.catalog import Found, Model
from plano.catalog.names import ModelId, ProviderId
from plano.catalog.providers import known_providers


@dataclass(frozen=True, slots=True)
class Price:
    """List prices in US dollars for a million tokens, at the lowest tier."""

    input_usd_per_mtok: float
    output_usd_per_mtok: float

    @property
    def both(self) -> float:
        """What `cheapest` compares."""
        return self.input_usd_per_mtok + self.output_usd_per_mtok


@dataclass(frozen=True, slots=True)
class TableFacts:
    """Which table it is."""

    name: str
    """With its version: `genai-prices 0.2.3`."""
    date: str
    """When it was made: `2026-11-22`."""


def price_of(model: Model, upstream_model: str | None = None) -> Price | None:
    """The price of a model, or of a wildcard's member; None where it is not known."""
    return _price(model.provider, upstream_model or model.upstream_model)


def price_at(full: str) -> Price | None:
    """What the provider takes for the model in `<provider>/<model id>`; None where it is not known."""
    provider, _, upstream_model = full.partition("/")
    return _price(ProviderId(provider), upstream_model)


def _price(provider_id: ProviderId, upstream_model: str) -> Price | None:
    provider = known_providers().get(provider_id)
    if provider is None or provider.prices is None:
        return None
    from genai_prices import Usage, calc_price  # noqa: PLC0415 - 150 ms that only who asks should pay

    thousand_each = Usage(input_tokens=1000, output_tokens=1000)
    try:
        price = calc_price(thousand_each, upstream_model, provider_id=provider.prices)
    except (LookupError, ValueError):
        return None
    return Price(float(price.input_price) * 1000, float(price.output_price) * 1000)


def price_known_as(model: ModelId, aliases: Mapping[ModelId, tuple[str, ...]]) -> Price | None:
    """The price of a model under the first of its aliases that has one, else under its own name."""
    priced = (price_at(name) for name in (*aliases.get(model, ()), model))
    return next((price for price in priced if price is not None), None)


def any_priced(candidates: Sequence[Found], aliases: Mapping[ModelId, tuple[str, ...]]) -> bool:
    """Whether prices can order them at all; `aliases`: what else the models are called in the table."""
    return any(price_known_as(found.id, aliases) is not None for found in candidates)


def table_facts() -> TableFacts:
    """The table's name and date."""
    from genai_prices import __version__  # noqa: PLC0415 - as above
    from genai_prices.data_snapshot import get_snapshot  # noqa: PLC0415 - as above

    return TableFacts(f"genai-prices {__version__}", get_snapshot().timestamp.date().isoformat())


def known_members(model: Model) -> tuple[str, ...]:
    """The models under a wildcard that the table knows, in full; a provider may have others."""
    provider = known_providers().get(model.provider)
    if provider is None or provider.prices is None:
        return ()
    from genai_prices.data_snapshot import get_snapshot  # noqa: PLC0415 - as above

    prefix = model.id.removesuffix("*")
    return tuple(
        full
        for known in get_snapshot().providers
        if known.id == provider.prices
        for entry in known.models
        if not entry.deprecated and (full := f"{model.provider}/{entry.id}").startswith(prefix)
    )
