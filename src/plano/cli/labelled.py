"""Labelled conversations for the commands that measure: opened, checked, and counted off as they are read."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, Any, Final, TypeVar

import click

from plano.catalog.build import load_catalog
from plano.catalog.catalog import Catalog
from plano.chat.conversation import Conversation
from plano.cli.exits import ConfigurationAtFault, InputAtFault
from plano.config.load import Configuration, ConfigurationInvalid, find
from plano.evaluation.labelled import Contents, LabelledFile
from plano.evaluation.lines import LinesAtFault
from plano.routing.reading import read
from plano.routing.route_set import RouteSet
from plano.routing.utterance import Utterance

HELD_BYTES: Final = 16 * 1024 * 1024
"""How much of what comes through a pipe is held in memory; more of it goes to a temporary file."""
FEWEST_SHOWN: Final = 200
"""Turns from which a progress bar is worth drawing."""

Turn = TypeVar("Turn")


class LabelsAtFault(InputAtFault):
    """Lines that cannot be used: told alone, so that each begins with the place that programs jump to."""

    def show(self, file: IO[Any] | None = None) -> None:
        click.echo(self.message, file=file, err=file is None)


def configured(file: Path | None) -> tuple[Configuration, Catalog]:
    """What a file declares, else that of the current folder, else the environment.

    Raises ConfigurationAtFault.
    """
    try:
        configuration, catalog = load_catalog(file or find(Path.cwd()), os.environ)
    except ConfigurationInvalid as invalid:
        raise ConfigurationAtFault(invalid) from invalid
    for warning in configuration.warnings:
        click.echo(f"warning: {warning}", err=True)
    return configuration, catalog


@contextmanager
def labelled_file(
    data: str, configuration: Configuration, catalog: Catalog
) -> Iterator[tuple[LabelledFile, Contents]]:
    """A sound file of labelled conversations, `-` being standard input, and what it holds.

    Raises LabelsAtFault with every line that is not what it should be.
    """
    budget_tokens = configuration.overrides.orchestrator_model_context_length

    def words(conversation: Conversation) -> tuple[Utterance, ...]:
        return read(conversation, budget_tokens=budget_tokens)

    with _opened(data) as lines:
        file = LabelledFile(named(data), lines, RouteSet(catalog.routes), words)
        try:
            yield file, file.check()
        except LinesAtFault as fault:
            raise LabelsAtFault(str(fault)) from fault


def named(data: str) -> str:
    """What the file is called in what people read."""
    return "standard input" if data == "-" else data


@contextmanager
def _opened(data: str) -> Iterator[IO[bytes]]:
    """The file, or a copy of it where it can be read only once."""
    if data == "-":
        with _copied(sys.stdin.buffer) as lines:
            yield lines
        return
    with ExitStack() as stack:
        try:
            source: IO[bytes] = stack.enter_context(Path(data).open("rb"))
        except OSError as error:
            raise InputAtFault(
                f"{data}: expected a file that can be read; found: {error.strerror}"
            ) from error
        yield source if source.seekable() else stack.enter_context(_copied(source))


@contextmanager
def _copied(source: IO[bytes]) -> Iterator[IO[bytes]]:
    with tempfile.SpooledTemporaryFile(HELD_BYTES) as lines:
        shutil.copyfileobj(source, lines)
        yield lines


def counted_off(turns: Iterable[Turn], count: int) -> Iterator[Turn]:
    """The same turns, with a bar on standard error where somebody watches and it takes a while."""
    if count < FEWEST_SHOWN or not sys.stderr.isatty():
        yield from turns
        return
    from rich.console import Console  # noqa: PLC0415 - only a terminal needs it
    from rich.progress import (  # noqa: PLC0415 - as above
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TimeRemainingColumn,
    )

    columns = (BarColumn(bar_width=40), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        yield from progress.track(turns, total=count)


def percent(share: float) -> str:
    return f"{100 * share:.1f} %"


class ShareType(click.ParamType[float]):
    """A share of all: `0.9`, or `90%`."""

    name = "share"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        text = str(value).strip()
        try:
            share = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
        except ValueError:
            share = -1.0
        if not 0 <= share <= 1:
            self.fail(f"expected a share such as 0.9 or 90%; got {text[:40]!r}", param, ctx)
        return share
