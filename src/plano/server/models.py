"""GET /v1/models: what can be asked for, in OpenAI's list shape or in Anthropic's."""

from __future__ import annotations

import msgspec

from plano.catalog.catalog import CATCH_ALL, Catalog

CREATED = 0
"""Nobody knows when a declared model was made; the field is required by clients, so it is the epoch."""


def listed(catalog: Catalog) -> list[tuple[str, str]]:
    """Every name that can be asked for and who owns it: declared models, then aliases.

    A wildcard is listed as it is declared: its members are the provider's to name.
    """
    names = [(model.name, str(model.provider)) for model in catalog.models]
    names += [(alias, "plano") for alias in catalog.aliases if alias != CATCH_ALL]
    return names


def openai_list(catalog: Catalog) -> bytes:
    data = [
        {"id": name, "object": "model", "created": CREATED, "owned_by": owner}
        for name, owner in listed(catalog)
    ]
    return msgspec.json.encode({"object": "list", "data": data})


def anthropic_list(catalog: Catalog) -> bytes:
    data = [
        {"type": "model", "id": name, "display_name": name, "created_at": "1970-01-01T00:00:00Z"}
        for name, _ in listed(catalog)
    ]
    first, last = (data[0]["id"], data[-1]["id"]) if data else (None, None)
    return msgspec.json.encode({"data": data, "first_id": first, "last_id": last, "has_more": False})
