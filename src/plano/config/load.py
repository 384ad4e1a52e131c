"""From a file, or from nothing but the environment, to a configuration.

`load` is for who needs no catalog. `read` is its first half: all problems beside what could be
read, so that the catalog adds its own before anybody is told.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from plano.config.configuration import Configuration, ProviderRow
from plano.config.document import Document, Unreadable, read_document
from plano.config.environment import KEY_VARIABLES, NOT_ENOUGH, Variables
from plano.config.explain import explain, path_of
from plano.config.migrate import Migration, migrate
from plano.config.model_names import is_declarable
from plano.config.notices import not_yet, unserved
from plano.config.problems import ConfigurationInvalid, KeyPath, Place, Problem, did_you_mean, spell
from plano.config.router_prompt import read_router_prompt
from plano.config.rules import broken_rules
from plano.config.schema import Overrides
from plano.config.secret import Secret
from plano.config.soundness import Sound, read_sound
from plano.config.texts import Texts

__all__ = [
    "Configuration",
    "ConfigurationInvalid",
    "Reading",
    "find",
    "from_environment",
    "load",
    "read",
]

NAMES: Final = ("config.yaml", "plano_config.yaml")


@dataclass(frozen=True, slots=True)
class Reading:
    """What a file says, as far as it could be read, and everything that is wrong with it."""

    configuration: Configuration
    problems: tuple[Problem, ...] = ()
    lost: frozenset[str] = frozenset()
    """Models and names of entries that were left out because they are wrong themselves."""


def load(path: Path, environment: Mapping[str, str]) -> Configuration:
    """Raises ConfigurationInvalid with every problem of the file."""
    reading = read(path, environment)
    if reading.problems:
        raise ConfigurationInvalid(reading.problems, reading.configuration.warnings)
    return reading.configuration


def find(folder: Path) -> Path | None:
    """The configuration of a folder, by the names it may have."""
    return next((folder / name for name in NAMES if (folder / name).is_file()), None)


def read(file: Path | Texts, environment: Mapping[str, str]) -> Reading:
    """Everything that can be said about a file; never raises."""
    texts = file if isinstance(file, Texts) else Texts.take(file)
    source = texts.source
    dotenv, problems = texts.variables()
    try:
        document = read_document(texts.configuration(), Variables(environment, dotenv).substitute)
    except Unreadable as error:
        return Reading(Configuration(source), (Problem(source, error.place, "", error.message),))
    problems += [Problem(source, place, spell(at), message) for place, at, message in document.problems]
    if not isinstance(document.data, dict):
        message = "expected a mapping with the keys 'version', 'listeners' and 'model_providers'"
        problems.append(Problem(source, document.place_of(()), "", message))
        return Reading(Configuration(source), tuple(problems))
    return _interpret(source, document, document.data, problems)


def _interpret(source: str, document: Document, data: dict[str, Any], problems: list[Problem]) -> Reading:
    for key in [key for key, value in data.items() if value is None and key != "version"]:
        del data[key]  # a section whose entries are all commented out
    sound = read_sound(document)
    problems += [
        Problem(source, place, spell(path), message) for place, path, message in _form(document, sound)
    ]
    migration = migrate(source, sound, document)
    problems += migration.problems
    configuration = migration.configuration
    for path, message in broken_rules(configuration, sound):
        problems.append(configuration.problem(path, message))
    prompt, wrong = _router_prompt(configuration)
    problems += [configuration.problem(("routing", "router_prompt"), message) for message in wrong]
    rows = [row for row in configuration.providers if is_declarable(row.model)]
    lost = {name for row in configuration.providers if row not in rows for name in (row.name, row.model)}
    configuration = replace(
        configuration,
        providers=tuple(rows),
        warnings=_warnings(migration, data),
        router_prompt=prompt,
    )
    return Reading(configuration, tuple(problems), sound.lost | lost | _given_twice(sound))


def _router_prompt(configuration: Configuration) -> tuple[str | None, list[str]]:
    name = configuration.routing.router_prompt
    if name is None:
        return None, []
    return read_router_prompt(Path(configuration.source).parent / name)


def _form(document: Document, sound: Sound) -> list[tuple[Place, KeyPath, str]]:
    """What the schema found wrong, and keys without a value."""
    found = list(explain(sound.errors, document))
    told = {path_of(error) for error in sound.errors}
    empty = [path for path in _nulls(document.data, ()) if path not in told]
    return found + [(document.place_of(path), path, "expected a value; got nothing") for path in empty]


def _nulls(value: object, path: KeyPath) -> list[KeyPath]:
    if isinstance(value, dict):
        return [found for key, child in value.items() for found in _nulls(child, (*path, key))]
    if isinstance(value, list):
        return [found for index, child in enumerate(value) for found in _nulls(child, (*path, index))]
    return [path] if value is None and path and isinstance(path[-1], str) else []


def _given_twice(sound: Sound) -> set[str]:
    """What only the list that is not used declares, when there are two."""
    if sound.file.model_providers is None or sound.file.llm_providers is None:
        return set()
    return {name for row in sound.file.llm_providers for name in (row.name, row.model) if name}


def _warnings(migration: Migration, data: dict[str, Any]) -> tuple[str, ...]:
    configuration = migration.configuration
    for row in configuration.providers:
        if row.passthrough_auth and row.access_key is not None:
            migration.warn(
                (*row.path, "access_key"), "ignored: passthrough_auth sends the client's own credential"
            )
    for key in configuration.overrides.model_extra or {}:
        known = sorted(Overrides.model_fields)
        migration.warn(("overrides", key), f"unknown key {key!r}{did_you_mean(key, known)}", at_key=True)
    if not configuration.providers:
        migration.warn((), "no model_providers: there is no model to ask")
    notices = [f"{configuration.source}: {notice}" for notice in (not_yet(data), unserved(data)) if notice]
    return (*migration.warnings, *notices)


def from_environment(environment: Mapping[str, str]) -> Configuration:
    """Without a file: every provider whose key is set, all of its models; else simulated ones."""
    keyed = {name: key for name, variable in KEY_VARIABLES.items() if (key := environment.get(variable))}
    if keyed:
        rows = [
            ProviderRow(f"{name}/*", f"{name}/*", ("model_providers", index), access_key=Secret(key))
            for index, (name, key) in enumerate(keyed.items())
        ]
        said = f"no configuration file: serving all models of {', '.join(keyed)}, whose keys are set"
    else:
        rows = [
            ProviderRow("simulated/demo", "simulated/demo", ("model_providers", 0), is_default=True),
            ProviderRow("simulated/*", "simulated/*", ("model_providers", 1)),
        ]
        variables = ", ".join(KEY_VARIABLES.values())
        said = f"no configuration file and no key set ({variables}): serving simulated models only"
    more = [
        f"{variable} is set, but {provider} also needs a base_url: write a configuration file to use it"
        for variable, provider in NOT_ENOUGH.items()
        if environment.get(variable)
    ]
    return Configuration("environment", warnings=(said, *more), providers=tuple(rows))
