"""`plano check`: every problem of a configuration, or what it comes to."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import click

from plano.catalog.build import load_catalog
from plano.catalog.catalog import Catalog, Found, Model
from plano.chat.dialect import Dialect
from plano.cli.exits import ExitCode, InputAtFault
from plano.cli.tables import show_table
from plano.config.explain import json_schema
from plano.config.load import NAMES, Configuration, ConfigurationInvalid, find

EXAMPLES = """\
\b
Examples:
  plano check                       the configuration of this folder
  plano check gateway.yaml          a file
  plano check --schema > plano.schema.json
                                    the schema of the file, for an editor to complete it
"""


@click.command("check", epilog=EXAMPLES)
@click.argument("file", required=False, type=click.Path(path_type=Path, dir_okay=False))
@click.option("--schema", is_flag=True, help="Print the JSON Schema of the file instead.")
def command(file: Path | None, schema: bool) -> int:
    """Print every problem of a configuration, each with its place, or what it declares.

    FILE defaults to config.yaml, then plano_config.yaml, in the current folder. Exit code 1 when
    there is any problem. Keys are never printed.
    """
    if schema:
        click.echo(json.dumps(json_schema(), indent=2))
        return ExitCode.DONE
    source = file or find(Path.cwd())
    if source is None:
        raise InputAtFault(f"expected a FILE, or {' or '.join(NAMES)} in this folder; found neither")
    try:
        configuration, catalog = load_catalog(source, os.environ)
    except ConfigurationInvalid as invalid:
        count = len(invalid.problems)
        click.echo(f"{invalid}\n{count} problem{'' if count == 1 else 's'}")
        _warn(invalid.warnings)
        return ExitCode.INPUT_AT_FAULT
    _warn(configuration.warnings)
    _show(configuration, catalog)
    return ExitCode.DONE


def _warn(warnings: Sequence[str]) -> None:
    for warning in warnings:
        click.echo(f"warning: {warning}", err=True)


def _show(configuration: Configuration, catalog: Catalog) -> None:
    listener = configuration.listener
    host = f"[{listener.address}]" if ":" in listener.address else listener.address
    place = f"{host}:{listener.port}"
    click.echo(f"{configuration.source}: listens on {place}, answers within {listener.timeout_s:g} s\n")
    show_table(
        "models",
        ("name", "model", "speaks", "at", "key"),
        [(*_named(model), _spoken(model), _place(model), _key(model)) for model in catalog.models],
    )
    show_table("aliases", ("alias", "model"), [(alias, found.id) for alias, found in catalog.aliases.items()])
    show_table("fallbacks", ("asked for by name", "then"), list(_fallbacks(catalog)))
    show_table(
        "routes",
        ("route", "models", "prefers"),
        [(route.name, _in_turn(route.candidates), route.prefer) for route in catalog.routes],
    )


def _fallbacks(catalog: Catalog) -> Iterator[tuple[str, str]]:
    """Of entries, and of the aliases that have others than their targets' entries."""
    for name, fallbacks in catalog.fallbacks.items():
        yield name, _in_turn(fallbacks)
    for alias, found in catalog.aliases.items():
        if found.fallbacks != catalog.fallbacks.get(found.model.name, ()):
            yield alias, _in_turn(found.fallbacks) or "none"


def _in_turn(candidates: Sequence[Found]) -> str:
    return ", ".join(found.id for found in candidates)


def _named(model: Model) -> tuple[str, str]:
    return f"{model.name} (default)" if model.is_default else model.name, model.id


def _spoken(model: Model) -> str:
    short = {
        Dialect.OPENAI_CHAT: "chat",
        Dialect.ANTHROPIC_MESSAGES: "messages",
        Dialect.OPENAI_RESPONSES: "responses",
    }
    return ", ".join(short[dialect] for dialect in model.endpoints)


def _place(model: Model) -> str:
    """Where its first dialect is."""
    first = next(iter(model.endpoints.values()))
    if first.scheme == "simulated":
        return "in this process" + (f" ({first.query})" if first.query else "")
    host = f"[{first.host}]" if ":" in first.host else first.host
    usual = {"http": 80, "https": 443}[first.scheme]
    port = "" if first.port == usual else f":{first.port}"
    return f"{first.scheme}://{host}{port}{first.path}"


def _key(model: Model) -> str:
    if model.passthrough_auth:
        return "the client's"
    return "none" if model.access_key is None else "set"
