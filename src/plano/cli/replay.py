"""`plano replay`: what ways to choose a session's model would have cost, on a log of one's own."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final

import click

from plano.catalog.catalog import Catalog, Found
from plano.catalog.names import ModelId
from plano.catalog.prices import Price, price_known_as, table_facts
from plano.catalog.sources import quote_sources
from plano.cli.exits import InputAtFault
from plano.cli.labelled import LabelsAtFault, configured, named
from plano.cli.price_list import price_list
from plano.cli.replay_tables import show_replayed
from plano.config.load import Configuration
from plano.evaluation.lines import LinesAtFault
from plano.evaluation.replay.intervals import RESAMPLES
from plano.evaluation.replay.log import AS_WRITTEN, LogFile, Names
from plano.evaluation.replay.picture import picture
from plano.evaluation.replay.policies import EXPECTED, Defaults, Policy, default_policies, policy_named
from plano.evaluation.replay.replay import Replay, Replayed, document
from plano.routing.budget import Budget, Rates

EXAMPLES = """\
\b
Examples:
  plano replay sessions.jsonl
  plano replay sessions.jsonl --policy redecide --policy pin:600 --policy budget:5
  plano replay sessions.jsonl --config gateway.yaml --plot costs.svg
  zcat sessions.jsonl.*.gz | plano replay - --json   for a program

\b
The gateway writes such a log when `routing.session_log` names a file. A line of it:
  {"time": "2026-11-22T09:30:00Z", "session": "s-1", "candidates": ["openai/gpt-5"],
   "is_user_turn": true, "input_tokens": 1200, "output_tokens": 80}

\b
Policies:
  redecide              every request is decided afresh
  pin[:SECONDS]         a session stays on its first model until that time is over
  user-turns[:SECONDS]  what a user says is decided; an agent's loop stays on its model
  budget[:PERCENT]      a change may cost that share of what never changing would have
  logged                the models that answered
"""
MOST_SEED: Final = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Prices:
    """Who says what models cost."""

    rates: Rates
    source: str
    date: str | None
    """Of the table, or when the source was read."""


@dataclass(frozen=True, slots=True)
class Setting:
    """What a configuration, or its absence, means for a replay."""

    names: Names
    defaults: Defaults
    prices: Prices


@click.command("replay", epilog=EXAMPLES)
@click.argument("log", metavar="LOG.jsonl", type=click.Path(dir_okay=False, allow_dash=True))
@click.option(
    "--policy",
    "asked",
    metavar="POLICY",
    multiple=True,
    help=f"One to price, again for more: {EXPECTED}. The first is what others are compared with.",
)
@click.option(
    "--config",
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    help="A configuration, for its source of prices, its names, its routes, its TTL and its budget.",
)
@click.option(
    "--plot", metavar="OUT.svg", type=click.Path(path_type=Path, dir_okay=False), help="Draw it, too."
)
@click.option(
    "--seed", type=click.IntRange(0, MOST_SEED), default=0, help="Of the resampling; 0 if not given."
)
@click.option(
    "--resamples",
    type=click.IntRange(100, 100_000),
    default=RESAMPLES,
    help=f"How many for an interval; {RESAMPLES} if not given.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(
    log: str,
    asked: Sequence[str],
    config: Path | None,
    plot: Path | None,
    seed: int,
    resamples: int,
    as_json: bool,
) -> None:
    """Price ways to choose a session's model, on a log of what sessions really read and wrote.

    Every policy is followed through the log: where it would have changed models, what the caches of the
    providers would still have held, what had to be read again. LOG.jsonl may be - for standard input. The
    same log, prices and seed give the same answer.
    """
    setting = _configured(config) if config else _bundled()
    policies = _policies(asked, setting.defaults)
    budget = setting.defaults.budget
    replay = Replay(
        policies,
        setting.prices.rates,
        discount=budget.cache_read_discount,
        seed=seed,
        resamples=resamples,
    )
    with _opened(log) as lines:
        try:
            replayed = replay.run(LogFile(named(log), lines, setting.names).requests())
        except LinesAtFault as fault:
            raise LabelsAtFault(str(fault)) from fault
    _check(replayed, log, setting)
    if plot is not None:
        plot.write_text(picture(replayed, named(log), _by(setting.prices)), "utf-8")
    if as_json:
        click.echo(json.dumps(_document(replayed, setting, seed, resamples), indent=2, ensure_ascii=False))
    else:
        show_replayed(named(log), replayed, _by(setting.prices), budget.cache_read_discount)


# --- the setting ---


class _Table:
    """The prices that ship with this installation, as of the table's own date: the same tomorrow."""

    def __init__(self, aliases: dict[ModelId, tuple[str, ...]]) -> None:
        self._aliases = aliases

    def rates(self, model: ModelId) -> Price | None:
        return price_known_as(model, self._aliases, of_the_day=False)


def _bundled(aliases: dict[ModelId, tuple[str, ...]] | None = None) -> Setting:
    facts = table_facts()
    return Setting(AS_WRITTEN, Defaults(), Prices(_Table(aliases or {}), facts.name, facts.date))


def _configured(file: Path) -> Setting:
    configuration, catalog = configured(file)
    return Setting(_names(catalog), _defaults(configuration), _prices(configuration, catalog))


def _prices(configuration: Configuration, catalog: Catalog) -> Prices:
    source = quote_sources(configuration, catalog).prices
    if source.provider == "bundled":
        return _bundled(dict(source.aliases)).prices
    board = price_list(configuration, catalog, os.environ)
    state, _ = board.states
    if state.trouble is not None:
        raise InputAtFault(f"the prices of {state.name} could not be read: {state.trouble}")
    return Prices(board, state.name, state.quoted_at)


def _defaults(configuration: Configuration) -> Defaults:
    routing = configuration.routing
    ttl_s, written = float(routing.session_ttl_seconds), routing.routing_budget
    if written is None:
        return Defaults(ttl_s)
    pct, discount = float(written.max_switch_spend_pct), float(written.cache_read_discount)
    return Defaults(ttl_s, Budget(pct, discount, written.replenish_on_rebind))


def _names(catalog: Catalog) -> Names:
    def model(name: str) -> ModelId:
        found = catalog.find(name)
        return found.id if isinstance(found, Found) and found.by != "catch_all" else ModelId(name)

    return Names(model, {route.name: route.candidates[0].id for route in catalog.routes if route.candidates})


def _policies(asked: Sequence[str], defaults: Defaults) -> tuple[Policy, ...]:
    try:
        named_ones = tuple(policy_named(text, defaults) for text in asked)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--policy") from error
    return tuple(dict.fromkeys(named_ones)) or default_policies(defaults)


# --- in and out ---


@contextmanager
def _opened(log: str) -> Iterator[IO[bytes]]:
    if log == "-":
        yield sys.stdin.buffer
        return
    try:
        opened = Path(log).open("rb")  # noqa: SIM115 - closed below; what is raised inside is not ours to word
    except OSError as error:
        raise InputAtFault(f"{log}: expected a file that can be read; found: {error.strerror}") from error
    with opened as lines:
        yield lines


def _check(replayed: Replayed, log: str, setting: Setting) -> None:
    """Raises InputAtFault where nothing could be priced: a table of zeros would say that all is free."""
    notes = replayed.notes
    if notes.sessions:
        return
    why = f"{notes.failed} requests failed, {notes.without_tokens} are without tokens or bytes"
    if notes.unpriced_models:
        models = ", ".join(model for model, _ in notes.unpriced_models.most_common(5))
        why += f", and {setting.prices.source} has no price of {models}"
    raise InputAtFault(f"{named(log)}: expected requests that can be priced; of {notes.requests}: {why}")


def _by(prices: Prices) -> str:
    return prices.source if prices.date is None else f"{prices.source}, of {prices.date}"


def _document(replayed: Replayed, setting: Setting, seed: int, resamples: int) -> dict[str, Any]:
    prices = {"source": setting.prices.source, "date": setting.prices.date}
    return {**document(replayed), "prices": prices, "seed": seed, "resamples": resamples}
