"""`plano models`: what can be asked for, under which names, at what price."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import click

from plano.catalog.build import load_catalog
from plano.catalog.catalog import Catalog, Found, Model, member
from plano.catalog.names import ModelId
from plano.catalog.prices import known_members
from plano.cli.exits import ConfigurationAtFault
from plano.cli.price_list import price_list
from plano.cli.tables import show_table
from plano.config.load import ConfigurationInvalid, find
from plano.config.model_names import is_wildcard
from plano.quotes.board import Board
from plano.quotes.state import SourceState

EXAMPLES = """\
\b
Examples:
  plano models                      what the configuration of this folder offers
  plano models gateway.yaml --json  a file's, for a program
  plano models --members            also the models under wildcards whose prices are known
"""


@dataclass(frozen=True, slots=True)
class Row:
    """One model that can be asked for."""

    model: str
    names: tuple[str, ...]
    """Everything else it answers to: its own name, its aliases, its bare id."""
    provider: str
    default: bool
    dialects: tuple[str, ...]
    input_usd_per_mtok: float | None
    output_usd_per_mtok: float | None
    price_source: str | None
    """Who says so; None where the price is not known."""
    price_date: str | None
    """The day of the table, or the moment (UTC) the source was read."""


@click.command("models", epilog=EXAMPLES)
@click.argument("file", required=False, type=click.Path(path_type=Path, dir_okay=False))
@click.option("--members", is_flag=True, help="List the known members of wildcards, too.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON array.")
def command(file: Path | None, members: bool, as_json: bool) -> None:
    """List what clients can ask for, under which names, and at what price.

    FILE defaults to config.yaml, then plano_config.yaml, in the current folder; with neither, every
    provider whose key is in the environment is listed. Prices are list prices in US dollars for a
    million tokens, of the configured source, which is asked now, or as they shipped with this
    installation.
    """
    try:
        configuration, catalog = load_catalog(file or find(Path.cwd()), os.environ)
    except ConfigurationInvalid as invalid:
        raise ConfigurationAtFault(invalid) from invalid
    for warning in configuration.warnings:
        click.echo(f"warning: {warning}", err=True)
    board = price_list(configuration, catalog, os.environ)
    prices, _ = board.states
    if prices.trouble is not None:
        click.echo(f"warning: the prices of {prices.name} could not be read: {prices.trouble}", err=True)
    rows = list(_rows(catalog, board, members=members))
    if as_json:
        click.echo(json.dumps([asdict(row) for row in rows], indent=2))
        return
    show_table(
        "models",
        ("model", "also", "input $/Mtok", "output $/Mtok"),
        [
            (
                f"{row.model} (default)" if row.default else row.model,
                ", ".join(row.names),
                _dollars(row, row.input_usd_per_mtok),
                _dollars(row, row.output_usd_per_mtok),
            )
            for row in rows
        ],
    )
    if any(row.price_source for row in rows):
        click.echo(_source_in_words(prices))


def _source_in_words(prices: SourceState) -> str:
    return f"list prices in US dollars for a million tokens: {prices.name}, of {prices.quoted_at}"


def _rows(catalog: Catalog, board: Board, *, members: bool) -> Iterator[Row]:
    for model in catalog.models:
        yield _row(model, _names(model, catalog), model.id, catalog, board)
        if members and model.is_wildcard:
            for full in known_members(model):
                found = member(model, full)
                yield _row(found.model, _aliases(catalog, found.id), found.id, catalog, board)


def _row(model: Model, names: tuple[str, ...], full: ModelId, catalog: Catalog, board: Board) -> Row:
    price = None if is_wildcard(full) else board.rates(full)
    prices, _ = board.states
    return Row(
        full,
        names,
        model.provider,
        model is catalog.default,
        tuple(dialect.value for dialect in model.endpoints),
        price.input_usd_per_mtok if price else None,
        price.output_usd_per_mtok if price else None,
        prices.name if price else None,
        prices.quoted_at if price else None,
    )


def _names(model: Model, catalog: Catalog) -> tuple[str, ...]:
    """Every other name that leads to this entry and no other."""
    bare = catalog.find(model.upstream_model)
    names = [] if model.name == model.id else [model.name]
    if isinstance(bare, Found) and bare.by == "bare" and bare.model is model:
        names.append(model.upstream_model)
    return (*names, *_aliases(catalog, model.id))


def _aliases(catalog: Catalog, full: str) -> tuple[str, ...]:
    return tuple(alias for alias, found in catalog.aliases.items() if found.id == full)


def _dollars(row: Row, amount: float | None) -> str:
    if amount is None:
        return "by model" if is_wildcard(row.model) else "unknown"
    return f"{amount:.4g}"
