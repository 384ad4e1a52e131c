"""Pins in Redis, as the gateway asks for them: in 50 ms, or not at all.

Whatever goes wrong is one request without affinity. A breaker counts every failure, and while it is open
nobody asks; a task of the store tries again in the background, and says when Redis is back. The try writes,
so that a replica or a full server is not taken for a sound one.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from plano.redis_url import parse_address
from plano.routing.affinity import (
    KEY_PREFIX,
    MOST_VALUE_BYTES,
    NoPin,
    Pin,
    StoreState,
    Unavailable,
    Unreadable,
    Unwritable,
    read_pin,
    render,
)
from plano.routing.breaker import Breaker, BreakerLimits, Permit, Report
from plano.stores.redis.link import Link, Reply
from plano.stores.redis.links import link_to
from plano.stores.redis.pool import OPENING_S
from plano.stores.redis.trouble import NotRedis, Trouble, trouble_of

PROBE_KEY = f"{KEY_PREFIX} probe"
"""Where the background task writes: a key that no session has, for ids hold no space, and that a user who
may touch pins alone may touch."""

_log = logging.getLogger(__name__)
_OK = StoreState()
_NO_PIN = NoPin()
_FOREIGN = "what stands under the key is no pin"
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class RedisLimits:
    """How long, how often."""

    operation_s: float = 0.05
    """For a whole operation, waiting for a connection included: what a request may lose to a slow Redis."""
    failures: int = 5
    """In a row, or half of at least 20 within 30 s: then nobody asks any more."""
    first_rest_s: float = 0.5
    longest_rest_s: float = 5.0
    """Between tries in the background: each is twice the one before, and of each a random part is left out,
    half at most, lest all replicas come at once."""


class RedisStore:
    """An `AffinityStore` for one event loop. `start` it, `close` it."""

    name = "redis"

    def __init__(
        self, link: Link, limits: RedisLimits = RedisLimits(), *, chance: Callable[[], float] = random.random
    ) -> None:
        """`chance`: a number from 0 to 1, another each time."""
        self._link = link
        self._limits = limits
        self._chance = chance
        self._breaker = Breaker(BreakerLimits(limits.failures, first_rest_s=0.0, longest_rest_s=0.0))
        self._unavailable = Unavailable("Redis has not been asked yet")
        self._recovery: asyncio.Task[None] | None = None
        self._is_closed = False

    @classmethod
    def at(cls, url: str, limits: RedisLimits = RedisLimits()) -> RedisStore:
        """A store at `url` (see `plano.redis_url`). Raises AddressInvalid, and OSError for a file of TLS that
        cannot be read; a server that cannot be reached is no reason to."""
        return cls(link_to(parse_address(url)), limits)

    @property
    def state(self) -> StoreState:
        return _OK if self._breaker.is_closed else StoreState("degraded", self._unavailable.because)

    async def start(self) -> None:
        """Connect; returns after a second at most, with or without Redis."""
        trouble = await self._probe()
        while trouble is not None and self._breaker.is_closed:
            self._count(Permit(self._breaker.era), "failed", trouble)

    async def close(self) -> None:
        self._is_closed = True
        if self._recovery is not None:
            self._recovery.cancel()
            await asyncio.wait([self._recovery])
        await self._link.close()

    async def read(self, key: str) -> Pin | NoPin | Unavailable:
        return await self._guarded(lambda: self._read(key))

    async def pin_first(self, key: str, pin: Pin, ttl_s: float) -> Pin | Unavailable:
        value = render(pin)
        if isinstance(value, Unwritable):
            return Unavailable(value.because)
        return await self._guarded(lambda: self._pin_first(key, pin, value, _ms(ttl_s)))

    async def pin(self, key: str, pin: Pin, ttl_s: float) -> Pin | Unavailable:
        value = render(pin)
        if isinstance(value, Unwritable):
            return Unavailable(value.because)
        return await self._guarded(lambda: self._pin(key, pin, value, _ms(ttl_s)))

    async def move(self, key: str, pin: Pin) -> Pin | NoPin | Unavailable:
        value = render(pin)
        if isinstance(value, Unwritable):
            return Unavailable(value.because)
        return await self._guarded(lambda: self._move(key, pin, value))

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

    # --- when it does not go well ---

    async def _guarded(self, work: Callable[[], Awaitable[T]]) -> T | Unavailable:
        if not self._breaker.is_closed or self._is_closed:
            return self._unavailable
        permit = Permit(self._breaker.era)
        try:
            async with asyncio.timeout(self._limits.operation_s):
                done = await work()
        except asyncio.CancelledError:
            self._count(permit, "abandoned")
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, it costs the request its affinity at most
            trouble = trouble_of(error, self._limits.operation_s)
            self._count(permit, "succeeded" if trouble.is_of_key else "failed", trouble)
            return Unavailable(trouble.because)
        self._count(permit, "succeeded")
        return done

    def _count(self, permit: Permit, how: Report, trouble: Trouble | None = None) -> None:
        was_closed = self._breaker.is_closed
        self._breaker = self._breaker.report(permit, how, asyncio.get_running_loop().time())
        if trouble is not None and how == "failed":
            self._unavailable = Unavailable(trouble.because)
        if not was_closed and self._breaker.is_closed:
            _log.warning("affinity: Redis is back; sessions are kept again")
        if was_closed and not self._breaker.is_closed and not self._is_closed:
            _log.warning("affinity: %s; sessions are not kept until it is back", self._unavailable.because)
            self._recovery = asyncio.create_task(self._recover(), name="plano-redis-recovery")

    async def _recover(self) -> None:
        """Try until it works."""
        rest_s = self._limits.first_rest_s
        while not self._breaker.is_closed:
            await asyncio.sleep(rest_s * (1 - self._chance() / 2))
            rest_s = min(2 * rest_s, self._limits.longest_rest_s)
            self._breaker, admitted = self._breaker.admit(asyncio.get_running_loop().time())
            if isinstance(admitted, Permit):
                trouble = await self._probe()
                self._count(admitted, "failed" if trouble else "succeeded", trouble)

    async def _probe(self) -> Trouble | None:
        """Connect anew and write, within an operation's time once connected."""
        limit_s = OPENING_S
        try:
            async with asyncio.timeout(limit_s):
                await self._link.renew()
            limit_s = self._limits.operation_s
            async with asyncio.timeout(limit_s):
                if not await self._is_set(PROBE_KEY, "SET", PROBE_KEY, b"1", "PX", 1000):
                    raise NotRedis
        except Exception as error:  # noqa: BLE001 - there is no trouble after which there is no next try
            return trouble_of(error, limit_s)
        return None


def _ms(seconds: float) -> int:
    return max(1, round(seconds * 1000))
