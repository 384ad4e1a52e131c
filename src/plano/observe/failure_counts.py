"""Counts what went wrong on the way to an answer: attempts that failed, who stood in, who was turned away.

A request whose first attempt succeeds has nothing of that, and costs nothing here.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Final, TypeVar

import msgspec

from plano.chat.usage import Usage
from plano.errors import UpstreamRefused
from plano.exchange.record import ExchangeRecord, FailedAttempt
from plano.observe.distribution import Distribution
from plano.observe.vocabulary import OTHER, TOKEN_USAGE

MOST_TOKENS: Final = 10**12
"""A count beyond it is a provider's mistake, and would drown a sum for ever; so would one below zero."""
STATUSES: Final = frozenset(
    [200, 400, 401, 403, 404, 405, 408, 409, 413, 414, 415, 422, 429, 431, 499, 500, 502, 503, 504, 529]
)
"""Those that are told apart."""
_TOKENS: Final = TOKEN_USAGE.bounds
Key = TypeVar("Key", bound=Hashable)


class FailureCounts(msgspec.Struct):
    """By the labels they are scraped under; a model is a declared one, its wildcard, or `_OTHER`."""

    attempts: dict[tuple[str, str], int] = {}
    """That failed, by model and type of the error."""
    input_tokens: dict[str, Distribution] = {}
    """Of attempts that failed and were followed by another."""
    output_tokens: dict[str, Distribution] = {}
    fallbacks: dict[str, int] = {}
    """Requests that others have answered, by the model that was to be asked first."""
    set_back: int = 0
    """Candidates that others went before, because they rest."""
    shed: dict[str, int] = {}
    """Requests turned away, by what there was too little of."""

    def add(self, other: FailureCounts) -> None:
        _add(self.attempts, other.attempts)
        _add(self.fallbacks, other.fallbacks)
        _add(self.shed, other.shed)
        self.set_back += other.set_back
        _add_distributions(self.input_tokens, other.input_tokens)
        _add_distributions(self.output_tokens, other.output_tokens)

    def take(self, record: ExchangeRecord, label: Callable[[str], str]) -> None:
        """`label`: what a model counts as."""
        for attempt in record.failed:
            model = label(attempt.model)
            _count(self.attempts, (model, _error_type(attempt)))
            if attempt.usage is not None:
                self._count_tokens(model, attempt.usage)
        preferred = record.preferred
        if preferred is not None and preferred != record.chosen and record.ending == "answered":
            _count(self.fallbacks, label(preferred))
        self.set_back += record.set_back
        if record.shed is not None:
            _count(self.shed, record.shed)

    def _count_tokens(self, model: str, usage: Usage) -> None:
        for tokens, counts in (
            (usage.input_tokens, self.input_tokens),
            (usage.output_tokens, self.output_tokens),
        ):
            if tokens is not None and 0 <= tokens <= MOST_TOKENS:
                counts.setdefault(model, Distribution.within(_TOKENS)).note(tokens, _TOKENS)


def _error_type(attempt: FailedAttempt) -> str:
    """Our code, or the status where the provider gave an error of its own."""
    if attempt.code != UpstreamRefused.code:
        return attempt.code
    return str(attempt.status) if attempt.status in STATUSES else OTHER


def _count(counts: dict[Key, int], key: Key) -> None:
    counts[key] = counts.get(key, 0) + 1


def _add(counts: dict[Key, int], others: dict[Key, int]) -> None:
    for key, count in others.items():
        counts[key] = counts.get(key, 0) + count


def _add_distributions(distributions: dict[str, Distribution], others: dict[str, Distribution]) -> None:
    for key, other in others.items():
        distributions.setdefault(key, Distribution.within(_TOKENS)).add(other)
