"""What may outlive a configuration: pins, prices and latencies, the embedded router, who is in trouble.

A configuration that replaces another takes over what it would have made in the same way: pins would be
lost, an encoder loaded twice, an outage met anew. Each part is closed with the last configuration that
uses it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Protocol

from plano.classifiers.embedded.encoder import Encoder
from plano.classifiers.embedded.router import EmbeddedRouter
from plano.http1.pool import Pool
from plano.quotes.board import Board
from plano.routing.health import Health
from plano.stores.memory import MemoryStore

if TYPE_CHECKING:
    from plano.stores.redis.store import RedisStore


class Part(Protocol):
    """What is started once, however many configurations use it, and closed once."""

    def start(self) -> None: ...

    async def close(self) -> None: ...


class Pins:
    """The store of pins, and its first connecting."""

    def __init__(self, store: MemoryStore | RedisStore) -> None:
        self.store = store
        self._connecting: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Connect; waits for nobody."""
        if self._connecting is None and not isinstance(self.store, MemoryStore):
            loop = asyncio.get_running_loop()
            self._connecting = loop.create_task(self.store.start(), name="affinity: connecting")

    async def close(self) -> None:
        if isinstance(self.store, MemoryStore):
            return
        if self._connecting is not None:
            self._connecting.cancel()
            await asyncio.wait([self._connecting])
        await self.store.close()


class Quoting:
    """The board of prices and latencies, and the connections that it asks over."""

    def __init__(self, board: Board, pool: Pool) -> None:
        self.board = board
        self._pool = pool
        self._is_started = False

    def start(self) -> None:
        """Begin to ask; waits for nobody."""
        if not self._is_started:
            self._is_started = True
            self.board.start(asyncio.get_running_loop())

    async def close(self) -> None:
        await self.board.close()
        await self._pool.close()


class Reading:
    """The embedded router, over an encoder that the process loads once."""

    def __init__(self, threshold: float | None, load: Callable[[], Encoder] | None = None) -> None:
        """`threshold`: see `EmbeddedRouter`; `load`: another's, whose encoder is to be shared."""
        self.load_encoder = load or cache(Encoder.load)
        self.router = EmbeddedRouter(self.load_encoder, threshold=threshold)

    def start(self) -> None:
        return

    async def close(self) -> None:
        self.router.close()


@dataclass(frozen=True, slots=True)
class Lasting:
    """The parts of one configuration that another may take over."""

    pins: Pins
    quoting: Quoting
    reading: Reading
    health: Health

    @property
    def parts(self) -> tuple[Part, ...]:
        return (self.pins, self.quoting, self.reading)
