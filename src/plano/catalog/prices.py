"""What models cost, from the table that ships with a dependency: no network, and no date but its own.

Loading the table takes a tenth of a second or two and 30 MB; it is loaded when first asked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from plano.catalog.catalog import Found, Model
from plano.catalog.names import ModelId, ProviderId
from plano.catalog.providers import known_providers

if TYPE_CHECKING:
    from genai_prices.types import TieredPrices


@dataclass(frozen=True, slots=True)
class Price:
    """List prices in US dollars for a million tokens, at the lowest tier."""

    input_usd_per_mtok: float
    output_usd_per_mtok: float
    cached_usd_per_mtok: float | None = None
    """For input that the provider's prompt cache holds; None where it is not known."""
    cache_write_usd_per_mtok: float | None = None
    """For input that is put into the cache, at its ordinary lifetime; None where it is not known, which most
    often means that it is input like any other."""

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


def price_at(full: str, *, of_the_day: bool = True) -> Price | None:
    """What the provider takes for the model in `<provider>/<model id>`; None where it is not known.

    Some prices change with the date or the hour: those of now, or, not `of_the_day`, those of the moment
    the table was made, which are the same tomorrow.
    """
    provider, _, upstream_model = full.partition("/")
    return _price(ProviderId(provider), upstream_model, of_the_day=of_the_day)


def _price(provider_id: ProviderId, upstream_model: str, *, of_the_day: bool = True) -> Price | None:
    provider = known_providers().get(provider_id)
    if provider is None or provider.prices is None:
        return None
    from genai_prices import Usage, calc_price  # noqa: PLC0415 - 150 ms that only who asks should pay
    from genai_prices.data_snapshot import get_snapshot  # noqa: PLC0415 - as above

    thousand_each = Usage(input_tokens=1000, output_tokens=1000)
    moment = None if of_the_day else get_snapshot().timestamp
    try:
        price = calc_price(
            thousand_each, upstream_model, provider_id=provider.prices, genai_request_timestamp=moment
        )
    except (LookupError, ValueError):
        return None
    return Price(
        float(price.input_price) * 1000,
        float(price.output_price) * 1000,
        _lowest_tier(price.model_price.cache_read_mtok),
        _lowest_tier(price.model_price.cache_write_mtok),
    )


def _lowest_tier(rate: Decimal | TieredPrices | None) -> float | None:
    match rate:
        case None:
            return None
        case Decimal():
            return float(rate)
        case _:
            return float(rate.base)


def price_known_as(
    model: ModelId, aliases: Mapping[ModelId, tuple[str, ...]], *, of_the_day: bool = True
) -> Price | None:
    """The price of a model under the first of its aliases that has one, else under its own name."""
    priced = (price_at(name, of_the_day=of_the_day) for name in (*aliases.get(model, ()), model))
    return next((price for price in priced if price is not None), None)


def any_priced(candidates: Sequence[Found], aliases: Mapping[ModelId, tuple[str, ...]]) -> bool:
    """Whether prices can order them at all; `aliases`: what else the models are called in the table."""
    return any(price_known_as(found.id, aliases) is not None for found in candidates)


def table_facts() -> TableFacts:
    """The table's name and date."""
    from genai_prices import __version__  # noqa: PLC0415 - as above
    from genai_prices.data_snapshot import get_snapshot  # noqa: PLC0415 - as above

    return TableFacts(f"genai-prices {__version__}", get_snapshot().timestamp.date().isoformat())


def context_window(provider: str, upstream_model: str) -> int | None:
    """How many tokens a model takes, by the table's name of its provider; None where it is not known."""
    from genai_prices.data_snapshot import get_snapshot  # noqa: PLC0415 - as above

    try:
        _, model = get_snapshot().find_provider_model(upstream_model, None, provider, None)
    except (LookupError, ValueError):
        return None
    return model.context_window


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
