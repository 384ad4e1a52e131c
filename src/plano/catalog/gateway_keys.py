"""From a listener's `keys` to who may ask for what: every entry of a list linked, each dangling end told."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

from plano.catalog import linking
from plano.catalog.allowance import Allowance, is_pattern, matched, may_match_member, pattern_of
from plano.catalog.catalog import Catalog, Found
from plano.config.configuration import Configuration, KeyRow
from plano.config.problems import KeyPath

Fault: TypeAlias = tuple[KeyPath, str]


@dataclass(frozen=True, slots=True)
class GatewayKey:
    """Somebody who may ask, and for how much. None: as much as they like."""

    name: str
    """As configured; what logs and messages call it."""
    digest: bytes
    """SHA-256 of the key, which itself is nowhere."""
    owner: str
    """The tenant of its sessions."""
    allowance: Allowance | None = None
    """None: everything that is declared."""
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    max_concurrent: int | None = None
    max_usd_per_day: float | None = None

    @property
    def has_windows(self) -> bool:
        """Whether something is counted over a time."""
        limits = (self.requests_per_minute, self.tokens_per_minute, self.max_usd_per_day)
        return any(limit is not None for limit in limits)


def gateway_keys(configuration: Configuration, catalog: Catalog) -> tuple[GatewayKey, ...] | None:
    """Of a configuration that has been found right. None: anybody may ask."""
    rows = configuration.listener.keys
    if rows is None:
        return None
    names = linking.declared(catalog)
    return tuple(_key(row, names) for row in rows)


def _key(row: KeyRow, names: Catalog) -> GatewayKey:
    return GatewayKey(
        row.name,
        row.digest,
        row.owner or row.name,
        None if row.models is None else _allowance(row.models, names),
        row.requests_per_minute,
        row.tokens_per_minute,
        row.max_concurrent,
        row.max_usd_per_day,
    )


def _allowance(entries: tuple[str, ...], names: Catalog) -> Allowance:
    patterns = tuple(pattern_of(entry) for entry in entries if is_pattern(entry))
    linked = [found for entry in entries if isinstance(found := names.find(entry), Found)]
    declared = {found.model.name for found in linked if not found.model.is_wildcard}
    return Allowance(
        frozenset(declared).union(*(matched(pattern, names.models) for pattern in patterns)),
        frozenset(found.id for found in linked if found.model.is_wildcard),
        patterns,
    )


def faults_of_keys(
    configuration: Configuration, catalog: Catalog, is_lost: Callable[[str], bool]
) -> Iterator[Fault]:
    """What a listener's keys cannot mean. `is_lost`: whether a name is of an entry that is wrong itself."""
    rows = configuration.listener.keys
    if rows is None:
        return
    names = linking.declared(catalog)
    for row in rows:
        for entry, path in zip(row.models or (), row.paths, strict=True):
            fault = _dangling(entry, names)
            if fault is not None and not is_lost(entry):
                yield path, fault
    # With keys, what clients send as their credential is the gateway's own key, and no provider's.
    passing = {model.name for model in catalog.models if model.passthrough_auth}
    for provider in configuration.providers:
        if provider.name in passing:
            message = (
                f"{provider.name!r} would be sent the client's own credential, which is a gateway key where "
                "the listener has keys: give it an access_key, or take the keys away"
            )
            yield (*provider.path, "passthrough_auth" if provider.passthrough_auth else "model"), message


def _dangling(entry: str, names: Catalog) -> str | None:
    if not is_pattern(entry):
        found = linking.link(names, entry)
        return None if isinstance(found, Found) else found
    if matched(pattern_of(entry), names.models):
        return None
    if any(may_match_member(entry, model) for model in names.models if model.is_wildcard):
        return None
    return f"the pattern {entry[: linking.LONGEST_SHOWN]!r} fits the full name of no declared model"
