"""What every use of Redis here has in common: an operation takes 50 ms at most, and its failure costs
nothing but what it was for.

A breaker counts every failure, and while it is open nobody asks; a task tries again in the background, and
says when Redis is back.
"""

from __future__ import annotations

import asyncio
import logging
import random
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Self, TypeVar

from plano.redis_url import parse_address
from plano.routing.affinity import StoreState, Unavailable
from plano.routing.breaker import Breaker, BreakerLimits, Permit, Report
from plano.stores.redis.link import Link
from plano.stores.redis.links import link_to
from plano.stores.redis.pool import OPENING_S
from plano.stores.redis.trouble import Trouble, trouble_of

_log = logging.getLogger(__name__)
_OK = StoreState()
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


USUAL = RedisLimits()


@dataclass(frozen=True, slots=True)
class Use:
    """What Redis is asked for, and how people are told of it."""

    name: str
    lost: str
    """What is so until Redis is back: a clause."""
    back: str
    """What is so again then: a clause."""


class Guard(ABC):
    """What asks one link for one use, on one event loop. `start` it, `close` it."""

    use: Use

    def __init__(
        self, link: Link, limits: RedisLimits = USUAL, *, chance: Callable[[], float] = random.random
    ) -> None:
        """`chance`: a number from 0 to 1, another each time."""
        self._link = link
        self._limits = limits
        self._chance = chance
        self._breaker = Breaker(BreakerLimits(limits.failures, first_rest_s=0.0, longest_rest_s=0.0))
        self.unavailable = Unavailable("Redis has not been asked yet")
        """What is answered while nobody asks."""
        self._recovery: asyncio.Task[None] | None = None
        self._is_closed = False

    @classmethod
    def at(cls, url: str, limits: RedisLimits = USUAL) -> Self:
        """One at `url` (see `plano.redis_url`). Raises AddressInvalid, and OSError for a file of TLS that
        cannot be read; a server that cannot be reached is no reason to."""
        return cls(link_to(parse_address(url)), limits)

    @abstractmethod
    async def _try_out(self) -> None:
        """Do once what all operations do: write, so that a replica or a full server is not taken for a sound
        one."""

    @property
    def state(self) -> StoreState:
        return _OK if self._breaker.is_closed else StoreState("degraded", self.unavailable.because)

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

    async def within_limits(self, work: Callable[[], Awaitable[T]]) -> T | Unavailable:
        """What `work` comes to. Raises nothing but cancellation."""
        if not self._breaker.is_closed or self._is_closed:
            return self.unavailable
        permit = Permit(self._breaker.era)
        try:
            async with asyncio.timeout(self._limits.operation_s):
                done = await work()
        except asyncio.CancelledError:
            self._count(permit, "abandoned")
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, it costs the request what was asked at most
            trouble = trouble_of(error, self._limits.operation_s)
            self._count(permit, "succeeded" if trouble.is_of_key else "failed", trouble)
            return Unavailable(trouble.because)
        self._count(permit, "succeeded")
        return done

    def _count(self, permit: Permit, how: Report, trouble: Trouble | None = None) -> None:
        was_closed, use = self._breaker.is_closed, self.use
        self._breaker = self._breaker.report(permit, how, asyncio.get_running_loop().time())
        if trouble is not None and how == "failed":
            self.unavailable = Unavailable(trouble.because)
        if not was_closed and self._breaker.is_closed:
            _log.warning("%s: Redis is back; %s", use.name, use.back)
        if was_closed and not self._breaker.is_closed and not self._is_closed:
            _log.warning("%s: %s; %s until it is back", use.name, self.unavailable.because, use.lost)
            self._recovery = asyncio.create_task(self._recover(), name=f"plano-redis-recovery: {use.name}")

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
        """Connect anew and try, within an operation's time once connected."""
        limit_s = OPENING_S
        try:
            async with asyncio.timeout(limit_s):
                await self._link.renew()
            limit_s = self._limits.operation_s
            async with asyncio.timeout(limit_s):
                await self._try_out()
        except Exception as error:  # noqa: BLE001 - there is no trouble after which there is no next try
            return trouble_of(error, limit_s)
        return None
