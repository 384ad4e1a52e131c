"""From an origin to a connected transport: names, addresses, proxies, TLS.

Each step turns what it catches into a `ConnectFailed` with its own reason; the time for all of them
together is the caller's to bound. Sockets are connected here rather than by `create_connection`,
because uvloop's knows no happy eyeballs, and because a tunnel must speak before TLS does.
"""

from __future__ import annotations

import asyncio
import re
import socket
import ssl
from collections import deque
from collections.abc import Callable, Sequence

from plano.http1 import failures
from plano.http1.failures import DIAL_ERRORS, ConnectFailed, ConnectReason
from plano.http1.origin import Origin
from plano.http1.proxies import Proxy
from plano.http1.resolve import AddressInfo, Resolver

STAGGER_S = 0.25
"""Head start of one address before the next is tried too (RFC 8305 §5)."""
TUNNEL_HEAD_BYTES = 16 * 1024
"""A proxy's answer to CONNECT; a few hundred bytes in practice."""

_TUNNEL_ANSWER = re.compile(rb"HTTP/1\.[01] ([0-9]{3})[ \r]")


def client_context(ca_path: str | None = None) -> ssl.SSLContext:
    """TLS as a client: the system's authorities and those of `ca_path`, names verified, 1.2 at least.

    Reads the system's bundle, which takes tens of milliseconds: call it once, before serving.
    """
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    if ca_path is not None:
        context.load_verify_locations(ca_path)
    return context


class Dialer:
    """Opens connections for one event loop."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        resolver: Resolver,
        tls: Callable[[], ssl.SSLContext],
        dns_s: float,
    ) -> None:
        self._loop = loop
        self._resolver = resolver
        self._tls = tls
        self._dns_s = dns_s
        self._context: ssl.SSLContext | None = None

    async def dial(self, origin: Origin, proxy: Proxy | None, protocol: asyncio.BaseProtocol) -> None:
        """Connect `protocol` to `origin`, through `proxy` where there is one.

        Raises `ConnectFailed`. Cancelled, it leaves no socket behind, although `protocol` may still
        be told of a connection that is already being closed.
        """
        if proxy is None:
            sock = await self._reach(origin.host, origin.port)
        else:
            sock = await self._reach_proxy(proxy)
        try:
            if proxy is not None and origin.scheme == "https":
                await self._tunnel(sock, origin, proxy)
            await self._attach(sock, origin, protocol)
        except BaseException:
            sock.close()
            raise

    async def _reach_proxy(self, proxy: Proxy) -> socket.socket:
        try:
            return await self._reach(proxy.host, proxy.port)
        except ConnectFailed as failure:
            reason: ConnectReason = "exhausted" if failure.reason == "exhausted" else "proxy"
            raise ConnectFailed(f"proxy: {failure.message}", reason=reason) from failure

    async def _reach(self, host: str, port: int) -> socket.socket:
        try:
            async with asyncio.timeout(self._dns_s):
                addresses = await self._resolver.addresses(host, port)
        except TimeoutError as error:
            message = f"cannot resolve {host!r}: no answer within {self._dns_s:g} s"
            raise ConnectFailed(message, reason="dns") from error
        except DIAL_ERRORS as error:
            raise failures.of_lookup(error, host) from error
        outcome = await self._race(addresses)
        if isinstance(outcome, socket.socket):
            return outcome
        raise failures.of_socket(outcome, f"{host}:{port}") from outcome

    async def _race(self, addresses: Sequence[AddressInfo]) -> socket.socket | Exception:
        """The first address that connects, or what the first one said when none does."""
        if len(addresses) == 1:
            return await self._attempt(addresses[0])
        attempts: list[asyncio.Task[socket.socket | Exception]] = []
        connected: list[socket.socket] = []
        try:
            async with asyncio.TaskGroup() as group:
                await self._stagger(group, deque(addresses), attempts)
        finally:
            outcomes = [attempt.result() for attempt in attempts if not attempt.cancelled()]
            connected = [outcome for outcome in outcomes if isinstance(outcome, socket.socket)]
            for spare in connected[1:]:
                spare.close()
        if connected:
            return connected[0]
        return next(outcome for outcome in outcomes if isinstance(outcome, Exception))

    async def _stagger(
        self,
        group: asyncio.TaskGroup,
        left: deque[AddressInfo],
        attempts: list[asyncio.Task[socket.socket | Exception]],
    ) -> None:
        """Start the next attempt when one has failed or its head start is over."""
        running: set[asyncio.Task[socket.socket | Exception]] = set()
        while left or running:
            if left:
                attempts.append(group.create_task(self._attempt(left.popleft())))
                running.add(attempts[-1])
            done, running = await asyncio.wait(
                running, timeout=STAGGER_S if left else None, return_when=asyncio.FIRST_COMPLETED
            )
            if any(isinstance(attempt.result(), socket.socket) for attempt in done):
                break
        for late in running:
            late.cancel()

    async def _attempt(self, address: AddressInfo) -> socket.socket | Exception:
        family, kind, protocol, _, destination = address
        try:
            sock = socket.socket(family, kind, protocol)
        except OSError as error:
            return error
        try:
            sock.setblocking(False)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            await self._loop.sock_connect(sock, destination)
        except DIAL_ERRORS as error:
            sock.close()
            return error
        except BaseException:
            sock.close()
            raise
        return sock

    async def _tunnel(self, sock: socket.socket, origin: Origin, proxy: Proxy) -> None:
        """Ask the proxy to connect through (RFC 9110 §9.3.6)."""
        try:
            await self._loop.sock_sendall(sock, _connect_request(origin, proxy))
            head = b""
            while b"\r\n\r\n" not in head and len(head) < TUNNEL_HEAD_BYTES:
                data = await self._loop.sock_recv(sock, 4096)
                if not data:
                    break
                head += data
        except DIAL_ERRORS as error:
            raise _no_tunnel(origin, proxy, f"the connection broke ({error})") from error
        answer = _TUNNEL_ANSWER.match(head)
        if answer is None:
            raise _no_tunnel(origin, proxy, f"it answered {head[:16]!r}")
        if not answer[1].startswith(b"2"):
            raise _no_tunnel(origin, proxy, f"it answered {answer[1].decode()}")
        if head.find(b"\r\n\r\n") != len(head) - 4:  # TLS begins with the client
            raise _no_tunnel(origin, proxy, "its head did not end, or bytes came after it")

    async def _attach(self, sock: socket.socket, origin: Origin, protocol: asyncio.BaseProtocol) -> None:
        if origin.scheme == "http":
            try:
                await self._loop.create_connection(lambda: protocol, sock=sock)
            except DIAL_ERRORS as error:
                raise failures.of_socket(error, origin.authority) from error
            return
        name = origin.server_hostname or origin.host
        try:
            if self._context is None:
                self._context = self._tls()
            await self._loop.create_connection(
                lambda: protocol, sock=sock, ssl=self._context, server_hostname=name
            )
        except DIAL_ERRORS as error:
            raise failures.of_tls(error, origin.authority) from error


def _connect_request(origin: Origin, proxy: Proxy) -> bytes:
    authority = origin.wire_authority
    credentials = b"Proxy-Authorization: %b\r\n" % proxy.authorization if proxy.authorization else b""
    return b"CONNECT %b HTTP/1.1\r\nHost: %b\r\n%b\r\n" % (authority, authority, credentials)


def _no_tunnel(origin: Origin, proxy: Proxy, found: str) -> ConnectFailed:
    message = f"no tunnel to {origin.authority} through the proxy {proxy.authority}: {found}; expected a 2xx"
    return ConnectFailed(message, reason="proxy")
