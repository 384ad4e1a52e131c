"""From a configuration to a catalog: names linked, providers resolved, every dangling end reported."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from plano.catalog import linking
from plano.catalog.capabilities import UNKNOWN, Capabilities
from plano.catalog.catalog import CATCH_ALL, Catalog, Found, Missing, Model, Route, is_same, others_than
from plano.catalog.gateway_keys import faults_of_keys
from plano.catalog.names import ModelId, ProviderId, RouteName
from plano.catalog.prices import any_priced
from plano.catalog.providers import Provider, UnusableUrl, custom_provider, endpoints, known_providers
from plano.catalog.sources import price_aliases
from plano.catalog.unpriced import unpriced_ceilings
from plano.chat.dialect import Dialect
from plano.config.configuration import Configuration, FilePath, NameAt, ProviderRow, RouteRow
from plano.config.load import from_environment, read
from plano.config.model_names import is_wildcard
from plano.config.problems import ConfigurationInvalid, KeyPath, Problem, did_you_mean, spell
from plano.config.texts import Texts


def load_catalog(
    file: FilePath | Texts | None, environment: Mapping[str, str]
) -> tuple[Configuration, Catalog]:
    """The configuration of a file, or of the environment without one, and what it declares.

    Raises ConfigurationInvalid with every problem, of form and of links, in the file's order.
    """
    if file is None:
        configuration = from_environment(environment)
        return configuration, build(configuration)
    reading = read(file, environment)
    linking = _Linking(reading.configuration, set(reading.lost))
    catalog = linking.catalog()
    warnings = (*reading.configuration.warnings, *linking.warnings)
    if reading.problems or linking.problems:
        raise ConfigurationInvalid((*reading.problems, *linking.problems), warnings)
    return replace(reading.configuration, warnings=warnings), catalog


def build(configuration: Configuration) -> Catalog:
    """Raises ConfigurationInvalid with everything that leads nowhere."""
    linking = _Linking(configuration, set())
    catalog = linking.catalog()
    if linking.problems:
        raise ConfigurationInvalid(linking.problems)
    return catalog


@dataclass(slots=True)
class _Linking:
    """One run over a configuration."""

    configuration: Configuration
    lost: set[str]
    """Names of entries that are wrong themselves: who refers to them is not at fault."""
    problems: list[Problem] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def catalog(self) -> Catalog:
        models = [model for row in self.configuration.providers if (model := self._model(row))]
        self._refuse_twin_wildcards()
        declared = Catalog(models, {})
        aliases = dict(self._aliases(declared))
        named = linking.declared(Catalog(models, aliases))
        fallbacks = self._fallbacks(models, named)
        aliases = dict(self._with_fallbacks(aliases, fallbacks, named))
        routes = [route for row in self.configuration.routes if (route := self._route(row, named))]
        self._note_dangling(named)
        router_model = self._router_model(named)
        if router_model is None and self.configuration.router_prompt is not None:
            self._warn(("routing", "router_prompt"), "no effect: there is no served router model to ask")
        for path, message in faults_of_keys(self.configuration, named, self._is_lost):
            self._wrong(path, message)
        if not self.problems:
            for path, message in unpriced_ceilings(self.configuration, named):
                self._warn(path, message)
        return Catalog(models, aliases, routes, router_model, fallbacks)

    # --- models ---

    def _model(self, row: ProviderRow) -> Model | None:
        provider = self._provider(row)
        if provider is not None:
            upstream_model = row.model.partition("/")[2]
            try:
                places = endpoints(provider, row.base_url, upstream_model)
            except UnusableUrl as error:
                self._wrong((*row.path, "base_url"), str(error))
            else:
                return Model(
                    ModelId(row.model),
                    row.name,
                    ProviderId(provider.id),
                    upstream_model,
                    places,
                    provider.auth,
                    row.access_key,
                    row.passthrough_auth or (provider.passthrough and row.access_key is None),
                    row.http_host,
                    row.headers,
                    row.is_default,
                    _capabilities(row),
                )
        self.lost |= {row.name, row.model}
        return None

    def _provider(self, row: ProviderRow) -> Provider | None:
        """The row's provider, known or custom; None when it does not say enough."""
        prefix = row.model.partition("/")[0]
        known = known_providers().get(prefix)
        if known is None:
            if row.base_url is not None and row.provider_interface is not None:
                return custom_provider(prefix, row.provider_interface)
            if self._has(row, "base_url") and self._has(row, "provider_interface"):
                return None
            message = (
                f"Must provide base_url and provider_interface for unsupported provider {prefix}"
                f" for model {row.model}{did_you_mean(prefix, known_providers())}"
            )
            self._wrong((*row.path, "model"), message)
            return None
        if row.provider_interface is not None:
            message = f"only for providers that are not known; {prefix!r} is, and has its own"
            self._wrong((*row.path, "provider_interface"), message, at_key=True)
        if row.base_url is None and known.base_url is None:
            if self._has(row, "base_url"):
                return None
            message = f"Provider {prefix!r} requires 'base_url' to be set for model {row.model}"
            self._wrong((*row.path, "model"), message)
            return None
        return known

    def _has(self, row: ProviderRow, key: str) -> bool:
        """Whether the row has the key, be it with a value that has been reported already."""
        return self.configuration.is_written((*row.path, key))

    def _refuse_twin_wildcards(self) -> None:
        first: dict[str, ProviderRow] = {}
        for row in self.configuration.providers:
            twin = first.setdefault(row.model, row)
            if is_wildcard(row.model) and twin is not row and twin.name != row.name:
                line = self.configuration.document.place_of(twin.path).line
                message = f"expected the wildcard {row.model} once; got it again (first on line {line})"
                self._wrong((*row.path, "model"), message)

    # --- names ---

    def _aliases(self, declared: Catalog) -> Iterator[tuple[str, Found]]:
        for alias, target in self.configuration.aliases.items():
            path: KeyPath = ("model_aliases", alias)
            found = self._target(declared, target, (*path, "target"))
            if found is None:
                continue
            shadowed = declared.find(alias)
            if isinstance(shadowed, Found) and not _may_be_alias(shadowed, found):
                message = f"the alias {alias!r} would hide the declared model {shadowed.id}: rename it"
                self._wrong(path, message, at_key=True)
            yield alias, replace(found, by="catch_all" if alias == CATCH_ALL else "alias")

    def _target(self, declared: Catalog, target: str, path: KeyPath) -> Found | None:
        if target in self.configuration.aliases and isinstance(declared.find(target), Missing):
            message = f"expected a model; got {target!r}, which is an alias: aliases lead to models directly"
            self._wrong(path, message)
            return None
        return self._link(declared, target, path)

    def _link(self, names: Catalog, name: str, path: KeyPath) -> Found | None:
        """What `name` leads to; a problem at `path` when that is nothing, or several."""
        found = linking.link(names, name)
        if isinstance(found, Found):
            return found
        if not self._is_lost(name):
            self._wrong(path, found)
        return None

    def _is_lost(self, name: str) -> bool:
        return name in self.lost or any(lost.partition("/")[2] == name for lost in self.lost)

    # --- who answers when a named model fails ---

    def _fallbacks(self, models: list[Model], named: Catalog) -> dict[str, tuple[Found, ...]]:
        """By the name of the entry they were written in."""
        declared = {model.name: model for model in models}
        fallbacks: dict[str, tuple[Found, ...]] = {}
        for row in self.configuration.providers:
            model = declared.get(row.name)
            own = None if model is None else Found(model, model.upstream_model, model.id, "name")
            found = self._standing_in(row.fallbacks, own, named)
            if found:
                fallbacks.setdefault(row.name, found)
        return fallbacks

    def _with_fallbacks(
        self, aliases: Mapping[str, Found], fallbacks: Mapping[str, tuple[Found, ...]], named: Catalog
    ) -> Iterator[tuple[str, Found]]:
        """An alias has those that it names; one that says nothing of them is one more name of its target."""
        written = self.configuration.alias_fallbacks
        for alias in written.keys() - aliases.keys():
            self._standing_in(written[alias], None, named)
        for alias, found in aliases.items():
            if alias in written:
                yield alias, replace(found, fallbacks=self._standing_in(written[alias], found, named))
            else:
                own = fallbacks.get(found.model.name, ())
                yield alias, replace(found, fallbacks=others_than(found, own))

    def _standing_in(self, names: Iterable[NameAt], own: Found | None, named: Catalog) -> tuple[Found, ...]:
        """The models that are named, each another than `own` and named once."""
        first: list[Found] = []
        for written in names:
            found = self._link(named, written.name, written.path)
            if found is None:
                continue
            if own is not None and is_same(found, own):
                self._wrong(
                    written.path, f"expected another model; got {found.id}, whose fallbacks these are"
                )
            elif any(is_same(found, each) for each in first):
                self._wrong(written.path, f"expected {found.id} once; got it again")
            else:
                first.append(replace(found, fallbacks=()))
        return tuple(first)

    # --- routes ---

    def _route(self, row: RouteRow, named: Catalog) -> Route | None:
        linked = [self._link(named, name, path) for name, path in zip(row.models, row.paths, strict=True)]
        if any(found is None for found in linked):
            return None
        candidates = linking.distinct(found for found in linked if found)
        source = self.configuration.cost_source
        bundled = source is None or source.provider == "bundled"
        if row.prefer == "cheapest" and bundled and not any_priced(candidates, price_aliases(source, named)):
            message = (
                "expected prices to compare; none of the candidates is in the bundled table:"
                " give a cost source in model_metrics_sources, or leave the order as written"
            )
            self._wrong((*row.path, "selection_policy", "prefer"), message)
        return Route(RouteName(row.name), row.description, candidates, row.prefer, row.examples)

    # --- who chooses routes ---

    def _router_model(self, named: Catalog) -> Found | None:
        """The served router model; a name that nothing declares is a warning, as the original takes a hosted
        one of its own for it."""
        written = self._router_model_as_written()
        if written is None:
            return None
        path, name = written
        found = named.find(name)
        if isinstance(found, Missing):
            if found.ambiguous or is_wildcard(name):
                self._link(named, name, path)
            elif not self._is_lost(name):
                near = f" (did you mean {found.near[0]!r}?)" if found.near else ""
                message = f"{name[:120]!r} is not a declared model{near}: the embedded router answers instead"
                self._warn(path, message)
            return None
        if Dialect.OPENAI_CHAT not in found.model.endpoints:
            spoken = ", ".join(dialect.value for dialect in found.model.endpoints)
            message = f"expected a model that speaks openai_chat; got {found.id!r}, which speaks {spoken}"
            self._wrong(path, message)
            return None
        if found.model.passthrough_auth:
            message = f"{found.id!r} passes on the client's credential, and is asked here without any"
            self._warn(path, message)
        return found

    def _router_model_as_written(self) -> tuple[KeyPath, str] | None:
        """Where the file says it, in the newest of the forms that it uses."""
        overrides, routing = self.configuration.overrides, self.configuration.routing
        forms: tuple[tuple[KeyPath, str | None], ...] = (
            (("overrides", "llm_routing_model"), overrides.llm_routing_model),
            (("routing", "llm_provider"), routing.llm_provider),
            (("routing", "model"), routing.model),
        )
        written = [(path, name) for path, name in forms if name is not None]
        for path, _ in written:
            if path[0] == "routing":
                more = "" if path == written[0][0] else f"; ignored, as {spell(written[0][0])} is given"
                self._warn(path, f"deprecated: write overrides.llm_routing_model{more}", at_key=True)
        return written[0] if written else None

    # --- what may dangle ---

    def _note_dangling(self, named: Catalog) -> None:
        source = self.configuration.cost_source
        for theirs, ours in (source.model_aliases if source else {}).items():
            if isinstance(named.find(ours), Missing) and not self._is_lost(ours):
                message = f"{theirs!r} is given as {ours!r}, which is not a declared model"
                self._warn(("model_metrics_sources",), message)

    def _warn(self, path: KeyPath, message: str, *, at_key: bool = False) -> None:
        self.warnings.append(self.configuration.note(path, message, at_key=at_key))

    def _wrong(self, path: KeyPath, message: str, *, at_key: bool = False) -> None:
        self.problems.append(self.configuration.problem(path, message, at_key=at_key))


def _capabilities(row: ProviderRow) -> Capabilities:
    said = row.capabilities
    if said is None:
        return UNKNOWN
    return Capabilities(said.context_tokens, said.images, said.tools, said.structured_output)


def _may_be_alias(shadowed: Found, target: Found) -> bool:
    """A wildcard's members may be called otherwise; a model's own id may be an alias of itself."""
    if shadowed.by == "wildcard":
        return True
    return shadowed.by == "bare" and shadowed.id == target.id
