"""The file's generations into one form: old names, old listeners, routes written under their models.

Nothing is judged here but what migration itself cannot carry; every row keeps the place where it
was written, also where it has moved.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import TypeVar

from plano.config.configuration import (
    DEFAULT_PORT,
    DEFAULT_TIMEOUT_S,
    Configuration,
    KeyRow,
    Listener,
    NameAt,
    ProviderRow,
    RouteRow,
)
from plano.config.document import Document
from plano.config.limits import NAMES, read_limits
from plano.config.model_names import is_wildcard
from plano.config.problems import KeyPath, Problem
from plano.config.schema import (
    GatewayKey,
    InlinePreference,
    LegacyListener,
    LegacyListeners,
    Provider,
    RoutingPreference,
)
from plano.config.schema import Listener as WrittenListener
from plano.config.soundness import Sound

Entry = TypeVar("Entry")


@dataclass(slots=True)
class Migration:
    """What has become of a file, and what was to be said about it on the way."""

    configuration: Configuration
    problems: list[Problem] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def wrong(self, path: KeyPath, message: str, *, at_key: bool = False) -> None:
        self.problems.append(self.configuration.problem(path, message, at_key=at_key))

    def warn(self, path: KeyPath, message: str, *, at_key: bool = False) -> None:
        self.warnings.append(self.configuration.note(path, message, at_key=at_key))


def migrate(source: str, sound: Sound, document: Document) -> Migration:
    """The configuration that the sound part of a file means."""
    file = sound.file
    migration = Migration(
        Configuration(
            source,
            aliases={alias: row.target for alias, row in file.model_aliases.items()},
            alias_fallbacks=_alias_fallbacks(sound),
            routing=file.routing,
            overrides=file.overrides,
            prompt_caching=file.prompt_caching,
            metrics_sources=tuple(file.model_metrics_sources),
            document=document,
        )
    )
    listener = _listener(sound, migration)
    written = _providers(sound, migration)
    providers = tuple(_provider_row(provider, path, sound) for path, provider in written)
    migration.configuration = replace(
        migration.configuration,
        listener=listener,
        providers=providers,
        routes=_routes(sound, written, migration),
    )
    return migration


def numbered(entries: Iterable[Entry], path: KeyPath, sound: Sound) -> Iterator[tuple[KeyPath, Entry]]:
    """Each entry of a list with its path in the file, where others may have been left out."""
    kept = sound.indices.get(path)
    for index, entry in enumerate(entries):
        yield (*path, kept[index] if kept else index), entry


def _listener(sound: Sound, migration: Migration) -> Listener:
    written = sound.file.listeners
    if isinstance(written, LegacyListeners):
        migration.warn(
            ("listeners",), "deprecated form: write a list of listeners with a 'type'", at_key=True
        )
        return _legacy_listener(written.egress_traffic or LegacyListener())
    ours = [
        (path, row) for path, row in numbered(written or (), ("listeners",), sound) if row.type == "model"
    ]
    for path, _ in ours[1:]:
        migration.wrong(path, "expected one listener of type 'model'; got another one")
    if not ours:
        return Listener()
    path, row = ours[0]
    return replace(_model_listener(path, row, migration), keys=_keys(row, (*path, "keys"), sound))


def _keys(written: WrittenListener, path: KeyPath, sound: Sound) -> tuple[KeyRow, ...] | None:
    if written.keys is None:
        return None
    return tuple(_key_row(row, place, sound) for place, row in numbered(written.keys, path, sound))


def _key_row(written: GatewayKey, path: KeyPath, sound: Sound) -> KeyRow:
    models = None if written.models is None else list(numbered(written.models, (*path, "models"), sound))
    return KeyRow(
        written.name,
        bytes.fromhex(written.hash.removeprefix("sha256:")),
        path,
        written.owner,
        None if models is None else tuple(model for _, model in models),
        () if models is None else tuple(place for place, _ in models),
        written.requests_per_minute,
        written.tokens_per_minute,
        written.max_concurrent,
        written.max_usd_per_day,
    )


def _legacy_listener(written: LegacyListener) -> Listener:
    return Listener(
        "egress_traffic",
        written.address,
        DEFAULT_PORT if written.port is None else written.port,
        written.timeout or DEFAULT_TIMEOUT_S,
    )


def _model_listener(path: KeyPath, written: WrittenListener, migration: Migration) -> Listener:
    limits: dict[str, float | int] = {}
    for name, value, problem in read_limits(written.limits):
        if problem is not None or value is None:
            migration.wrong((*path, "limits", name), problem or "", at_key=name not in NAMES)
        else:
            limits[name] = value
    return Listener(
        written.name,
        written.address,
        DEFAULT_PORT if written.port is None else written.port,
        written.timeout or DEFAULT_TIMEOUT_S,
        limits,
        written.max_retries,
    )


def _providers(sound: Sound, migration: Migration) -> list[tuple[KeyPath, Provider]]:
    file = sound.file
    if file.llm_providers is None:
        return list(numbered(file.model_providers or (), ("model_providers",), sound))
    path: KeyPath = ("llm_providers",)
    if file.model_providers is not None:
        both = (
            "Please provide either llm_providers or model_providers, not both (llm_providers is deprecated)"
        )
        migration.wrong(path, both, at_key=True)
        return list(numbered(file.model_providers, ("model_providers",), sound))
    migration.warn(path, "deprecated: write model_providers", at_key=True)
    return list(numbered(file.llm_providers, path, sound))


def _alias_fallbacks(sound: Sound) -> dict[str, tuple[NameAt, ...]]:
    return {
        alias: _names_at(row.fallbacks, ("model_aliases", alias, "fallbacks"), sound)
        for alias, row in sound.file.model_aliases.items()
        if row.fallbacks is not None
    }


def _names_at(names: Iterable[str], path: KeyPath, sound: Sound) -> tuple[NameAt, ...]:
    return tuple(NameAt(name, place) for place, name in numbered(names, path, sound))


def _provider_row(written: Provider, path: KeyPath, sound: Sound) -> ProviderRow:
    return ProviderRow(
        written.model,
        written.name or written.model,
        path,
        written.access_key,
        written.default,
        written.base_url,
        written.passthrough_auth,
        written.http_host,
        written.provider_interface,
        written.headers,
        _names_at(written.fallbacks, (*path, "fallbacks"), sound),
        written.capabilities,
    )


def _routes(
    sound: Sound, providers: list[tuple[KeyPath, Provider]], migration: Migration
) -> tuple[RouteRow, ...]:
    path: KeyPath = ("routing_preferences",)
    routes: dict[str, RouteRow] = {}
    for place, written in numbered(sound.file.routing_preferences, path, sound):
        routes.setdefault(written.name, _route_row(written, place, sound))
    declared = frozenset(routes)
    for place, provider, preference in _inline(sound, providers, migration):
        if preference.name in declared:
            migration.warn(place, f"{preference.name!r} is ignored here: routing_preferences has it already")
        else:
            _lift(preference, place, provider, routes, migration)
    return tuple(_described(route, migration) for route in routes.values())


def _route_row(written: RoutingPreference, path: KeyPath, sound: Sound) -> RouteRow:
    models = list(numbered(written.models, (*path, "models"), sound))
    return RouteRow(
        written.name,
        written.description,
        tuple(model for _, model in models),
        tuple(place for place, _ in models),
        path,
        written.selection_policy.prefer if written.selection_policy else "none",
        tuple(written.examples),
    )


def _inline(
    sound: Sound, providers: list[tuple[KeyPath, Provider]], migration: Migration
) -> Iterator[tuple[KeyPath, ProviderRow, InlinePreference]]:
    """The routes written under models, each with the model."""
    said = False
    for path, provider in providers:
        place: KeyPath = (*path, "routing_preferences")
        if not provider.routing_preferences:
            continue
        if is_wildcard(provider.model):
            migration.wrong(
                place,
                f"Model {provider.model} has routing_preferences but uses wildcard (*):"
                " a route needs models of one name each; write it under routing_preferences at the top",
                at_key=True,
            )
            continue
        if not said:
            said = True
            migration.warn(place, "deprecated form: write routing_preferences at the top", at_key=True)
        row = _provider_row(provider, path, sound)
        for where, preference in numbered(provider.routing_preferences, place, sound):
            yield where, row, preference


def _lift(
    written: InlinePreference,
    path: KeyPath,
    provider: ProviderRow,
    routes: dict[str, RouteRow],
    migration: Migration,
) -> None:
    """Routes of one name become one: models in the order of declaration, the first description."""
    route = routes.get(written.name)
    if route is None:
        models = RouteRow(
            written.name, written.description, (provider.name,), ((*provider.path, "model"),), path
        )
        routes[written.name] = models
        return
    if written.description and route.description and written.description != route.description:
        message = f"the description of {written.name!r} differs from its first one, which is kept"
        migration.warn((*path, "description"), message)
    if provider.name not in route.models:
        routes[written.name] = replace(
            route,
            description=route.description or written.description,
            models=(*route.models, provider.name),
            paths=(*route.paths, (*provider.path, "model")),
        )


def _described(route: RouteRow, migration: Migration) -> RouteRow:
    if route.description.strip():
        return route
    migration.warn(route.path, f"the route {route.name!r} has no description; its name stands for one")
    return replace(route, description=route.name)
