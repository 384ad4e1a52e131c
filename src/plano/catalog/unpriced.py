"""Ceilings on money that cannot see all of it: keys with one that may use models without a known price."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from plano.catalog.allowance import Allowance, is_pattern, may_match_member
from plano.catalog.catalog import Catalog, Model
from plano.catalog.gateway_keys import Fault, gateway_keys
from plano.catalog.names import ModelId
from plano.catalog.prices import known_members, price_known_as
from plano.catalog.sources import price_aliases
from plano.config.configuration import Configuration, KeyRow

MOST_NAMED: Final = 5
"""Models in a warning; more are counted."""
FREE: Final = "simulated"
"""A provider that costs nothing, and needs no price."""


def unpriced_ceilings(configuration: Configuration, catalog: Catalog) -> Iterator[Fault]:
    """What to say of `max_usd_per_day`. Prices of another source than the bundled one are not known before it
    was asked, and nothing is said."""
    source = configuration.cost_source
    if source is not None and source.provider != "bundled":
        return
    aliases = price_aliases(source, catalog)
    rows = configuration.listener.keys or ()
    for row, key in zip(rows, gateway_keys(configuration, catalog) or (), strict=True):
        names = [] if key.max_usd_per_day is None else list(_unpriced(row, key.allowance, catalog, aliases))
        if names:
            more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
            message = (
                f"{row.name!r} may use models without a known price, which are not counted: "
                f"{', '.join(names[:MOST_NAMED])}{more}; leave them out of its models, or limit its tokens"
            )
            yield (*row.path, "max_usd_per_day"), message


def _unpriced(
    row: KeyRow, allowance: Allowance | None, catalog: Catalog, aliases: Mapping[ModelId, tuple[str, ...]]
) -> Iterator[str]:
    """By their full names, each once. A wildcard is one where nothing is known of its provider's prices."""
    usable = {model.id: model for model in catalog.models if _is_usable(row, allowance, model)}
    for model in usable.values():
        priced = known_members(model) if model.is_wildcard else price_known_as(model.id, aliases)
        if not priced and model.provider != FREE:
            yield model.id
    for member in sorted(allowance.members if allowance is not None else ()):
        if price_known_as(ModelId(member), aliases) is None:
            yield member


def _is_usable(row: KeyRow, allowance: Allowance | None, model: Model) -> bool:
    """A wildcard: by a pattern; members that are named speak for themselves."""
    if allowance is None:
        return True
    if not model.is_wildcard:
        return model.name in allowance.declared
    return any(is_pattern(entry) and may_match_member(entry, model) for entry in row.models or ())
