"""What one key may have, held against what it has had."""

from __future__ import annotations

from collections.abc import Callable

from limits.strategies import FixedWindowRateLimiter

from plano.catalog.gateway_keys import GatewayKey
from plano.errors import KeyExhausted, QuotaExceeded, RateLimited
from plano.keys.counts import Counts
from plano.keys.shared import Entry, Verdict
from plano.keys.sharing import Sharing
from plano.keys.windows import DAY_S, MICRO, Limited, Windows, day_of
from plano.routing.affinity import Unavailable

SOON_S = 1.0
"""What a client waits for whom another of its own requests stands in the way."""
MOST_TOKENS = 10**9
MOST_MICRO_USD = 10**12
"""Of one answer: a provider that says more is mistaken, and would fill a window for ever."""


class Meter:
    """One key's limits. Asked before a request, told after it.

    Where windows are shared, those of this process follow what is learned of them: so a worker that cannot
    reach them goes on from there, by itself.
    """

    def __init__(
        self,
        key: GatewayKey,
        counts: Counts,
        *,
        now: Callable[[], float],
        today: Callable[[], float],
        sharing: Sharing | None = None,
    ) -> None:
        """`now`: the clock of the windows; `today`: seconds since 1970, for when a day ends."""
        self.key = key
        self._counts = counts
        self._now = now
        self._today = today
        self._limiter = FixedWindowRateLimiter(counts.windows)
        self._windows = Windows.of(key)
        self._looked_at = self._windows.all
        self._sharing = sharing if self._looked_at else None
        self._ledger = None if self._sharing is None else self._sharing.ledger(key.digest)
        self._day = (-1, "")

    @property
    def is_shared(self) -> bool:
        """Whether somebody else is to be asked: `begin_shared` then, else `begin`."""
        return self._sharing is not None

    def begin(self) -> None:
        """One more request. Raises RateLimited, QuotaExceeded; then it is not counted."""
        self._check_under_way()
        self._take_alone()
        self._counts.begin(self.key.digest)

    async def begin_shared(self) -> bool:
        """The same where windows are shared. Whether they could be asked: else this worker's own have
        answered."""
        self._check_under_way()
        self._counts.begin(self.key.digest)  # at once: others come while this one waits
        try:
            return await self._take_shared()
        except BaseException:
            self._counts.end(self.key.digest)
            raise

    def end(self, tokens: int, usd: float | None) -> None:
        """It has ended, whichever way, and was answered with so many tokens at this price; None: nobody
        knows it."""
        self._counts.end(self.key.digest)
        windows = self._windows
        had = []
        if windows.tokens is not None and tokens > 0:
            had.append(self._count(windows.tokens, min(tokens, MOST_TOKENS)))
        if windows.quota is not None and usd is not None and usd > 0:
            micro_usd = round(min(usd * MICRO, MOST_MICRO_USD))
            if micro_usd:
                had.append(self._count(windows.quota, micro_usd))
        if had and self._sharing is not None and self._ledger is not None:
            self._sharing.note(self._ledger, had)

    def _count(self, limited: Limited, amount: int) -> Entry:
        """In this process; what is to be told to others."""
        name = self._name(limited)
        self._limiter.hit(limited.item, name, cost=amount)
        return Entry(name, limited.item.get_expiry(), tells=amount)

    # -- before a request

    def _check_under_way(self) -> None:
        most = self.key.max_concurrent
        if most is not None and self._counts.under_way.get(self.key.digest, 0) >= most:
            raise RateLimited(
                f"The key {self.key.name!r} has {most} requests under way, which is all it may have "
                "(max_concurrent); send this one again when one of them has ended.",
                key=self.key.name,
                limit="concurrent",
                retry_after_s=SOON_S,
            )

    def _take_alone(self) -> None:
        """By what this process knows."""
        for limited in self._looked_at:
            name = self._name(limited)
            if not self._limiter.test(limited.item, name):
                ends = self._limiter.get_window_stats(limited.item, name).reset_time
                raise self._exhausted(limited, max(0.0, ends - self._now()))
        requests = self._windows.requests
        if requests is not None:
            self._limiter.hit(requests.item, requests.name)

    async def _take_shared(self) -> bool:
        sharing, ledger = self._sharing, self._ledger
        assert sharing is not None
        assert ledger is not None
        looked_at = self._looked_at
        entries = tuple(self._entry(limited) for limited in looked_at)
        verdict = await sharing.ask(ledger, entries)
        if isinstance(verdict, Unavailable):
            self._take_alone()
            return False
        self._learn(entries, verdict)
        if verdict.full is not None:
            raise self._exhausted(looked_at[verdict.full], verdict.standings[verdict.full].left_s)
        return True

    def _entry(self, limited: Limited) -> Entry:
        item = limited.item
        takes = int(limited is self._windows.requests)
        return Entry(self._name(limited), item.get_expiry(), item.amount, takes=takes)

    def _learn(self, entries: tuple[Entry, ...], verdict: Verdict) -> None:
        """What is on its way may be in the count already, and is then in it twice until its own answer comes:
        too much for a moment, and never too little for a worker that is left alone by then."""
        ledger = self._ledger
        assert ledger is not None
        for entry, standing in zip(entries, verdict.standings, strict=False):  # those only told come behind
            left_s = standing.left_s or (entry.lasts_s if ledger.owed_to(entry.name) else 0.0)
            self._counts.windows.learn(entry.name, standing.count + ledger.owed_to(entry.name), left_s)

    def _exhausted(self, limited: Limited, left_s: float) -> KeyExhausted:
        name = self.key.name
        if limited is self._windows.quota:
            return QuotaExceeded(
                f"The key {name!r} has spent its {self.key.max_usd_per_day:g} US dollars of today "
                "(max_usd_per_day); the next day begins at midnight UTC.",
                key=name,
                limit=limited.limit,
                retry_after_s=DAY_S - self._today() % DAY_S,
            )
        return RateLimited(
            f"The key {name!r} has had its {limited.item.amount} {limited.limit} of this minute "
            f"({limited.limit}_per_minute); the next begins in {left_s:.0f} s.",
            key=name,
            limit=limited.limit,
            retry_after_s=left_s,
        )

    def _name(self, limited: Limited) -> str:
        """Of the window that counts now."""
        if limited is not self._windows.quota:
            return limited.name
        number = int(self._today() // DAY_S)
        if self._day[0] != number:
            self._day = number, f"{limited.name}:{day_of(self._today())}"
        return self._day[1]
