"""The windows in which the use of a key is counted: what they are called and how long they last, wherever
they are kept.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from limits import RateLimitItem, RateLimitItemPerDay, RateLimitItemPerMinute

from plano.catalog.gateway_keys import GatewayKey
from plano.errors import KeyLimit

NAMESPACE = "plano:keys"
ID_DIGITS = 32
"""Of a key's digest, in a window's name: enough that no two keys share one."""
DAY_S = 86_400
MICRO = 1_000_000
"""Money is counted in millionths of a dollar: windows count whole numbers."""
_EPOCH = date(1970, 1, 1).toordinal()


class PerMinute(RateLimitItemPerMinute):
    """So many a minute, under the name alone."""

    def key_for(self, *identifiers: bytes | str | int | float) -> str:
        """The library adds the amount: a limit that is raised would forget what was had."""
        (name,) = identifiers
        return str(name)


class PerDay(RateLimitItemPerDay):
    """So many a day, under the name alone."""

    def key_for(self, *identifiers: bytes | str | int | float) -> str:
        """See `PerMinute`."""
        (name,) = identifiers
        return str(name)


@dataclass(frozen=True, slots=True)
class Limited:
    """One limit of one key."""

    limit: KeyLimit
    item: RateLimitItem
    name: str
    """Of its window; for the money of a day the date comes behind it."""


@dataclass(frozen=True, slots=True)
class Windows:
    """The windows of one key, in the order in which they are looked at."""

    quota: Limited | None
    tokens: Limited | None
    requests: Limited | None

    @classmethod
    def of(cls, key: GatewayKey) -> Windows:
        name = name_of(key)
        usd, tokens, requests = key.max_usd_per_day, key.tokens_per_minute, key.requests_per_minute
        return cls(
            None if usd is None else Limited("quota", PerDay(round(usd * MICRO)), f"{name}:micro-usd"),
            None if tokens is None else Limited("tokens", PerMinute(tokens), f"{name}:tokens"),
            None if requests is None else Limited("requests", PerMinute(requests), f"{name}:requests"),
        )

    @property
    def all(self) -> tuple[Limited, ...]:
        """Those that there are."""
        return tuple(each for each in (self.quota, self.tokens, self.requests) if each is not None)


def name_of(key: GatewayKey) -> str:
    """What the names of a key's windows begin with. In braces, so that a cluster of Redis has them all in one
    place and can look at them together."""
    return f"{NAMESPACE}:{{{key.digest.hex()[:ID_DIGITS]}}}"


def day_of(today: float) -> str:
    """The date, in UTC, of a moment in seconds since 1970."""
    return date.fromordinal(_EPOCH + int(today // DAY_S)).isoformat()
