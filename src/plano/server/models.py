"""GET /v1/models: what can be asked for, in OpenAI's list shape or in Anthropic's."""

from __future__ import annotations

import asyncio
from typing import NamedTuple

import msgspec

from plano.catalog.catalog import CATCH_ALL, Catalog
from plano.catalog.prices import known_members

CREATED = 0
"""Nobody knows when a declared model was made; the field is required by clients, so it is the epoch."""
ALIAS_OWNER = "plano"


class Lists(NamedTuple):
    """The same list in both shapes, as bodies."""

    openai: bytes
    anthropic: bytes


class Listing:
    """The lists of a catalog, made once, when they are first asked for."""

    __slots__ = ("_catalog", "_lists")

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._lists: asyncio.Future[Lists] | None = None

    async def lists(self) -> Lists:
        """Off the loop, since knowing the members of a wildcard takes a table that loads slowly.
        Who asks meanwhile waits for the same; who leaves does not stop it for the others."""
        if self._lists is None:
            loop = asyncio.get_running_loop()
            self._lists = loop.run_in_executor(None, lists_of, self._catalog)
        return await asyncio.shield(self._lists)


def lists_of(catalog: Catalog) -> Lists:
    names = listed(catalog)
    return Lists(_openai_list(names), _anthropic_list(names))


def listed(catalog: Catalog) -> dict[str, str]:
    """Every name that can be asked for and who owns it: declared models, aliases, then the members
    that are known of each wildcard (its provider may have others)."""
    # A wildcard's own name leads nowhere, so it is shown as what may be filled in.
    names = {m.id if m.is_wildcard else m.name: str(m.provider) for m in catalog.models}
    names |= {alias: ALIAS_OWNER for alias in catalog.aliases if alias != CATCH_ALL}
    for model in catalog.models:
        if model.is_wildcard:
            for member in known_members(model):
                names.setdefault(member, str(model.provider))
    return names


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
