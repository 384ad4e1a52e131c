"""The router of a configuration, for commands that ask it; its warnings told, its problems raised."""

from __future__ import annotations

from pathlib import Path

import click

from plano.cli.exits import ConfigurationAtFault
from plano.config.load import ConfigurationInvalid
from plano.in_process import Router


def configured_router(file: Path | None) -> Router:
    """Raises ConfigurationAtFault. `file`: None takes what the current folder has."""
    try:
        router = Router.from_file(file)
    except ConfigurationInvalid as invalid:
        raise ConfigurationAtFault(invalid) from invalid
    for warning in router.warnings:
        click.echo(f"warning: {warning}", err=True)
    return router
