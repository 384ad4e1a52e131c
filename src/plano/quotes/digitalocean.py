"""Prices from DigitalOcean's public model catalogue; no key is needed.

An answer is `{"data": [{"model_id", "creator", "pricing": {…}}], "meta": {"page", "pages"}}`, with further
pages under `?page=`. The fields are called `…_price_per_million`, but what they hold are US dollars for
one token (2.5e-06 for 2.50 a million). Should that be put right one day, it shows: no price is below
a tenth of a cent for a million tokens, and none above a tenth of a cent for one.
"""

from __future__ import annotations

import msgspec

from plano.catalog.names import ModelId
from plano.catalog.prices import Price
from plano.quotes.fetch import Fetch, SourceFailed, with_query
from plano.quotes.reading import UNUSABLE, Reading, checked_price, decoded, offloaded

URL = "https://api.digitalocean.com/v2/gen-ai/models/catalog?limit=200"
MOST_PAGES = 20
"""4,000 models; the catalogue has some hundred. A catalogue that always has one more page is broken."""
BETWEEN_UNITS = 0.001
"""Below it a model's prices are for one token, from it on for a million."""
_EXPECTED = "an object with a list of models in 'data'"


class _Pricing(msgspec.Struct):
    input_price_per_million: float
    output_price_per_million: float
    cache_read_input_price_per_million: object = None
    input_cache_read: object = None
    """The same under the name that newer entries have."""


class _Model(msgspec.Struct):
    model_id: str
    creator: str | None = None
    pricing: _Pricing | None = None


class _Meta(msgspec.Struct):
    pages: int = 1


class _Page(msgspec.Struct):
    data: list[msgspec.Raw]
    meta: _Meta | None = None


async def read(fetch: Fetch, url: str | None) -> Reading[Price]:
    """All pages. Raises SourceFailed."""
    first, pages = await offloaded(parse, await fetch.get(url or URL))
    prices, ignored = dict(first.values), first.ignored
    for number in range(2, min(pages, MOST_PAGES) + 1):
        page, _ = await offloaded(parse, await fetch.get(with_query(url or URL, "page", str(number))))
        prices |= page.values
        ignored += page.ignored
    if not prices:
        raise SourceFailed(f"the answer holds no price; expected {_EXPECTED}")
    return Reading(prices, ignored)


def parse(document: bytes) -> tuple[Reading[Price], int]:
    """One page, by `model_id` and by `<creator, lower case>/<model_id>`, and how many pages there are.

    Raises SourceFailed for another form.
    """
    page = decoded(document, _Page, expected=_EXPECTED)
    prices: dict[str, Price] = {}
    ignored = 0
    for entry in page.data:
        try:
            model = msgspec.json.decode(entry, type=_Model)
            price = _price(model)
        except UNUSABLE:
            ignored += 1
            continue
        if price is not None:
            prices[model.model_id] = price
            if model.creator:
                prices[f"{model.creator.lower()}/{model.model_id}"] = price
    return Reading(prices, ignored), page.meta.pages if page.meta else 1


def keys_of(model: ModelId) -> tuple[str, ...]:
    """What the catalogue may call a model of ours."""
    return (model.removeprefix("digitalocean/"),)


def _price(model: _Model) -> Price | None:
    """None where there is none; both prices at 0 say that nobody has filled them in."""
    pricing = model.pricing
    if pricing is None:
        return None
    amounts = (pricing.input_price_per_million, pricing.output_price_per_million)
    if not any(amounts):
        return None
    factor = 1e6 if max(amounts) < BETWEEN_UNITS else 1.0
    put_in, put_out = (round(amount * factor, 9) for amount in amounts)
    return checked_price(put_in, put_out, _cached(pricing, factor))


def _cached(pricing: _Pricing, factor: float) -> float | None:
    """What is read from the cache; 0, here too, says that nobody has filled it in."""
    for amount in (pricing.cache_read_input_price_per_million, pricing.input_cache_read):
        if isinstance(amount, int | float) and amount:
            return round(amount * factor, 9)
    return None
