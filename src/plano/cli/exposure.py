"""Who could spend the providers' keys: everybody who reaches the port, unless callers are asked for keys."""

from __future__ import annotations

from ipaddress import ip_address

from plano.catalog.catalog import Catalog, Model

KEY_FIELDS = frozenset(("authorization", "x-api-key", "api-key"))
"""Header fields that a configuration may put a key into, by itself."""
MOST_NAMED = 5
"""Providers in the warning; more are counted."""


def exposure(address: str, port: int, catalog: Catalog, *, asks_for_keys: bool = False) -> str | None:
    """What to say when others than this machine can reach `address`, the one that is bound, and find keys.
    `asks_for_keys`: callers are authenticated."""
    if asks_for_keys:
        return None
    keyed = {model.provider: None for model in catalog.models if _holds_key(model)}
    if not keyed or is_loopback(address):
        return None
    named = ", ".join(list(keyed)[:MOST_NAMED])
    more = f" and {len(keyed) - MOST_NAMED} more" if len(keyed) > MOST_NAMED else ""
    place = f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
    return (
        f"callers are not authenticated: whoever reaches {place} can spend the keys of {named}{more}; "
        "listen on 127.0.0.1 (--host, or the listener's address), or ask for keys (listeners[].keys)"
    )


def _holds_key(model: Model) -> bool:
    has_key = model.access_key is not None and not model.passthrough_auth
    return has_key or any(name.lower() in KEY_FIELDS for name in model.headers)


def is_loopback(address: str) -> bool:
    """Whether only this machine can reach `address`."""
    found = ip_address(address.partition("%")[0])
    inner = getattr(found, "ipv4_mapped", None)
    return (inner or found).is_loopback
