"""Upstream connections, kept alive and handed out: one `Pool` an event loop, one station an origin.

In the steady state a request takes an idle connection, is written, and waits once, for its answer.
Everything slower (a new connection, a place in the queue, a proxy's tunnel) happens in the task
that sends, so that cancelling it undoes it.
"""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from collections.abc import Callable, Sequence

from plano.http1.alarms import Alarms
from plano.http1.client import READ_BYTES, ClientConnection, Outcome
from plano.http1.dial import Dialer, client_context
from plano.http1.failures import ConnectFailed, Failure, Overdue
from plano.http1.limits import ClientLimits
from plano.http1.origin import Origin
from plano.http1.outbox import FEW, Outbox
from plano.http1.proxies import Proxies, Proxy
from plano.http1.resolve import Resolver
from plano.http1.sink import Buffer, Sink


class Pool:
    """Sends requests to any origin over as few connections as it can."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        limits: ClientLimits,
        alarms: Alarms,
        *,
        tls: Callable[[], ssl.SSLContext] = client_context,
        proxies: Proxies | None = None,
        resolver: Resolver | None = None,
        told: Callable[[Failure], Exception] = lambda failure: failure,
    ) -> None:
        """`tls` is called once, for the first origin that needs it; `told` makes of a failure what sinks
        are told."""
        self.loop = loop
        self.limits = limits
        self.alarms = alarms
        self.outbox = Outbox(loop)
        self.room = memoryview(bytearray(READ_BYTES))
        """Where the connections' reads are put."""
        self.dialer = Dialer(loop, resolver or Resolver(loop), tls, limits.dns_s)
        self.proxies = proxies or Proxies()
        self.told = told
        self.replays = 0
        """Requests sent a second time because an idle connection turned out dead."""
        self.is_closed = False
        self._stations: dict[Origin, Station] = {}
        self._sockets: set[ClientConnection] = set()
        self._emptied: asyncio.Event = asyncio.Event()

    async def send(
        self,
        origin: Origin,
        head: bytes,
        body: Sequence[Buffer],
        sink: Sink,
        *,
        first_byte_s: float,
        deadline: float,
        fresh: bool = False,
    ) -> None:
        """Send one request and push the answer into `sink`; return when `end` or `broke` was called.

        `head` is everything from the request line (in origin form) to the blank line, `body` is
        written as it is. `deadline` is a moment of the loop's clock. Raises nothing but what the
        sink raises; cancelled, it closes the connection at once. `fresh` replays over a new connection
        what `begin` has sent over one that turned out dead.
        """
        station = self._stations.get(origin) or self._found(origin)
        if station.proxied_in_clear is not None:
            head = absolute_form(head, origin, station.proxied_in_clear)
        if fresh:
            self.replays += 1
        while True:
            if station.idle and not fresh and not station.waiting:
                connection = station.idle.pop()
            else:
                try:
                    connection = await station.obtain(fresh=fresh, deadline=deadline)
                except Failure as failure:
                    sink.broke(self.told(failure))
                    return
            outcome = connection.start(head, body, sink, first_byte_s, deadline)
            try:
                if await outcome:
                    return
            except BaseException:
                connection.abandon(outcome)
                raise
            fresh = True
            self.replays += 1

    def begin(
        self,
        origin: Origin,
        head: bytes,
        body: Sequence[Buffer],
        sink: Sink,
        outcome: Outcome,
        *,
        first_byte_s: float,
        deadline: float,
    ) -> ClientConnection | None:
        """The steady state of `send` without a task: where an idle connection is at hand, the request is on
        its way when this returns that connection, and `outcome` hears the rest, never before. Whoever no
        longer wants it says `abandon`. None: nothing was begun."""
        station = self._stations.get(origin)
        if station is None or not station.idle or station.waiting or station.proxied_in_clear is not None:
            return None
        connection = station.idle[-1]
        if not connection.carry(head, body, sink, outcome, first_byte_s, deadline):
            return None
        station.idle.pop()
        return connection

    def idle(self, origin: Origin) -> int:
        """Unused connections."""
        station = self._stations.get(origin)
        return 0 if station is None else len(station.idle)

    def taken(self, origin: Origin) -> int:
        """Connections that are open or being opened, idle ones included."""
        station = self._stations.get(origin)
        return 0 if station is None else station.taken

    @property
    def sockets(self) -> int:
        """Open sockets to all origins."""
        return len(self._sockets)

    def drain_origin(self, origin: Origin) -> None:
        """Use no connection of `origin` again; those in use finish what they carry."""
        station = self._stations.pop(origin, None)
        if station is not None:
            station.drain()

    async def close(self) -> None:
        """Close everything; what is under way breaks. Returns when no socket is left."""
        self.is_closed = True
        for station in self._stations.values():
            station.drain()
            station.dismiss()
        for connection in list(self._sockets):
            connection.shut()
        if self._sockets:
            await self._emptied.wait()

    def opened(self, connection: ClientConnection) -> None:
        self._sockets.add(connection)
        self._emptied.clear()

    def closed(self, connection: ClientConnection) -> None:
        self._sockets.discard(connection)
        if not self._sockets:
            self._emptied.set()

    def _found(self, origin: Origin) -> Station:
        station = self._stations[origin] = Station(self, origin)
        return station


class Station:
    """The connections of one origin: which are idle, how many may be opened, who waits for one."""

    __slots__ = ("_origin", "_pool", "idle", "is_draining", "proxied_in_clear", "taken", "waiting")

    def __init__(self, pool: Pool, origin: Origin) -> None:
        self._pool = pool
        self._origin = origin
        self.idle: list[ClientConnection] = []
        """The one used last is taken first: it is the least likely to have gone stale."""
        self.taken = 0
        self.waiting: deque[asyncio.Future[None]] = deque()
        self.is_draining = False
        self.proxied_in_clear = _proxy_in_clear(pool.proxies, origin)
        """The proxy that reads each request, so that it must be in absolute form."""

    async def obtain(self, *, fresh: bool, deadline: float) -> ClientConnection:
        """A connection within the connect limit: the next one free, or (`fresh`) a new one.

        Raises `ConnectFailed`, or `Overdue` where the deadline came first.
        """
        until = min(self._pool.loop.time() + self._pool.limits.connect_s, deadline)
        try:
            return await self._next_connection(fresh=fresh, until=until)
        except ConnectFailed as failure:
            if until == deadline and failure.reason in ("timeout", "busy"):
                message = f"{self._origin.authority}: the deadline passed (connect)"
                raise Overdue(message, phase="connect") from failure
            raise

    async def _next_connection(self, *, fresh: bool, until: float) -> ClientConnection:
        queued = bool(self.waiting)  # others were here first
        while True:
            if queued:
                await self._turn(until)
            if self._pool.is_closed:
                raise ConnectFailed("this side has closed its connections", reason="closed")
            if self.idle and not fresh:
                return self.idle.pop()
            if self.idle and self.taken >= self._pool.limits.connections_per_origin:
                self.idle[0].abort()  # makes room for a fresh one
            if self.taken < self._pool.limits.connections_per_origin:
                return await self._open(until)
            queued = True

    async def _turn(self, until: float) -> None:
        """Wait until a connection is free or may be opened."""
        turn: asyncio.Future[None] = self._pool.loop.create_future()
        self.waiting.append(turn)
        try:
            async with asyncio.timeout_at(until):
                await turn
        except BaseException as error:
            if not turn.cancelled():
                self._call_next()  # was called, and cannot take its turn
            elif turn in self.waiting:
                self.waiting.remove(turn)
            if isinstance(error, TimeoutError):
                limit = self._pool.limits.connections_per_origin
                message = f"all {limit} connections to {self._origin.authority} stayed in use"
                raise ConnectFailed(message, reason="busy") from error
            raise

    async def _open(self, until: float) -> ClientConnection:
        pool, origin = self._pool, self._origin
        self.taken += 1
        connection = ClientConnection(
            pool.loop, pool.limits, pool.alarms, pool.outbox, self, origin.authority, pool.room
        )
        try:
            proxy = pool.proxies.before(origin)
            async with asyncio.timeout_at(until):
                await pool.dialer.dial(origin, proxy, connection)
        except TimeoutError as error:
            connection.discard()
            message = f"no connection to {origin.authority} within {pool.limits.connect_s:g} s"
            raise ConnectFailed(message, reason="timeout") from error
        except BaseException:
            connection.discard()
            raise
        if pool.is_closed:
            connection.abort()
            raise ConnectFailed("this side has closed its connections", reason="closed")
        return connection

    def drain(self) -> None:
        self.is_draining = True
        for connection in tuple(self.idle):
            connection.abort()

    def dismiss(self) -> None:
        """Call everybody: there will be no turn."""
        while self.waiting:
            self._call_next()

    def _call_next(self) -> None:
        while self.waiting:
            turn = self.waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return

    # --- what connections report and ask ---

    def told(self, failure: Failure, /) -> Exception:
        return self._pool.told(failure)

    def is_crowded(self) -> bool:
        return self.taken - len(self.idle) >= FEW

    def opened(self, connection: ClientConnection) -> None:
        self._pool.opened(connection)

    def freed(self, connection: ClientConnection) -> None:
        if self.is_draining or len(self.idle) >= self._pool.limits.idle_per_origin:
            connection.abort()
            return
        self.idle.append(connection)
        if self.waiting:
            self._call_next()

    def spent(self, connection: ClientConnection) -> None:
        self.taken -= 1
        if connection in self.idle:
            self.idle.remove(connection)
        self._call_next()

    def closed(self, connection: ClientConnection) -> None:
        self._pool.closed(connection)


def absolute_form(head: bytes, origin: Origin, proxy: Proxy) -> bytes:
    """The request as a proxy wants it (RFC 9112 §3.2.2), with the credentials meant for the proxy."""
    method, _, rest = head.partition(b" ")
    target, _, fields = rest.partition(b"\r\n")
    authority = origin.host_field
    credentials = b"Proxy-Authorization: %b\r\n" % proxy.authorization if proxy.authorization else b""
    return b"%b http://%b%b\r\n%b%b" % (method, authority, target, credentials, fields)


def _proxy_in_clear(proxies: Proxies, origin: Origin) -> Proxy | None:
    if origin.scheme == "https":
        return None
    try:
        return proxies.before(origin)
    except ConnectFailed:
        return None  # said again when a connection is opened
