"""What must hold between the parts of a file, and of it with the machine it is read on.

Each rule yields the path at fault and what to say; a rule never stops another. What needs the
providers' table or the linked names is checked by the catalog.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from plano.config.configuration import Configuration, ProviderRow
from plano.config.migrate import numbered
from plano.config.model_names import NOT_NAMED, is_declarable, is_wildcard, suggest_full, what_is_wrong
from plano.config.problems import KeyPath
from plano.config.schema import CostSource, LatencySource, LegacyListener, LegacyListeners
from plano.config.soundness import Sound
from plano.config.texts import read_bytes
from plano.redis_url import AddressInvalid, parse_address

Fault = tuple[KeyPath, str]
_OWNER: Final = re.compile(r"[\x21-\x7e]{1,256}")
"""What a tenant of sessions may be called."""
_EVERYWHERE: Final = ("0.0.0.0", "::", "*")  # noqa: S104 - recognised, not bound


def broken_rules(configuration: Configuration, sound: Sound) -> Iterator[Fault]:
    """Everything that would fail later, found now."""
    for rule in RULES:
        yield from rule(configuration, sound)


def model_names(configuration: Configuration, _: Sound) -> Iterator[Fault]:
    """A model says whose it is."""
    for row in configuration.providers:
        if not is_declarable(row.model):
            full, fault = suggest_full(row.model), what_is_wrong(row.model)
            hint = f" (did you mean {full!r}?)" if full else f" ({fault})" if fault else ""
            message = (
                f"Invalid model name {row.model[:120]}. Please provide model name in the format "
                f"<provider>/<model_id> or <provider>/* for wildcards.{hint}"
            )
            yield (*row.path, "model"), message


def unique_names(configuration: Configuration, sound: Sound) -> Iterator[Fault]:
    """A name means one entry."""
    providers = "model_providers" if sound.file.model_providers is not None else "llm_providers"
    yield from _given_twice(
        configuration,
        _written(configuration, providers, ("name", "model")),
        "Duplicate model_provider name {name} (first on line {line}); give each its own 'name'",
    )
    yield from _given_twice(
        configuration,
        _written(configuration, "routing_preferences", ("name",)),
        "Duplicate routing preference name {name} (first on line {line})",
    )


def _given_twice(
    configuration: Configuration, names: Iterable[tuple[KeyPath, str]], message: str
) -> Iterator[Fault]:
    first: dict[str, KeyPath] = {}
    for path, name in names:
        if name in first:
            line = configuration.document.place_of(first[name]).line
            yield path, message.format(name=name, line=line)
        else:
            first[name] = path


def _written(configuration: Configuration, section: str, keys: Sequence[str]) -> Iterator[Fault]:
    """Of each entry of a list, as it is written, what the first of `keys` that it has says, and where:
    an entry with a mistake elsewhere has a name, too."""
    data = configuration.document.data
    entries = data.get(section) if isinstance(data, dict) else None
    for index, entry in enumerate(entries if isinstance(entries, list) else ()):
        key = next((key for key in keys if isinstance(entry, dict) and entry.get(key)), None)
        if key is not None and isinstance(entry[key], str):
            yield (section, index, key), entry[key]


def takeable_names(configuration: Configuration, _: Sound) -> Iterator[Fault]:
    """A name must not be what clients send to leave the choice to the router."""
    named = [(_named_at(configuration, row), row.name) for row in configuration.providers]
    aliases: list[tuple[KeyPath, str]] = [
        (("model_aliases", alias), alias) for alias in configuration.aliases
    ]
    for path, name in named + aliases:
        if name in NOT_NAMED:
            yield path, f"{name!r} leaves the choice to the router and cannot be the name of a model"


def _named_at(configuration: Configuration, row: ProviderRow) -> KeyPath:
    path = (*row.path, "name")
    return path if configuration.is_written(path) else (*row.path, "model")


def one_default(configuration: Configuration, _: Sound) -> Iterator[Fault]:
    """What nothing else decides goes to one model."""
    defaults = [row for row in configuration.providers if row.is_default]
    for row in defaults:
        if is_wildcard(row.model):
            yield (
                (*row.path, "default"),
                f"Model {row.model} is configured as default but uses wildcard (*): name one model",
            )
    for row in defaults[1:]:
        line = configuration.document.place_of((*defaults[0].path, "default")).line
        yield (*row.path, "default"), f"expected one default; got a second one (first on line {line})"


def ports(_: Configuration, sound: Sound) -> Iterator[Fault]:
    """Two listeners cannot have one port of one address."""
    taken: list[tuple[str, int]] = []
    for path, address, port in _declared_ports(sound):
        for other, other_port in taken:
            same = address == other or address in _EVERYWHERE or other in _EVERYWHERE
            if port == other_port and port != 0 and same:
                yield (*path, "port"), f"the port {port} is already taken by a listener above"
                break
        taken.append((address, port))


def _declared_ports(sound: Sound) -> Iterator[tuple[KeyPath, str, int]]:
    written = sound.file.listeners
    if isinstance(written, LegacyListeners):
        for name in ("egress_traffic", "ingress_traffic"):
            listener: LegacyListener | None = getattr(written, name)
            if listener is not None and listener.port is not None:
                yield ("listeners", name), listener.address, listener.port
        return
    for path, row in numbered(written or (), ("listeners",), sound):
        if row.port is not None:
            yield path, row.address, row.port


def limits_once(configuration: Configuration, _: Sound) -> Iterator[Fault]:
    """A limit that has a key of its own is not set twice."""
    places = configuration.document.places
    for path in [path for path in places if path[:1] == ("listeners",) and path[2:3] == ("limits",)]:
        if path[3:] == ("exchange_s",) and (*path[:2], "timeout") in places:
            yield path, "expected this limit once; the listener's 'timeout' sets it too"
        if path[3:] == ("connect_s",) and ("overrides", "upstream_connect_timeout") in places:
            yield path, "expected this limit once; overrides.upstream_connect_timeout sets it too"


def gateway_keys(configuration: Configuration, _: Sound) -> Iterator[Fault]:
    """A key is one caller's, and says whose sessions its requests are."""
    rows = configuration.listener.keys or ()
    yield from _given_twice(
        configuration,
        [((*row.path, "name"), row.name) for row in rows],
        "Duplicate key name {name} (first on line {line})",
    )
    yield from _given_twice(
        configuration,
        [((*row.path, "hash"), row.digest.hex()) for row in rows],
        "expected each key once; got this one again (first on line {line})",
    )
    for row in rows:
        owner = row.owner or row.name
        if not _OWNER.fullmatch(owner):
            path = (*row.path, "name" if row.owner is None else "owner")
            yield path, "expected 1 to 256 visible ASCII characters, as this tells sessions apart; got others"
    header = configuration.routing.session_cache.tenant_header
    if configuration.listener.keys is not None and header is not None:
        yield (
            ("routing", "session_cache", "tenant_header"),
            "expected none beside the listener's keys: whose session it is, is said by a key's owner",
        )


def keys_elsewhere(_: Configuration, sound: Sound) -> Iterator[Fault]:
    """Only one listener is served, and only there are callers asked for a key."""
    if sound.file.listeners is None or isinstance(sound.file.listeners, LegacyListeners):
        return
    for path, row in numbered(sound.file.listeners, ("listeners",), sound):
        if row.type != "model" and row.keys is not None:
            yield (*path, "keys"), "expected keys at the listener of type 'model' alone: no other is served"


def session_cache(configuration: Configuration, _: Sound) -> Iterator[Fault]:
    """Redis is somewhere."""
    cache = configuration.routing.session_cache
    path: KeyPath = ("routing", "session_cache")
    if cache.type == "redis" and not configuration.is_written((*path, "url")):
        yield path, "expected the key 'url' (redis://host:6379/0), which type 'redis' needs; got none"
    if cache.url is not None:
        try:
            address = parse_address(cache.url.reveal())
        except AddressInvalid as error:
            yield (*path, "url"), str(error)
            return
        tls = address.tls
        for file in (tls.ca_file, tls.certificate_file, tls.key_file) if tls else ():
            if file is not None and isinstance(content := read_bytes(Path(file)), str):
                yield (*path, "url"), f"a file of TLS: {content}"


def metrics_sources(configuration: Configuration, sound: Sound) -> Iterator[Fault]:
    """At most one source of each kind, and each complete."""
    seen: set[str] = set()
    for path, source in numbered(configuration.metrics_sources, ("model_metrics_sources",), sound):
        if source.type in seen:
            yield path, f"expected one source of type {source.type!r}; got a second one"
        seen.add(source.type)
        yield from _source(configuration, path, source)


def _source(
    configuration: Configuration, path: KeyPath, source: CostSource | LatencySource
) -> Iterator[Fault]:
    match source:
        case LatencySource(provider="prometheus"):
            for key in ("url", "query"):
                if not configuration.is_written((*path, key)):
                    yield path, f"expected the key {key!r}, which provider 'prometheus' needs; got none"
        case LatencySource() | CostSource(provider="bundled"):
            for key in ("url", "query", "refresh_interval"):
                if configuration.is_written((*path, key)):
                    yield (*path, key), f"provider {source.provider!r} asks nobody and takes no {key}"
        case CostSource():
            pass
    if source.url is not None and not _is_http(source.url):
        yield (*path, "url"), "expected an http:// or https:// address"


def state_storage(configuration: Configuration, sound: Sound) -> Iterator[Fault]:
    """Postgres is somewhere."""
    storage = sound.file.state_storage
    written = configuration.is_written(("state_storage", "connection_string"))
    if storage is not None and storage.type == "postgres" and not written:
        yield (
            ("state_storage",),
            "expected the key 'connection_string', which type 'postgres' needs; got none",
        )


def tracing(_: Configuration, sound: Sound) -> Iterator[Fault]:
    """The collector's address is a host and a port."""
    endpoint = sound.file.tracing.opentracing_grpc_endpoint if sound.file.tracing else None
    if endpoint is not None:
        url = _split(endpoint)
        if url is None or url[0] != "http" or not url[1] or url[2] not in ("", "/"):
            yield (
                ("tracing", "opentracing_grpc_endpoint"),
                "expected an address such as http://localhost:4317: http, and no path",
            )


def files(configuration: Configuration, _: Sound) -> Iterator[Fault]:
    """A file that is named can be read."""
    folder = Path(configuration.source).parent
    ca = configuration.overrides.upstream_tls_ca_path
    if ca is not None:
        content = read_bytes(folder / ca)
        if isinstance(content, str):
            yield ("overrides", "upstream_tls_ca_path"), content


def agent_ids(_: Configuration, sound: Sound) -> Iterator[Fault]:
    """An id means one agent or filter."""
    seen: set[str] = set()
    agents = [(path, agent.id) for path, agent in numbered(sound.file.agents, ("agents",), sound)]
    filters = [(path, row.id) for path, row in numbered(sound.file.filters, ("filters",), sound)]
    for path, name in agents + filters:
        if name in seen:
            yield (*path, "id"), f"Duplicate agent id {name}: give each agent and filter its own"
        seen.add(name)


def _is_http(text: str) -> bool:
    url = _split(text)
    return url is not None and url[0] in ("http", "https") and bool(url[1])


def _split(text: str) -> tuple[str, str, str] | None:
    """Scheme, host and path."""
    try:
        url = urlsplit(text)
        url.port  # noqa: B018 - reading it is what checks it
    except ValueError:
        return None
    return url.scheme, url.hostname or "", url.path


RULES: Final[tuple[Callable[[Configuration, Sound], Iterator[Fault]], ...]] = (
    model_names,
    unique_names,
    takeable_names,
    one_default,
    ports,
    limits_once,
    gateway_keys,
    keys_elsewhere,
    session_cache,
    metrics_sources,
    state_storage,
    tracing,
    files,
    agent_ids,
)
