"""Single connections of redis-py, set up so that nothing happens on them that was not asked for: no retries,
no health checks, no news about the client; time is limited by whoever asks.
"""

from __future__ import annotations

import asyncio
import ssl
from typing import Any

from redis.asyncio.connection import AbstractConnection, Connection, SSLConnection, UnixDomainSocketConnection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from plano.redis_url import Address, Endpoint, Sentinels, Socket, Tls

SENTINEL_S = 0.3
"""For one Sentinel; then the next is asked."""

_PLAIN: dict[str, Any] = {
    "protocol": 2,
    "driver_info": None,
    # With limits of its own redis-py sends by `asyncio.wait_for`, which may swallow the cancellation that
    # ends an operation: one has been seen to take the 5 s that are redis-py's default.
    "socket_timeout": None,
    "socket_connect_timeout": None,
}


class MasterUnknown(ConnectionError):
    """No Sentinel that could be reached knows the service's master."""


class Connector:
    """Opens connections to the servers of one address."""

    def __init__(self, address: Address) -> None:
        self._address = address
        self._context = None if address.tls is None else _context(address.tls)

    async def server(self, at: Endpoint | Socket) -> AbstractConnection:
        """A connection that is ready: authenticated, and in its database."""
        address = self._address
        return await self._connected(at, address.username, address.password, address.database)

    async def master(self, sentinels: Sentinels) -> AbstractConnection:
        """The same, to the master that the first of the Sentinels names that answers."""
        for sentinel in sentinels.endpoints:
            try:
                async with asyncio.timeout(SENTINEL_S):
                    named = await self._master_named(sentinel, sentinels)
            except Exception:  # noqa: BLE001, S112 - whatever one suffers from, the next may be well
                continue
            if named is not None:
                return await self.server(named)
        raise MasterUnknown

    async def _master_named(self, sentinel: Endpoint, sentinels: Sentinels) -> Endpoint | None:
        """https://redis.io/docs/latest/develop/reference/sentinel-clients/"""
        connection = await self._connected(sentinel, sentinels.username, sentinels.password, 0)
        try:
            await connection.send_command("SENTINEL", "GET-MASTER-ADDR-BY-NAME", sentinels.service)
            match await connection.read_response():
                case [bytes(host), bytes(port)]:
                    return Endpoint(host.decode(), int(port))
                case _:
                    return None
        finally:
            await connection.disconnect(nowait=True)

    async def _connected(
        self, at: Endpoint | Socket, username: str | None, password: str | None, database: int
    ) -> AbstractConnection:
        connection = self._connection(at, username=username, password=password, db=database)
        try:
            await connection.connect()  # type: ignore[no-untyped-call]  # redis-py's own omission
        except BaseException:
            await connection.disconnect(nowait=True)
            raise
        return connection

    def _connection(self, at: Endpoint | Socket, **whom: Any) -> AbstractConnection:
        plain = {**_PLAIN, "retry": Retry(NoBackoff(), 0), **whom}
        if isinstance(at, Socket):
            return UnixDomainSocketConnection(path=at.path, **plain)
        if self._context is None:
            return Connection(host=at.host, port=at.port, **plain)
        connection = SSLConnection(host=at.host, port=at.port, **plain)
        connection.ssl_context.context = self._context
        return connection


def _context(tls: Tls) -> ssl.SSLContext:
    """Made once: reading the machine's authorities takes longer than an operation may."""
    context = ssl.create_default_context(cafile=tls.ca_file)
    if tls.certificate_file is not None:
        context.load_cert_chain(tls.certificate_file, tls.key_file)
    context.check_hostname = tls.checks_host
    context.verify_mode = ssl.CERT_REQUIRED if tls.is_verified else ssl.CERT_NONE
    return context
