"""How a command ends: its exit codes, and the two ways to say whose fault it was.

A command that is done returns None or one of these codes. What goes wrong it raises: `InputAtFault`
or `OutsideAtFault` with a message for a person; usage errors are click's own.
"""

from __future__ import annotations

from enum import IntEnum
from typing import IO, Any

import click

from plano.config.problems import ConfigurationInvalid


class ExitCode(IntEnum):
    """What the shell is told."""

    DONE = 0
    INPUT_AT_FAULT = 1
    """The file or text that was handed in, also when it is not there or may not be read: nothing was wrong
    with how it was handed in."""
    USAGE = 2
    """The command line itself."""
    OUTSIDE_AT_FAULT = 3
    """The machine or another program: a port that is taken, a disk that is full."""
    DEFECT = 70
    """Plano itself (sysexits.h: EX_SOFTWARE)."""
    INTERRUPTED = 130
    """Ctrl-C, as shells report it."""


class InputAtFault(click.ClickException):
    """What a command was given cannot be used; the message says where and what to do."""

    exit_code = ExitCode.INPUT_AT_FAULT


class ConfigurationAtFault(InputAtFault):
    """A configuration that cannot be used: told as its problems alone, so that each line begins with the
    place that programs jump to, then its warnings."""

    def __init__(self, invalid: ConfigurationInvalid) -> None:
        super().__init__("\n".join((str(invalid), *(f"warning: {warning}" for warning in invalid.warnings))))

    def show(self, file: IO[Any] | None = None) -> None:
        click.echo(self.message, file=file, err=file is None)


class OutsideAtFault(click.ClickException):
    """Something beside the input stands in the way; the message says what and what to do."""

    exit_code = ExitCode.OUTSIDE_AT_FAULT
