"""Asks and tells the shared windows; a task of its own tells what no question has told along.

What answers have had is known when they end, and nobody waits for it to be told: it goes along with the
key's next request, or after a moment by itself. While the windows are out of reach it is kept, and told when
they are back.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Iterable

from plano.keys.ledger import Ledger, told_with
from plano.keys.shared import Entry, SharedWindows, Verdict
from plano.routing.affinity import StoreState, Unavailable

TELL_AFTER_S = 0.05
"""An agent's next request often comes sooner, and tells it along."""
AGAIN_AFTER_S = 0.5
"""Between tries while the windows are out of reach."""
LAST_TELLING_S = 1.0
"""What telling the rest may add to a shutdown."""
NO_MARK = ""
"""Nothing is told."""

_log = logging.getLogger(__name__)


class Sharing:
    """For one event loop, from `start` to `close`; outlives configurations that keep the same windows."""

    def __init__(
        self,
        windows: SharedWindows,
        *,
        now: Callable[[], float],
        mark: Callable[[], str],
        lose: Callable[[int], None],
    ) -> None:
        """See `Ledger`."""
        self._windows = windows
        self._now = now
        self._mark = mark
        self._lose = lose
        self._ledgers: dict[bytes, Ledger] = {}
        self._owing = asyncio.Event()
        self._connecting: asyncio.Task[None] | None = None
        self._telling: asyncio.Task[None] | None = None

    @property
    def state(self) -> StoreState:
        return self._windows.state

    def ledger(self, digest: bytes) -> Ledger:
        """Of the key with this digest; the same for every configuration that has it."""
        ledger = self._ledgers.get(digest)
        if ledger is None:
            ledger = self._ledgers[digest] = Ledger(self._now, self._mark, self._lose)
        return ledger

    async def ask(self, ledger: Ledger, asked: tuple[Entry, ...] = ()) -> Verdict | Unavailable:
        """Ask about windows of one key, and tell what is owed to them."""
        batch = ledger.take()
        if batch is None:
            return await self._windows.ask(asked, NO_MARK) if asked else Verdict(None, ())
        verdict: Verdict | Unavailable | None = None
        try:
            verdict = await self._windows.ask(told_with(asked, batch), batch.mark)
        finally:
            if isinstance(verdict, Verdict):
                ledger.told(batch)
            else:
                ledger.put_back(batch)
                self._owing.set()
        return verdict

    def note(self, ledger: Ledger, had: Iterable[Entry]) -> None:
        """An answer has ended; waits for nobody."""
        ledger.note(had)
        self._owing.set()

    # -- life

    def start(self) -> None:
        """Connect, and tell from now on; waits for neither. Does nothing the second time."""
        if self._telling is None:
            loop = asyncio.get_running_loop()
            self._connecting = loop.create_task(self._windows.start(), name="gateway keys: connecting")
            self._telling = loop.create_task(self._tell(), name="gateway keys: telling")

    async def close(self) -> None:
        """Tell the rest, for a second at most; who is cancelled while telling leaves nothing open either."""
        try:
            await self._tell_the_rest()
        finally:
            try:
                await self._windows.close()
            finally:
                self._drop_untold()

    async def _tell_the_rest(self) -> None:
        tasks = [task for task in (self._connecting, self._telling) if task is not None]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LAST_TELLING_S):
                    await self._tell_all()

    def _drop_untold(self) -> None:
        untold = sum(ledger.drop() for ledger in self._ledgers.values())
        if untold:
            answers = "1 answer has" if untold == 1 else f"{untold} answers have"
            _log.warning("gateway keys: Redis was not told what %s had", answers)

    async def _tell(self) -> None:
        while True:
            await self._owing.wait()
            await asyncio.sleep(TELL_AFTER_S)
            self._owing.clear()
            if not await self._tell_all():
                await asyncio.sleep(AGAIN_AFTER_S)
                self._owing.set()

    async def _tell_all(self) -> bool:
        """Whether all has been told."""
        is_all = True
        for ledger in list(self._ledgers.values()):
            while ledger:
                if isinstance(await self.ask(ledger), Unavailable):
                    is_all = False
                    break
        return is_all
