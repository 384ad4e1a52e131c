"""Prices from models.dev: one document with all providers, their models, and US dollars for a million tokens.

https://models.dev/api.json is an object `{provider: {"models": {model: {"cost": {"input", "output", …}}}}}`;
`cache_read` and `cache_write` may stand beside. A price of 0 is one: there are free models. Prices of longer
contexts and of audio are left out.
"""

from __future__ import annotations

import msgspec

from plano.catalog.names import ModelId
from plano.catalog.prices import Price
from plano.catalog.providers import known_providers
from plano.quotes.fetch import Fetch, SourceFailed
from plano.quotes.reading import UNUSABLE, Reading, checked_price, decoded, offloaded

URL = "https://models.dev/api.json"
_EXPECTED = "an object of providers with their models"


class _Cost(msgspec.Struct):
    input: float
    output: float
    cache_read: object = None
    cache_write: object = None


class _Model(msgspec.Struct):
    cost: _Cost | None = None


class _Provider(msgspec.Struct):
    models: dict[str, msgspec.Raw] = {}


async def read(fetch: Fetch, url: str | None) -> Reading[Price]:
    """Raises SourceFailed."""
    return await offloaded(parse, await fetch.get(url or URL))


def parse(document: bytes) -> Reading[Price]:
    """Prices by `provider/model` in models.dev's words. Raises SourceFailed for another form.

    Taken apart level by level, so that no single step holds the interpreter for more than a few milliseconds.
    """
    prices: dict[str, Price] = {}
    ignored = 0
    for provider, raw in decoded(document, dict[str, msgspec.Raw], expected=_EXPECTED).items():
        try:
            models = msgspec.json.decode(raw, type=_Provider).models
        except UNUSABLE:
            ignored += 1
            continue
        ignored += _add(prices, provider, models)
    if not prices:
        raise SourceFailed(f"the answer holds no price; expected {_EXPECTED}")
    return Reading(prices, ignored)


def keys_of(model: ModelId) -> tuple[str, ...]:
    """What models.dev may call a model of ours."""
    provider, _, name = model.partition("/")
    row = known_providers().get(provider)
    if row is None or row.models_dev is None:
        return (model,)
    return (f"{row.models_dev}/{name}", model)


def _add(prices: dict[str, Price], provider: str, models: dict[str, msgspec.Raw]) -> int:
    """One provider's prices; returns how many of them could not be used."""
    ignored = 0
    for name, entry in models.items():
        try:
            cost = msgspec.json.decode(entry, type=_Model).cost
            if cost is not None:
                prices[f"{provider}/{name}"] = checked_price(
                    cost.input, cost.output, cost.cache_read, cost.cache_write
                )
        except UNUSABLE:
            ignored += 1
    return ignored
