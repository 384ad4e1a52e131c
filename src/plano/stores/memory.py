"""Pins in this process: nothing to wait for, nothing shared with other workers or replicas.

The least recently used goes when there are too many, by count or by bytes. A pin whose time is over goes
when it is asked for, or when it is the least recently used and another is written, so that no operation
ever looks through all of them.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from time import monotonic
from typing import NamedTuple

from plano.routing.affinity import (
    NoPin,
    Pin,
    StoreState,
    Unavailable,
    Unreadable,
    Unwritable,
    read_pin,
    render,
)

MOST_ENTRIES = 10_000
MOST_BYTES = 16 * 1024 * 1024
"""A usual pin takes about 400 bytes; only one with a long story of spending comes near its 4 KiB."""
ENTRY_BYTES = 320
"""What the interpreter adds to the key's and the value's own bytes."""
SWEPT_A_WRITE = 2
"""More than one, so that those whose time is over become fewer."""

_OK = StoreState()
_NO_PIN = NoPin()


class _Entry(NamedTuple):
    value: bytes
    """As it would stand in Redis: both stores keep and refuse the same."""
    expires: float


class MemoryStore:
    """An `AffinityStore` for one event loop."""

    name = "memory"
    state = _OK

    def __init__(
        self,
        most_entries: int = MOST_ENTRIES,
        most_bytes: int = MOST_BYTES,
        *,
        now: Callable[[], float] = monotonic,
    ) -> None:
        self._most_entries = most_entries
        self._most_bytes = most_bytes
        self._now = now
        self._entries: OrderedDict[str, _Entry] = OrderedDict()
        self._bytes = 0

    async def read(self, key: str) -> Pin | NoPin | Unavailable:
        entry = self._live(key)
        return _NO_PIN if entry is None else _read(entry)

    async def pin_first(self, key: str, pin: Pin, ttl_s: float) -> Pin | Unavailable:
        entry = self._live(key)
        if entry is not None:
            return _read(entry)
        return self._put(key, pin, self._now() + ttl_s)

    async def pin(self, key: str, pin: Pin, ttl_s: float) -> Pin | Unavailable:
        return self._put(key, pin, self._now() + ttl_s)

    async def move(self, key: str, pin: Pin) -> Pin | NoPin | Unavailable:
        entry = self._live(key)
        return _NO_PIN if entry is None else self._put(key, pin, entry.expires)

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def size(self) -> int:
        """What it holds, in bytes, roughly."""
        return self._bytes

    def _live(self, key: str) -> _Entry | None:
        entry = self._entries.get(key)
        if entry is None:
            return None
        if entry.expires <= self._now():
            self._remove(key)
            return None
        self._entries.move_to_end(key)
        return entry

    def _put(self, key: str, pin: Pin, expires: float) -> Pin | Unavailable:
        value = render(pin)
        if isinstance(value, Unwritable):
            return Unavailable(value.because)
        if key in self._entries:
            self._remove(key)
        self._sweep()
        self._entries[key] = _Entry(value, expires)
        self._bytes += _size(key, value)
        while len(self._entries) > self._most_entries or self._bytes > self._most_bytes:
            self._remove(next(iter(self._entries)))
        return pin

    def _sweep(self) -> None:
        now = self._now()
        for _ in range(SWEPT_A_WRITE):
            oldest = next(iter(self._entries), None)
            if oldest is None or self._entries[oldest].expires > now:
                return
            self._remove(oldest)

    def _remove(self, key: str) -> None:
        self._bytes -= _size(key, self._entries.pop(key).value)


def _read(entry: _Entry) -> Pin | Unavailable:
    read = read_pin(entry.value)
    return Unavailable(read.because) if isinstance(read, Unreadable) else read


def _size(key: str, value: bytes) -> int:
    return len(key) + len(value) + ENTRY_BYTES
