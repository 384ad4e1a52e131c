"""Another configuration for a gateway that runs: when it is read, checked, and handed on.

Read on SIGHUP, and when the file or the `.env` beside it has changed and then stayed as it is: whoever
writes a file in pieces, or swaps the link that it is read through, is not interrupted. One that is
invalid changes nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from plano.catalog.build import load_catalog
from plano.catalog.catalog import Catalog
from plano.config.load import Configuration, ConfigurationInvalid
from plano.config.texts import Texts

_log = logging.getLogger(__name__)
T = TypeVar("T")
LOOK_EVERY_S = 0.5
"""A look is two calls of the system. Looking sees what notifications do not: file systems of the network,
and links to links, as Kubernetes makes them."""
KEPT = "the gateway goes on with the configuration that it has"


@dataclass(frozen=True, slots=True)
class Reloaded:
    """What was read, and passed every check."""

    texts: Texts
    configuration: Configuration
    catalog: Catalog


Marks = tuple[tuple[int, ...], ...]
"""What tells one state of the files from another."""
Apply = Callable[[Reloaded], Awaitable[None]]
"""Has it serve; returns when it does. Raises OSError when it cannot."""


class Reloading:
    """Watches one file; whatever happens to it, the gateway has a configuration."""

    def __init__(self, texts: Texts, apply: Apply, say: Callable[[str], None]) -> None:
        """`texts`: what serves now."""
        self._texts = texts
        self._apply = apply
        self._say = say
        self._asked = asyncio.Event()

    def ask(self) -> None:
        """Read it again, changed or not."""
        self._asked.set()

    async def run(self) -> None:
        """Watch until cancelled."""
        files = Path(self._texts.source), Path(self._texts.source).with_name(".env")
        seen = read = None
        while True:
            was_asked = await self._woken()
            now = await _aside(lambda: _marks(files))
            has_settled, seen = now == seen, now
            if was_asked or (has_settled and now != read):
                texts = await _aside(lambda: Texts.take(files[0]))
                read = now
                if was_asked or texts != self._texts:
                    await self._attempt(texts)

    async def _woken(self) -> bool:
        """Whether it was asked for; False when it is time to look."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LOOK_EVERY_S):
                await self._asked.wait()
        was_asked = self._asked.is_set()
        self._asked.clear()
        return was_asked

    async def _attempt(self, texts: Texts) -> None:
        try:
            await self._take(texts)
        except Exception:  # noqa: BLE001 - a defect in here must not end a gateway that serves
            _log.exception("a defect kept the configuration from being reloaded; %s", KEPT)

    async def _take(self, texts: Texts) -> None:
        try:
            configuration, catalog = await _aside(lambda: load_catalog(texts, os.environ))
        except ConfigurationInvalid as invalid:
            self._say(str(invalid))
            self._say(f"plano: the configuration was not reloaded; {KEPT}")
            return
        try:
            await self._apply(Reloaded(texts, configuration, catalog))
        except OSError as problem:
            self._say(f"plano: the configuration was not reloaded: {problem.strerror or problem}; {KEPT}")
            return
        self._texts = texts
        for warning in configuration.warnings:
            self._say(f"warning: {warning}")
        models, routes = len(catalog.models), len(catalog.routes)
        self._say(f"plano: reloaded {texts.source}: {_count(models, 'model')}, {_count(routes, 'route')}")


def _marks(files: tuple[Path, ...]) -> Marks:
    """Links are followed: what counts is what would be read."""
    return tuple(_mark(file) for file in files)


def _mark(file: Path) -> tuple[int, ...]:
    try:
        found = file.stat()
    except (OSError, ValueError):
        return ()
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'s' * (number != 1)}"


async def _aside(work: Callable[[], T]) -> T:
    return await asyncio.get_running_loop().run_in_executor(None, work)
