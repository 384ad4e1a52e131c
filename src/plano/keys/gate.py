"""Who asks: the key that a client shows, found; its limits asked before the request and told after it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING

from plano.catalog.gateway_keys import GatewayKey
from plano.catalog.names import ModelId
from plano.catalog.prices import Price
from plano.chat.usage import Usage
from plano.errors import KeyExhausted, Unauthenticated
from plano.exchange.ports import Recorder
from plano.exchange.record import ExchangeRecord
from plano.keys.digests import digest_of

if TYPE_CHECKING:
    from plano.keys.counts import Counts
    from plano.keys.meter import Meter

AUTHORIZATION = b"authorization"
API_KEY = b"x-api-key"
BEARER = b"bearer "
MTOK = 1_000_000

Prices = Callable[[ModelId], Price | None]
Admission = Callable[[], Awaitable[None]]
"""Raises RateLimited, QuotaExceeded. Cancelled, nothing has begun."""


class Gate:
    """The keys of one configuration."""

    def __init__(self, meters: Mapping[bytes, Meter], counts: Counts, prices: Prices) -> None:
        """`meters`: by the digests of their keys, all over `counts`."""
        self.counts = counts
        self._prices = prices
        self._meters = meters
        self._admitted: dict[int, tuple[Meter, ExchangeRecord]] = {}
        """The requests under way, by the identity of their records."""

    def key_of(self, fields: Mapping[bytes, bytes]) -> GatewayKey:
        """The key that a head shows. Raises Unauthenticated.

        A key is found by its digest and never compared itself: what the time of a look-up tells is about the
        digest, and nobody can choose one without the key.
        """
        shown = _shown(fields)
        for key in shown:
            meter = self._meters.get(digest_of(key))
            if meter is not None:
                return meter.key
        found = "the key that was sent is none of those configured here" if shown else "no key was sent"
        raise Unauthenticated(
            f"This gateway asks for a key, and {found}; send one as 'Authorization: Bearer <key>' or as "
            "'x-api-key: <key>'."
        )

    def admit(self, key: GatewayKey, record: ExchangeRecord) -> Admission | None:
        """Begin a request, which ends when its record is written; or who is to be awaited before it begins,
        where others are to be asked. Raises RateLimited, QuotaExceeded."""
        meter = self._meters[key.digest]
        record.key = key.name
        if meter.is_shared:
            return partial(self._admit_shared, meter, record)
        meter.begin()
        self._admitted[id(record)] = meter, record
        return None

    async def _admit_shared(self, meter: Meter, record: ExchangeRecord) -> None:
        try:
            record.is_counted_alone = not await meter.begin_shared()
        except KeyExhausted as exhausted:
            record.key_limit = exhausted.limit
            raise
        self._admitted[id(record)] = meter, record

    def settle(self, record: ExchangeRecord) -> None:
        """The request has ended; nothing happens for one that was not admitted."""
        admitted = self._admitted.pop(id(record), None)
        if admitted is None:
            return
        tokens = 0
        try:
            tokens, record.usd = self._charge(record)
        finally:  # a key must not stay shut for a request that nobody can price
            admitted[0].end(tokens, record.usd)

    def _charge(self, record: ExchangeRecord) -> tuple[int, float | None]:
        """Tokens and money, of attempts that failed and were counted nevertheless, too."""
        tokens, usd = 0, None
        for model, usage in record.bill:
            more, more_usd = self._price(model, usage)
            tokens += more
            if more_usd is not None:
                usd = (usd or 0.0) + more_usd
        return tokens, usd

    def _price(self, model: ModelId, usage: Usage) -> tuple[int, float | None]:
        price = self._prices(model)
        tokens = (usage.input_tokens or 0) + (usage.output_tokens or 0)
        return tokens, None if price is None else cost_usd(usage, price)


class SettlingRecorder:
    """Records, and ends what the gate has begun."""

    def __init__(self, gate: Gate, recorder: Recorder) -> None:
        self._gate = gate
        self._recorder = recorder

    def record(self, record: ExchangeRecord) -> None:
        try:
            self._gate.settle(record)
        finally:
            self._recorder.record(record)


def cost_usd(usage: Usage, price: Price) -> float:
    """What an answer has cost at list prices; cached input, where its price is not known, as any other."""
    read, written = usage.cache_read_tokens or 0, usage.cache_creation_tokens or 0
    fresh = max(0, (usage.input_tokens or 0) - read - written)
    ordinary = price.input_usd_per_mtok
    cached = ordinary if price.cached_usd_per_mtok is None else price.cached_usd_per_mtok
    kept = ordinary if price.cache_write_usd_per_mtok is None else price.cache_write_usd_per_mtok
    output = (usage.output_tokens or 0) * price.output_usd_per_mtok
    return (fresh * ordinary + read * cached + written * kept + output) / MTOK


def _shown(fields: Mapping[bytes, bytes]) -> tuple[bytes, ...]:
    """What a client shows as its key: one of these two, or both, of which one may be for something else."""
    shown = []
    authorization = fields.get(AUTHORIZATION, b"")
    if authorization[: len(BEARER)].lower() == BEARER:
        shown.append(authorization[len(BEARER) :].strip())
    api_key = fields.get(API_KEY)
    if api_key is not None:
        shown.append(api_key)
    return tuple(shown)
