"""A few connections to one server, each of which has at most one question open.

A reply belongs to whoever asked for it, or to nobody: a connection is kept only when the whole reply has
been read; anything else that ends an operation, cancellation included, closes it (CVE-2023-28858, -28859).
Connections are opened in tasks of the pool, so that one that takes longer than an operation may is there
for the next, and a caller who gives up spoils nobody's handshake.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable

from redis.asyncio.connection import AbstractConnection
from redis.exceptions import ResponseError

from plano.stores.redis.link import Command, Reply

MOST_CONNECTIONS = 8
"""A round trip takes a tenth of a millisecond on loopback and one in a data centre: eight carry thousands of
operations a second, and all workers and replicas together stay far under a server's 10,000 clients."""
OPENING_S = 1.0
"""For connecting, TLS and AUTH: several round trips, and a handshake's arithmetic."""

Open = Callable[[], Awaitable[AbstractConnection]]
Waiter = asyncio.Future[AbstractConnection]


class PoolClosed(ConnectionError):
    """The store is closing."""


class Pool:
    """For one event loop."""

    def __init__(self, open_one: Open, most: int = MOST_CONNECTIONS, opening_s: float = OPENING_S) -> None:
        self._open_one = open_one
        self._most = most
        self._opening_s = opening_s
        self._idle: list[AbstractConnection] = []
        self._waiting: deque[Waiter] = deque()
        self._opening: set[asyncio.Task[None]] = set()
        self._lent = 0
        self._era = 0
        self._is_closed = False

    async def ask(self, *commands: Command) -> Reply:
        """Send `commands` together; the reply to the last. Raises what the connection or the server says."""
        connection = await self._take()
        era = self._era
        is_clean = False
        try:
            packed = connection.pack_commands(commands)
            await connection.send_packed_command(packed, check_health=False)
            for _ in commands[1:]:
                await connection.read_response()
            reply = await connection.read_response()
            is_clean = True
            return reply
        except ResponseError:
            is_clean = len(commands) == 1 and connection.is_connected  # an error is a whole reply as well
            raise
        finally:
            self._lent -= 1
            if is_clean and era == self._era and not self._is_closed:
                self._hand_on(connection)
            else:
                await _close(connection)
                self._open_for_waiting()

    async def renew(self) -> None:
        """Close what is idle, what is lent when it comes back, and open one. Raises what that raises."""
        self._era += 1
        await self._close_idle()
        connection = await self._take()
        self._lent -= 1
        self._hand_on(connection)

    async def close(self) -> None:
        self._is_closed = True
        while self._waiting:
            self._fail_first_waiting(PoolClosed())
        opening = list(self._opening)
        for task in opening:
            task.cancel()
        if opening:
            await asyncio.wait(opening)
        await self._close_idle()

    async def _take(self) -> AbstractConnection:
        if self._is_closed:
            raise PoolClosed
        while self._idle:
            connection = self._idle.pop()
            if not await connection.can_read():  # what can be read before a question is an end, or garbage
                self._lent += 1
                return connection
            await _close(connection)
        waiter: Waiter = asyncio.get_running_loop().create_future()
        self._waiting.append(waiter)
        self._open_for_waiting()
        try:
            return await waiter
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled() and waiter.exception() is None:
                self._lent -= 1
                self._hand_on(waiter.result())
            raise

    def _hand_on(self, connection: AbstractConnection) -> None:
        """To whoever has waited longest, or to the idle ones; the last that came is the first to go, so that
        those not needed grow old and are closed by the server."""
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                self._lent += 1
                waiter.set_result(connection)
                return
        self._idle.append(connection)

    def _open_for_waiting(self) -> None:
        """One more, if somebody waits whom those being opened will not serve, and there may be one more."""
        while self._waiting and self._waiting[0].done():
            self._waiting.popleft()
        count = self._lent + len(self._idle) + len(self._opening)
        if self._is_closed or count >= self._most or len(self._opening) >= len(self._waiting):
            return
        task = asyncio.create_task(self._open(), name="plano-redis-connection")
        self._opening.add(task)
        task.add_done_callback(self._opening.discard)

    async def _open(self) -> None:
        era = self._era
        try:
            async with asyncio.timeout(self._opening_s):
                connection = await self._open_one()
        except Exception as trouble:  # noqa: BLE001 - it is told to those who wait
            self._done_opening()
            self._fail_first_waiting(trouble)
            self._open_for_waiting()
            return
        self._done_opening()
        if era == self._era and not self._is_closed:
            self._hand_on(connection)
        else:
            await _close(connection)
            self._open_for_waiting()

    def _done_opening(self) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._opening.discard(task)

    def _fail_first_waiting(self, trouble: Exception) -> None:
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_exception(trouble)
                return

    async def _close_idle(self) -> None:
        while self._idle:
            await _close(self._idle.pop())


async def _close(connection: AbstractConnection) -> None:
    """At once: a server that is paused would never confirm."""
    await connection.disconnect(nowait=True)
