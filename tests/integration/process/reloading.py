"""A gateway whose configuration is a file that the test edits."""

from __future__ import annotations

import contextlib
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from tests.integration.process.launch import FREE, launched, write
from tests.wall.gateway import OPENAI_MODEL, Config, config_at, listener
from tests.wall.process import START_S, GatewayProcess
from tests.wall.upstream import ScriptedUpstream

RELOADED = r"plano: reloaded "
REFUSED = r"plano: the configuration was not reloaded"
INVALID = "version: v0.4.0\nmodel_providers:\n  - model: nowhere\n    acces_key: x\n"


def aliased(upstream: ScriptedUpstream, alias: str, **more: Any) -> dict[str, Any]:
    """A configuration that is told from others by an alias."""
    return config_at(
        upstream,
        model_aliases={alias: {"target": OPENAI_MODEL}},
        **{**listener(drain_idle_s="2s"), **more},
    )


@contextlib.asynccontextmanager
async def edited(
    upstream: ScriptedUpstream, folder: Path, workers: str = "1", *, first: Config | None = None
) -> AsyncIterator[GatewayProcess]:
    """A gateway on `config.yaml` in `folder`: `first`, or one that has the alias `before`."""
    write(folder, first or aliased(upstream, "before"))
    async with launched("up", "config.yaml", *FREE, "--workers", workers, folder=folder) as running:
        await running.started()
        yield running


async def said_again(running: GatewayProcess, pattern: str, times: int, *, within_s: float = START_S) -> None:
    """Wait until standard error has `pattern` so many times. Each is looked for behind the last and then
    held on to: trying other combinations would double the work with each."""
    await running.said(rf"(?s)\A(?>.*?{pattern}){{{times}}}", within_s=within_s)


def times_said(running: GatewayProcess, pattern: str) -> int:
    return len(re.findall(pattern.encode(), running.stderr))


def replace(file: Path, text: str) -> None:
    """The content of a file, in one step, as editors do it."""
    beside = file.with_name(file.name + ".new")
    beside.write_text(text)
    beside.replace(file)
