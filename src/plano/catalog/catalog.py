"""What exists: every model that can be asked for, under every name, fully linked.

Immutable. A dangling name is found when it is built (by `build`), not when a request comes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Final, Literal
from urllib.parse import quote

from plano.catalog.capabilities import UNKNOWN, Capabilities
from plano.catalog.names import ModelId, ProviderId, RouteName
from plano.catalog.near import Names
from plano.chat.dialect import Dialect
from plano.config.model_names import LONGEST_NAME, NOT_NAMED, is_model_name, is_wildcard
from plano.config.secret import Secret

__all__ = [
    "CATCH_ALL",
    "NOT_NAMED",
    "Catalog",
    "Endpoint",
    "Found",
    "Missing",
    "Model",
    "Route",
    "Secret",
    "member",
]

CATCH_ALL: Final = "*"
"""The alias that answers to every name nothing else answers to."""
MODEL_IN_PATH: Final = "{model}"
"""Stands for the model in the path of a wildcard's endpoint (Azure names it there)."""
MOST_REMEMBERED: Final = 1024
"""Wildcard members whose answer is kept, and as many names that are nobody's: clients may invent more."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a dialect is spoken: everything before the query string."""

    scheme: str
    """`http`, `https`, or `simulated` for the provider that lives in this process."""
    host: str
    port: int
    path: str
    """The full path of the operation: `/v1/chat/completions`."""
    query: str = ""
    """A query of the provider's own, without `?` (Azure's `api-version=…`)."""
    auth: str | None = None
    """How the key travels in this dialect, where that differs from `Model.auth`."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """What the dialect itself asks for, lower-case (`anthropic-version`); a client's own value wins."""


@dataclass(frozen=True, slots=True)
class Model:
    """One row of `model_providers`, resolved."""

    id: ModelId
    """`<provider>/<model id>` as configured; ends in `/*` for a wildcard."""
    name: str
    provider: ProviderId
    upstream_model: str
    """Everything after the first slash; `*` for a wildcard."""
    endpoints: Mapping[Dialect, Endpoint]
    """The dialects this provider speaks, and where."""
    auth: str
    """How the key travels: `bearer`, `x-api-key`, `api-key` or `none` (a provider row's word)."""
    access_key: Secret | None = None
    passthrough_auth: bool = False
    http_host: str | None = None
    """The `Host` to send instead of the endpoint's own."""
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Extra request headers, as configured; they may hold credentials."""
    is_default: bool = False
    capabilities: Capabilities = UNKNOWN
    """What its entry says that it can take."""
    account: int = field(init=False, repr=False, compare=False)
    """Equal for models that are asked for at one address with one key, whatever they are called: a hash,
    of which nothing can be read, and which holds in this process alone."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "account", _account(self))

    @property
    def is_wildcard(self) -> bool:
        return is_wildcard(self.id)


def _account(model: Model) -> int:
    places = frozenset(
        (dialect, each.scheme, each.host, each.port, each.path, each.query)
        for dialect, each in model.endpoints.items()
    )
    headers = frozenset(model.headers.items())
    return hash((places, model.access_key, model.passthrough_auth, model.auth, model.http_host, headers))


@dataclass(frozen=True, slots=True)
class Found:
    """What a requested name leads to."""

    model: Model
    upstream_model: str
    """What the provider is to be sent as `model`."""
    id: ModelId
    """`provider/model` in full, the wildcard filled in."""
    by: Literal["name", "alias", "full", "bare", "wildcard", "catch_all"]
    fallbacks: tuple[Found, ...] = ()
    """Who answers in turn when it fails and was asked for under this name; theirs do not count."""


@dataclass(frozen=True, slots=True)
class Missing:
    """Nothing answers to the name."""

    near: tuple[str, ...] = ()
    """Names that look like it, the likest first."""
    ambiguous: tuple[str, ...] = ()
    """When it is the id of several declared models: their names, one of which must be used."""


@dataclass(frozen=True, slots=True)
class Route:
    """A kind of work, in words, and the models that are wanted for it."""

    name: RouteName
    description: str
    candidates: tuple[Found, ...]
    """In order of preference."""
    prefer: Literal["cheapest", "fastest", "none"] = "none"
    examples: tuple[str, ...] = ()


NO_FALLBACKS: Final[Mapping[str, tuple[Found, ...]]] = MappingProxyType({})


class Catalog:
    """Every model, alias and route; finds the model a name means."""

    __slots__ = (
        "_known",
        "_missing",
        "_names",
        "_remembered",
        "_wildcards",
        "aliases",
        "default",
        "fallbacks",
        "models",
        "router_model",
        "routes",
    )

    def __init__(
        self,
        models: Iterable[Model],
        aliases: Mapping[str, Found],
        routes: Iterable[Route] = (),
        router_model: Found | None = None,
        fallbacks: Mapping[str, tuple[Found, ...]] = NO_FALLBACKS,
    ) -> None:
        """`fallbacks`: by the name of the entry they were written in; aliases bring their own."""
        self.models: Final = tuple(models)
        self.fallbacks: Final = fallbacks
        self.aliases: Final = dict(aliases)
        """Alias to what it means, the catch-all included."""
        self.routes: Final = tuple(routes)
        self.router_model: Final = router_model
        """The declared model that is asked which route fits; None: the router in this process is."""
        self.default: Final = next((model for model in self.models if model.is_default), None)
        self._known = _index(self.models, self.aliases, fallbacks)
        self._names = Names(self._known)
        self._wildcards = {model.id[:-2]: model for model in self.models if model.is_wildcard}
        self._remembered: dict[str, Found] = {}
        self._missing: dict[str, Missing] = {}

    @property
    def has_alternatives(self) -> bool:
        """Whether there is anything that more than one model may answer."""
        several = any(len(route.candidates) > 1 for route in self.routes)
        return several or bool(self.fallbacks) or any(found.fallbacks for found in self.aliases.values())

    def find(self, requested: str) -> Found | Missing:
        """Exact name, alias, full model, bare id, wildcard member, catch-all: the first that fits."""
        known = self._known.get(requested)
        if known is not None:
            return known
        remembered = self._remembered.get(requested)
        if remembered is not None:
            return remembered
        found = self._member(requested) or self.aliases.get(CATCH_ALL)
        if found is None:
            return self._nobodys(requested)
        if found.by == "wildcard":
            if len(self._remembered) >= MOST_REMEMBERED:
                self._remembered.clear()
            self._remembered[requested] = found
        return found

    def _nobodys(self, requested: str) -> Missing:
        """Up to three names that look like `requested`; looked for once, as clients repeat their mistakes."""
        if len(requested) > LONGEST_NAME:
            return Missing()
        missing = self._missing.get(requested)
        if missing is None:
            if len(self._missing) >= MOST_REMEMBERED:
                self._missing.clear()
            missing = self._missing[requested] = Missing(near=self._names.like(requested))
        return missing

    def _member(self, requested: str) -> Found | None:
        if not self._wildcards or not is_model_name(requested) or requested.endswith("*"):
            return None
        prefix = requested
        while "/" in prefix:
            prefix = prefix.rpartition("/")[0]
            model = self._wildcards.get(prefix)
            if model is not None:
                found = member(model, requested)
                return replace(found, fallbacks=others_than(found, self.fallbacks.get(model.name, ())))
        return None


def member(model: Model, full: str) -> Found:
    """The model `full` (`provider/model`) under the wildcard `model`."""
    upstream_model = full.partition("/")[2]
    if any(MODEL_IN_PATH in endpoint.path for endpoint in model.endpoints.values()):
        model = replace(model, endpoints=_with_model(model.endpoints, upstream_model))
    return Found(model, upstream_model, ModelId(full), "wildcard")


def others_than(found: Found, fallbacks: Iterable[Found]) -> tuple[Found, ...]:
    """Those that are not `found` itself, under whichever name."""
    return tuple(each for each in fallbacks if not is_same(each, found))


def is_same(one: Found, other: Found) -> bool:
    """Whether a request would go to one model of one entry."""
    return one.model.name == other.model.name and one.id == other.id


def _with_model(endpoints: Mapping[Dialect, Endpoint], model: str) -> dict[Dialect, Endpoint]:
    return {
        dialect: replace(endpoint, path=endpoint.path.replace(MODEL_IN_PATH, quote(model, safe="")))
        for dialect, endpoint in endpoints.items()
    }


def _index(
    models: tuple[Model, ...], aliases: Mapping[str, Found], fallbacks: Mapping[str, tuple[Found, ...]]
) -> dict[str, Found | Missing]:
    """Every fixed name and what it means. Written from the weakest kind of name to the strongest."""
    concrete = [
        Found(model, model.upstream_model, model.id, "name", fallbacks.get(model.name, ()))
        for model in models
        if not model.is_wildcard
    ]
    index: dict[str, Found | Missing] = {}
    for name, owners in (*_owners(concrete, "bare").items(), *_owners(concrete, "full").items()):
        index[name] = owners[0] if len(owners) == 1 else Missing(ambiguous=_choices(owners))
    index |= {alias: found for alias, found in aliases.items() if alias != CATCH_ALL}
    index |= {found.model.name: found for found in concrete}
    return index


def _owners(concrete: list[Found], by: Literal["bare", "full"]) -> dict[str, list[Found]]:
    owners: dict[str, list[Found]] = {}
    for found in concrete:
        name = found.upstream_model if by == "bare" else found.id
        owners.setdefault(name, []).append(replace(found, by=by))
    return owners


def _choices(owners: list[Found]) -> tuple[str, ...]:
    """The names that tell them apart: in full, unless they share that too."""
    ids = {found.id for found in owners}
    return tuple(found.id if len(ids) == len(owners) else found.model.name for found in owners)
