"""From a name that somebody wrote to the model it means, or to what is wrong with it.

One rule for the configuration and for the routes that a request brings: a candidate is declared,
and the alias that answers to any name makes nothing declared.
"""

from __future__ import annotations

from collections.abc import Iterable

from plano.catalog.allowance import Allowance
from plano.catalog.catalog import CATCH_ALL, Catalog, Found, Missing
from plano.config.model_names import is_wildcard

LONGEST_SHOWN = 120
"""How much of a wrong name a message repeats."""


def declared(catalog: Catalog) -> Catalog:
    """The catalog that links are looked up in: the same without the catch-all."""
    if CATCH_ALL not in catalog.aliases:
        return catalog
    named = {alias: found for alias, found in catalog.aliases.items() if alias != CATCH_ALL}
    return Catalog(catalog.models, named)


def link(names: Catalog, name: str, allowance: Allowance | None = None) -> Found | str:
    """What `name` leads to in a catalog that is `declared`; a text says why that is not one model, without
    names that whoever reads it may not use."""
    match names.find(name):
        case Found() as found:
            return found
        case Missing() as missing:
            return _wrong(name, missing if allowance is None else shown_to(allowance, missing, names))


def shown_to(allowance: Allowance, missing: Missing, names: Catalog) -> Missing:
    """Without names that the caller may not use."""

    def may(name: str) -> bool:
        found = names.find(name)
        return isinstance(found, Found) and allowance.allows(found.model, found.id)

    return Missing(tuple(filter(may, missing.near)), tuple(filter(may, missing.ambiguous)))


def distinct(candidates: Iterable[Found]) -> tuple[Found, ...]:
    """Each model once, however many of its names are listed, in the order of the first."""
    first: dict[tuple[str, str], Found] = {}
    for found in candidates:
        first.setdefault((found.model.name, found.id), found)
    return tuple(first.values())


def _wrong(name: str, missing: Missing) -> str:
    shown = repr(name[:LONGEST_SHOWN])
    if is_wildcard(name):
        return f"expected one model; got the wildcard {shown}: name one of its models"
    if missing.ambiguous:
        choices = ", ".join(missing.ambiguous)
        return f"{shown} is the id of several declared models: name one of {choices}"
    near = f" (did you mean {missing.near[0]!r}?)" if missing.near else ""
    return f"{shown} is not a declared model{near}"
