"""Pins in Redis, as the gateway asks for them: in 50 ms, or not at all (`guard.py`).

Whatever goes wrong is one request without affinity.
"""

from __future__ import annotations

from plano.routing.affinity import (
    KEY_PREFIX,
    MOST_VALUE_BYTES,
    NoPin,
    Pin,
    Unavailable,
    Unreadable,
    Unwritable,
    read_pin,
    render,
)
from plano.stores.redis.guard import Guard, Use
from plano.stores.redis.link import Reply
from plano.stores.redis.trouble import NotRedis

PROBE_KEY = f"{KEY_PREFIX} probe"
"""Where the background task writes: a key that no session has, for ids hold no space, and that a user who
may touch pins alone may touch."""

_NO_PIN = NoPin()
_FOREIGN = "what stands under the key is no pin"


class RedisStore(Guard):
    """An `AffinityStore` for one event loop. `start` it, `close` it."""

    name = "redis"
    use = Use("affinity", "sessions are not kept", "sessions are kept again")

    async def read(self, key: str) -> Pin | NoPin | Unavailable:
        return await self.within_limits(lambda: self._read(key))

    async def pin_first(self, key: str, pin: Pin, ttl_s: float) -> Pin | Unavailable:
        value = render(pin)
        if isinstance(value, Unwritable):
            return Unavailable(value.because)
        return await self.within_limits(lambda: self._pin_first(key, pin, value, _ms(ttl_s)))

    async def pin(self, key: str, pin: Pin, ttl_s: float) -> Pin | Unavailable:
        value = render(pin)
        if isinstance(value, Unwritable):
            return Unavailable(value.because)
        return await self.within_limits(lambda: self._pin(key, pin, value, _ms(ttl_s)))

    async def move(self, key: str, pin: Pin) -> Pin | NoPin | Unavailable:
        value = render(pin)
        if isinstance(value, Unwritable):
            return Unavailable(value.because)
        return await self.within_limits(lambda: self._move(key, pin, value))

    # --- in Redis's words ---

    async def _read(self, key: str) -> Pin | NoPin | Unavailable:
        """GETRANGE, so that of a long value no more comes than shows that it is too long."""
        reply = await self._ask(key, "GETRANGE", key, 0, MOST_VALUE_BYTES)
        if not isinstance(reply, bytes):
            raise NotRedis
        if not reply:
            return _NO_PIN
        match read_pin(reply):
            case Unreadable(because):
                return Unavailable(because)
            case pin:
                return pin

    async def _pin_first(self, key: str, pin: Pin, value: bytes, ttl_ms: int) -> Pin | Unavailable:
        for _ in range(2):  # a pin whose time ends between the two commands leaves room for ours
            if await self._is_set(key, "SET", key, value, "NX", "PX", ttl_ms):
                return pin
            held = await self._read(key)
            if not isinstance(held, NoPin):
                return held
        return Unavailable(_FOREIGN)

    async def _pin(self, key: str, pin: Pin, value: bytes, ttl_ms: int) -> Pin | Unavailable:
        if not await self._is_set(key, "SET", key, value, "PX", ttl_ms):
            raise NotRedis
        return pin

    async def _move(self, key: str, pin: Pin, value: bytes) -> Pin | NoPin | Unavailable:
        is_set = await self._is_set(key, "SET", key, value, "XX", "KEEPTTL")
        return pin if is_set else _NO_PIN

    async def _is_set(self, key: str, *command: str | bytes | int) -> bool:
        match await self._ask(key, *command):
            case b"OK":
                return True
            case None:
                return False
            case _:
                raise NotRedis

    async def _ask(self, key: str, *command: str | bytes | int) -> Reply:
        return await self._link.ask(key, command)

    async def _try_out(self) -> None:
        if not await self._is_set(PROBE_KEY, "SET", PROBE_KEY, b"1", "PX", 1000):
            raise NotRedis


def _ms(seconds: float) -> int:
    return max(1, round(seconds * 1000))
