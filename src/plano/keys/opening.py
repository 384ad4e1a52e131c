"""Puts a gate together. Imported only where keys are configured: the library that counts loads slowly."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from plano.catalog.gateway_keys import GatewayKey
from plano.keys.counts import Counts
from plano.keys.gate import Gate, Prices
from plano.keys.meter import Meter
from plano.keys.sharing import Sharing


def gate_for(
    keys: Iterable[GatewayKey],
    *,
    counts: Counts | None,
    prices: Prices,
    now: Callable[[], float],
    today: Callable[[], float],
    sharing: Sharing | None = None,
) -> Gate:
    """`counts`: of the gate before, which go on; `now`: seconds, of a clock that never goes back; `today`:
    seconds since 1970; `sharing`: asked about windows, None: this process has them."""
    counts = counts or Counts(now)
    meters = {key.digest: Meter(key, counts, now=now, today=today, sharing=sharing) for key in keys}
    return Gate(meters, counts, prices)
