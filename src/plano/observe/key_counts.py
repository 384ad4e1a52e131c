"""Counts what gateway keys have asked for, and what they were given. Without keys it costs nothing."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import msgspec

from plano.chat.usage import Usage
from plano.exchange.record import ExchangeRecord
from plano.observe.failure_counts import MOST_TOKENS
from plano.observe.vocabulary import ADMITTED, INPUT, KEY_OUTCOMES, OUTPUT

_TOKEN_TYPES: Final = (INPUT, OUTPUT)


class KeyCounts(msgspec.Struct):
    """By the names of keys, as they are configured."""

    requests: dict[tuple[str, str], int] = {}
    """By key and outcome."""
    tokens: dict[tuple[str, str], int] = {}
    """By key and type."""
    usd: dict[str, float] = {}
    alone: dict[str, int] = {}
    """Requests that were let in without Redis."""

    def add(self, other: KeyCounts) -> None:
        for outcome, count in other.requests.items():
            self.requests[outcome] = self.requests.get(outcome, 0) + count
        for kind, tokens in other.tokens.items():
            self.tokens[kind] = self.tokens.get(kind, 0) + tokens
        for key, usd in other.usd.items():
            self.usd[key] = self.usd.get(key, 0.0) + usd
        for key, count in other.alone.items():
            self.alone[key] = self.alone.get(key, 0) + count

    def know(self, keys: Iterable[str]) -> None:
        """Each is there from now on, so that a rate over its first count is not lost."""
        for key in keys:
            self.add(
                KeyCounts(
                    {(key, outcome): 0 for outcome in KEY_OUTCOMES},
                    {(key, kind): 0 for kind in _TOKEN_TYPES},
                    {key: 0.0},
                    {key: 0},
                )
            )

    def take(self, record: ExchangeRecord, key: str) -> None:
        """Count a request that came with `key`. Who only lists models has asked for none."""
        if record.key_limit is None and record.dialect is None:
            return
        outcome = key, record.key_limit or ADMITTED
        self.requests[outcome] = self.requests.get(outcome, 0) + 1
        if record.is_counted_alone:
            self.alone[key] = self.alone.get(key, 0) + 1
        if record.usd is not None:
            self.usd[key] = self.usd.get(key, 0.0) + record.usd
        for _, usage in record.bill:
            self._count_tokens(key, usage)

    def _count_tokens(self, key: str, usage: Usage) -> None:
        for kind, tokens in zip(_TOKEN_TYPES, (usage.input_tokens, usage.output_tokens), strict=True):
            if tokens is not None and 0 <= tokens <= MOST_TOKENS:
                self.tokens[key, kind] = self.tokens.get((key, kind), 0) + tokens
