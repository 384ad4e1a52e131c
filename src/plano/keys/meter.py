"""What one key may have, held against what it has had."""

from __future__ import annotations

from collections.abc import Callable

from limits import RateLimitItem, RateLimitItemPerDay, RateLimitItemPerMinute
from limits.strategies import FixedWindowRateLimiter

from plano.catalog.gateway_keys import GatewayKey
from plano.errors import QuotaExceeded, RateLimited
from plano.keys.counts import Counts

DAY_S = 86_400
SOON_S = 1.0
"""What a client waits for whom another of its own requests stands in the way."""
MICRO = 1_000_000
"""Money is counted in millionths of a dollar: windows count whole numbers."""
NAMESPACE = "plano"


class Meter:
    """One key's limits. Asked before a request, told after it."""

    def __init__(
        self, key: GatewayKey, counts: Counts, *, now: Callable[[], float], today: Callable[[], float]
    ) -> None:
        """`now`: the clock of the windows; `today`: seconds since 1970, for when a day ends."""
        self.key = key
        self._counts = counts
        self._now = now
        self._today = today
        self._limiter = FixedWindowRateLimiter(counts.windows)
        self._id = key.digest.hex()[:32]
        self._requests = _per_minute(key.requests_per_minute)
        self._tokens = _per_minute(key.tokens_per_minute)
        self._micro_usd = _per_day(key.max_usd_per_day)

    def begin(self) -> None:
        """One more request. Raises RateLimited, QuotaExceeded; then it is not counted."""
        self._check_under_way()
        if self._micro_usd is not None:
            self._check_day(self._micro_usd)
        if self._tokens is not None and not self._limiter.test(self._tokens, "tokens", self._id):
            raise self._used_up(self._tokens, "tokens")
        if self._requests is not None:
            if not self._limiter.test(self._requests, "requests", self._id):
                raise self._used_up(self._requests, "requests")
            self._limiter.hit(self._requests, "requests", self._id)
        self._counts.begin(self.key.digest)

    def end(self, tokens: int, usd: float | None) -> None:
        """It has ended, whichever way, and was answered with so many tokens at this price; None: nobody
        knows it."""
        self._counts.end(self.key.digest)
        if self._tokens is not None and tokens:
            self._limiter.hit(self._tokens, "tokens", self._id, cost=tokens)
        if self._micro_usd is not None and usd:
            self._limiter.hit(self._micro_usd, "usd", self._day(), self._id, cost=round(usd * MICRO))

    def _check_under_way(self) -> None:
        most = self.key.max_concurrent
        if most is not None and self._counts.under_way.get(self.key.digest, 0) >= most:
            raise RateLimited(
                f"The key {self.key.name!r} has {most} requests under way, which is all it may have "
                "(max_concurrent); send this one again when one of them has ended.",
                key=self.key.name,
                retry_after_s=SOON_S,
            )

    def _check_day(self, item: RateLimitItem) -> None:
        if not self._limiter.test(item, "usd", self._day(), self._id):
            raise QuotaExceeded(
                f"The key {self.key.name!r} has spent its {self.key.max_usd_per_day:g} US dollars of today "
                "(max_usd_per_day); the next day begins at midnight UTC.",
                key=self.key.name,
                retry_after_s=DAY_S - self._today() % DAY_S,
            )

    def _used_up(self, item: RateLimitItem, what: str) -> RateLimited:
        ends = self._limiter.get_window_stats(item, what, self._id).reset_time
        wait_s = max(0.0, ends - self._now())
        return RateLimited(
            f"The key {self.key.name!r} has had its {item.amount} {what} of this minute "
            f"({what}_per_minute); the next begins in {wait_s:.0f} s.",
            key=self.key.name,
            retry_after_s=wait_s,
        )

    def _day(self) -> str:
        """Since 1970."""
        return str(int(self._today() // DAY_S))


def _per_minute(amount: int | None) -> RateLimitItem | None:
    return None if amount is None else RateLimitItemPerMinute(amount, namespace=NAMESPACE)


def _per_day(usd: float | None) -> RateLimitItem | None:
    return None if usd is None else RateLimitItemPerDay(round(usd * MICRO), namespace=NAMESPACE)
