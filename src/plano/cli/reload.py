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
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from plano.catalog.build import load_catalog
from plano.catalog.catalog import Catalog
from plano.config.load import Configuration, ConfigurationInvalid
from plano.config.texts import Texts
from plano.observe.gauges import Gauges, LastReload
from plano.observe.metrics import Snapshot
from plano.observe.upkeep import Upkeep
from plano.observe.vocabulary import REFUSED, TAKEN

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
Apply = Callable[[Reloaded], Awaitable[bool]]
"""Has it serve, and says whether it does in every process. Raises OSError when it cannot."""


class Reloading:
    """Watches one file; whatever happens to it, the gateway has a configuration."""

    def __init__(
        self,
        texts: Texts,
        apply: Apply,
        say: Callable[[str], None],
        today: Callable[[], float] = time.time,
    ) -> None:
        """`texts`: what serves now; `today`: seconds since 1970."""
        self._texts = texts
        self._apply = apply
        self._say = say
        self._asked = asyncio.Event()
        self._today = today
        self._outcomes: dict[str, int] = {}
        self._last = LastReload(was_successful=True, succeeded_at=today())

    def counts(self) -> Snapshot:
        """What was read until now, and how that went."""
        return Snapshot(gauges=Gauges(last_reload=self._last), upkeep=Upkeep(reloads=dict(self._outcomes)))

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
        is_taken = False
        try:
            is_taken = await self._take(texts)
        except Exception:  # noqa: BLE001 - a defect in here must not end a gateway that serves
            _log.exception("a defect kept the configuration from being reloaded; %s", KEPT)
        outcome = TAKEN if is_taken else REFUSED
        self._outcomes[outcome] = self._outcomes.get(outcome, 0) + 1
        self._last = LastReload(is_taken, self._today() if is_taken else self._last.succeeded_at)

    async def _take(self, texts: Texts) -> bool:
        """Whether it serves now."""
        try:
            configuration, catalog = await _aside(lambda: load_catalog(texts, os.environ))
        except ConfigurationInvalid as invalid:
            self._say(str(invalid))
            self._say(f"plano: the configuration was not reloaded; {KEPT}")
            return False
        try:
            is_everywhere = await self._apply(Reloaded(texts, configuration, catalog))
        except OSError as problem:
            self._say(f"plano: the configuration was not reloaded: {problem.strerror or problem}; {KEPT}")
            return False
        self._texts = texts
        for warning in configuration.warnings:
            self._say(f"warning: {warning}")
        models, routes = len(catalog.models), len(catalog.routes)
        self._say(f"plano: reloaded {texts.source}: {_count(models, 'model')}, {_count(routes, 'route')}")
        return is_everywhere


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
