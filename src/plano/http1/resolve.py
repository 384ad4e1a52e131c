"""Names to addresses, without letting a dead resolver take anything else down.

`getaddrinfo` blocks for as long as the system's resolver likes and cannot be cancelled. So look-ups
run in a few threads of their own (daemons: a hanging one does not hold up the end of the process),
one look-up a name at a time however many ask, and an answer is kept for a few seconds.
"""

from __future__ import annotations

import asyncio
import socket
import threading
from collections import deque
from collections.abc import Callable
from itertools import chain, zip_longest

AddressInfo = tuple[
    socket.AddressFamily, socket.SocketKind, int, str, tuple[str, int] | tuple[str, int, int, int]
]
"""One row of `socket.getaddrinfo`; the last item is what `connect` takes."""
LookUp = Callable[[str, int], list[AddressInfo]]

LOOK_UPS_AT_ONCE = 8
"""Threads at most: a dead resolver blocks these and no others."""
KEEP_S = 5.0
"""How long an answer is used again: spares a burst of new connections the look-ups, and is short
enough that a changed record is followed at once (getaddrinfo does not tell a record's own life)."""


class Resolver:
    """Looks names up for one event loop."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, *, look_up: LookUp | None = None, keep_s: float = KEEP_S
    ) -> None:
        self._loop = loop
        self._look_up = look_up or _system_look_up
        self._keep_s = keep_s
        self._known: dict[tuple[str, int], tuple[float, list[AddressInfo]]] = {}
        self._asked: dict[tuple[str, int], asyncio.Future[list[AddressInfo]]] = {}
        self._waiting: deque[tuple[str, int]] = deque()
        self._running = 0

    async def addresses(self, host: str, port: int) -> list[AddressInfo]:
        """At least one address, families alternating (RFC 8305 §4). Raises what getaddrinfo raises.

        The caller bounds the time; when it gives up, the look-up goes on for whoever asks next.
        """
        literal = literal_address(host, port)
        if literal is not None:
            return [literal]
        key = (host, port)
        known = self._known.get(key)
        if known is not None and known[0] > self._loop.time():
            return known[1]
        asked = self._asked.get(key)
        if asked is None:
            asked = self._ask(key)
        return await asyncio.shield(asked)

    def _ask(self, key: tuple[str, int]) -> asyncio.Future[list[AddressInfo]]:
        asked: asyncio.Future[list[AddressInfo]] = self._loop.create_future()
        asked.add_done_callback(_take_note)
        self._asked[key] = asked
        self._waiting.append(key)
        self._start()
        return asked

    def _start(self) -> None:
        while self._waiting and self._running < LOOK_UPS_AT_ONCE:
            self._running += 1
            key = self._waiting.popleft()
            threading.Thread(target=self._run, args=(key,), name="plano-resolver", daemon=True).start()

    def _run(self, key: tuple[str, int]) -> None:
        """In a thread of its own."""
        answer: list[AddressInfo] | Exception
        try:
            answer = self._look_up(*key)
        except Exception as error:  # noqa: BLE001 - handed to whoever asked
            answer = error
        try:
            self._loop.call_soon_threadsafe(self._answered, key, answer)
        except RuntimeError:
            pass  # the loop was closed meanwhile: nobody asks any more

    def _answered(self, key: tuple[str, int], answer: list[AddressInfo] | Exception) -> None:
        self._running -= 1
        asked = self._asked.pop(key)
        if isinstance(answer, Exception):
            asked.set_exception(answer)
        else:
            addresses = alternating(answer)
            now = self._loop.time()
            self._known = {kept: entry for kept, entry in self._known.items() if entry[0] > now}
            self._known[key] = (now + self._keep_s, addresses)
            asked.set_result(addresses)
        self._start()


def literal_address(host: str, port: int) -> AddressInfo | None:
    """The address that `host` is already, or None for a name. The system is not asked: even for an
    address it may want to open files, of which there may be none left."""
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            socket.inet_pton(family, host)
        except (OSError, ValueError):  # a NUL, or no ASCII
            continue
        destination = (host, port) if family == socket.AF_INET else (host, port, 0, 0)
        return family, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", destination
    return None


def alternating(addresses: list[AddressInfo]) -> list[AddressInfo]:
    """The resolver's order with the families taking turns, the first one's first (RFC 8305 §4)."""
    first = [address for address in addresses if address[0] == addresses[0][0]]
    others = [address for address in addresses if address[0] != addresses[0][0]]
    return [address for address in chain(*zip_longest(first, others)) if address is not None]


def _system_look_up(host: str, port: int) -> list[AddressInfo]:
    return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)  # type: ignore[return-value]  # typeshed types the address as `tuple[Any, ...]`


def _take_note(asked: asyncio.Future[list[AddressInfo]]) -> None:
    """Nobody may be waiting any more; a failure is then not news."""
    if not asked.cancelled():
        asked.exception()
