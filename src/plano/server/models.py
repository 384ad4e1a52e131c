"""GET /v1/models: what can be asked for, in OpenAI's list shape or in Anthropic's."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import NamedTuple

import msgspec

from plano.catalog.allowance import Allowance
from plano.catalog.catalog import CATCH_ALL, Catalog, Found, Model
from plano.catalog.prices import known_members
from plano.server import problems

CREATED = 0
"""Nobody knows when a declared model was made; the field is required by clients, so it is the epoch."""
ALIAS_OWNER = "plano"
Members = Callable[[Model], Iterable[str]]
"""The models under a wildcard, in full, as far as they are known."""


class Lists(NamedTuple):
    """The same list in both shapes, as bodies."""

    openai: bytes
    anthropic: bytes


class Listings:
    """The lists of a catalog: the whole, and what each allowance leaves of it."""

    __slots__ = ("_catalog", "_within", "whole")

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self.whole = Listing(catalog)
        self._within: dict[Allowance, Listing] = {}

    def within(self, allowance: Allowance | None) -> Listing:
        """Of what may be used; None: of everything."""
        if allowance is None:
            return self.whole
        listing = self._within.get(allowance)
        if listing is None:
            listing = self._within[allowance] = Listing(self._catalog, allowance=allowance)
        return listing


class Listing:
    """The lists of a catalog, made once, when they are first asked for."""

    __slots__ = ("_allowance", "_catalog", "_lists", "_members")

    def __init__(
        self, catalog: Catalog, members: Members = known_members, *, allowance: Allowance | None = None
    ) -> None:
        self._allowance = allowance
        self._catalog = catalog
        self._members = members
        self._lists: asyncio.Future[Lists] | None = None

    async def lists(self) -> Lists:
        """Off the loop, since knowing the members of a wildcard takes a table that loads slowly.
        Who asks meanwhile waits for the same; who leaves does not stop it for the others.

        While the table cannot be loaded the lists lack those members, and whoever asks next tries again.
        """
        making = self._lists
        if making is None:
            loop = asyncio.get_running_loop()
            making = self._lists = loop.run_in_executor(
                None, lists_of, self._catalog, self._members, self._allowance
            )
        try:
            return await asyncio.shield(making)
        except Exception as error:  # noqa: BLE001 - a library's table: it may fail in any way, the list must not
            if self._lists is making:
                self._lists = None
                problems.log.warning("GET /v1/models lists no members of wildcards: %r", error)
            return lists_of(self._catalog, _no_members, self._allowance)


def lists_of(catalog: Catalog, members: Members, allowance: Allowance | None = None) -> Lists:
    names = listed(catalog, members)
    if allowance is not None:
        names = {name: owner for name, owner in names.items() if _may_ask(catalog, name, allowance)}
    return Lists(_openai_list(names), _anthropic_list(names))


def listed(catalog: Catalog, members: Members) -> dict[str, str]:
    """Every name that can be asked for and who owns it: declared models, aliases, then the members
    that are known of each wildcard (its provider may have others)."""
    # A wildcard's own name leads nowhere, so it is shown as what may be filled in.
    names = {m.id if m.is_wildcard else m.name: str(m.provider) for m in catalog.models}
    names |= {alias: ALIAS_OWNER for alias in catalog.aliases if alias != CATCH_ALL}
    for model in catalog.models:
        if model.is_wildcard:
            for member in members(model):
                names.setdefault(member, str(model.provider))
    return names


def _may_ask(catalog: Catalog, name: str, allowance: Allowance) -> bool:
    """Whether a listed name leads to what may be used. A wildcard's own leads nowhere: it is shown where all
    of it may be."""
    found = catalog.find(name)
    if isinstance(found, Found) and found.by != "catch_all":
        return allowance.allows(found.model, found.id)
    return any(pattern.fullmatch(name) for pattern in allowance.patterns)


def _no_members(_: Model) -> tuple[str, ...]:
    return ()


def _openai_list(names: dict[str, str]) -> bytes:
    data = [
        {"id": name, "object": "model", "created": CREATED, "owned_by": owner}
        for name, owner in names.items()
    ]
    return msgspec.json.encode({"object": "list", "data": data})


def _anthropic_list(names: dict[str, str]) -> bytes:
    data = [
        {"type": "model", "id": name, "display_name": name, "created_at": "1970-01-01T00:00:00Z"}
        for name in names
    ]
    first, last = (data[0]["id"], data[-1]["id"]) if data else (None, None)
    return msgspec.json.encode({"data": data, "first_id": first, "last_id": last, "has_more": False})
