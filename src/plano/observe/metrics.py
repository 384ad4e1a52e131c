"""Counts what the records say, in cells of our own, and ships them as values.

A cell is one combination of labels, so a record costs one look-up and a few additions; the
families a scraper sees are folded from the cells at scrape time (`exposition.py`). Each worker
counts for itself; snapshots are added where they are scraped. Labels come from configuration or
from closed sets only: whatever a client or a provider can invent is `_OTHER`.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from typing import get_args

import msgspec

from plano import errors
from plano.catalog.names import ModelId
from plano.exchange.record import ExchangeRecord
from plano.observe.batches import take_each
from plano.observe.distribution import Distribution
from plano.observe.failure_counts import MOST_TOKENS, STATUSES, FailureCounts
from plano.observe.gauges import NO_GAUGES, Gauges, together
from plano.observe.key_counts import KeyCounts
from plano.observe.routing_counts import RoutingCounter, RoutingCounts
from plano.observe.upkeep import Upkeep
from plano.observe.vocabulary import (
    NONE,
    OPERATION_DURATION,
    OTHER,
    TIME_PER_OUTPUT_TOKEN,
    TIME_TO_FIRST_TOKEN,
    TOKEN_USAGE,
)
from plano.routing.decision import Step

_SHORTCUTS = 4096
"""How many raw combinations are remembered; past it a record takes the longer way to its cell."""

CODES: tuple[str, ...] = tuple(error.code for error in errors.ALL)
STEPS: tuple[str, ...] = get_args(Step)


class Labels(msgspec.Struct, frozen=True):
    """What a cell counts; closed sets and configured names only."""

    dialect: str
    model: str
    """A declared `provider/model` or `provider/*`; `none` when nobody was chosen."""
    decision: str
    status: str
    """`200`; `4xx` for one that is not among the usual; `none`."""
    code: str
    """A code of `plano.errors`, or empty."""


_empty = Distribution.within


class Cell(msgspec.Struct):
    """The counts of one combination of labels."""

    labels: Labels
    requests: int = 0
    attempts: int = 0
    duration: Distribution = msgspec.field(default_factory=lambda: _empty(OPERATION_DURATION.bounds))
    first_token: Distribution = msgspec.field(default_factory=lambda: _empty(TIME_TO_FIRST_TOKEN.bounds))
    per_token: Distribution = msgspec.field(default_factory=lambda: _empty(TIME_PER_OUTPUT_TOKEN.bounds))
    input_tokens: Distribution = msgspec.field(default_factory=lambda: _empty(TOKEN_USAGE.bounds))
    output_tokens: Distribution = msgspec.field(default_factory=lambda: _empty(TOKEN_USAGE.bounds))

    def add(self, other: Cell) -> None:
        self.requests += other.requests
        self.attempts += other.attempts
        self.duration.add(other.duration)
        self.first_token.add(other.first_token)
        self.per_token.add(other.per_token)
        self.input_tokens.add(other.input_tokens)
        self.output_tokens.add(other.output_tokens)


class Snapshot(msgspec.Struct, frozen=True):
    """All counts of one worker, or of several added up. Not touched once it is taken."""

    cells: tuple[Cell, ...] = ()
    in_flight: int = 0
    log_lines_dropped: int = 0
    records_lost: int = 0
    routing: RoutingCounts = msgspec.field(default_factory=RoutingCounts)
    gauges: Gauges = NO_GAUGES
    failures: FailureCounts = msgspec.field(default_factory=FailureCounts)
    upkeep: Upkeep = msgspec.field(default_factory=Upkeep)
    keys: KeyCounts = msgspec.field(default_factory=KeyCounts)


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Snapshot).decode


def encode(snapshot: Snapshot) -> bytes:
    """For the way from a worker to whoever is scraped."""
    return _encode(snapshot)


def decode(data: bytes) -> Snapshot:
    """Raises `msgspec.DecodeError` when it is none."""
    return _decode(data)


def merge(snapshots: Iterable[Snapshot]) -> Snapshot:
    """The sum of several workers' counts."""
    cells: dict[Labels, Cell] = {}
    routing, failures, upkeep, keys = RoutingCounts(), FailureCounts(), Upkeep(), KeyCounts()
    readings: list[Gauges] = []
    in_flight = dropped = lost = 0
    for snapshot in snapshots:
        routing.add(snapshot.routing)
        failures.add(snapshot.failures)
        upkeep.add(snapshot.upkeep)
        keys.add(snapshot.keys)
        readings.append(snapshot.gauges)
        in_flight += snapshot.in_flight
        dropped += snapshot.log_lines_dropped
        lost += snapshot.records_lost
        for cell in snapshot.cells:
            cells.setdefault(cell.labels, Cell(cell.labels)).add(cell)
    gauges = together(readings)
    return Snapshot(tuple(cells.values()), in_flight, dropped, lost, routing, gauges, failures, upkeep, keys)


def retired(snapshot: Snapshot) -> Snapshot:
    """What stays of a worker that has gone: its counts, but nothing that was so while it ran."""
    return msgspec.structs.replace(snapshot, in_flight=0, gauges=NO_GAUGES)


_Facts = tuple[str | None, str | None, str | None, int | None, str | None]


class Metrics:
    """The cells of one worker."""

    __slots__ = ("_by_facts", "_by_labels", "_configured", "_failures", "_keys", "_routing")

    def __init__(
        self, configured: Iterable[ModelId], routing: RoutingCounter | None = None, keys: Iterable[str] = ()
    ) -> None:
        """`configured`: the ids of all declared models, `provider/*` for a wildcard; `routing` counts what
        was said where somebody had to be asked, None: with no name known to it; `keys`: the names of gateway
        keys."""
        self._routing = routing or RoutingCounter()
        self._failures = FailureCounts()
        self._keys = KeyCounts()
        self._configured: dict[str, str] = {}
        self._by_facts: dict[_Facts, Cell] = {}
        self._by_labels: dict[Labels, Cell] = {}
        self.configure(configured, keys=keys)

    def configure(
        self, configured: Iterable[ModelId], routing: RoutingCounter | None = None, keys: Iterable[str] = ()
    ) -> None:
        """From now on these models are declared, `keys` let in, and `routing` counts; what was counted
        stays."""
        self._keys.know(keys)
        self._configured = {model: model for model in configured}
        for model in self._configured:
            self._failures.fallbacks.setdefault(model, 0)
        if routing is not None and routing is not self._routing:
            routing.counts.add(self._routing.counts)
            self._routing = routing

    def take(self, records: Sequence[ExchangeRecord]) -> None:
        """Raises as `take_each` does; of a record that raises, a part may be counted."""
        take_each(records, self._take)

    def _take(self, record: ExchangeRecord) -> None:
        chosen = record.chosen
        model = None if chosen is None else self._model(chosen)
        dialect = record.dialect
        word = None if dialect is None else dialect._value_
        facts = (word, model, record.decision, record.status, record.code)
        cell = self._by_facts.get(facts) or self._cell(facts)
        cell.requests += 1
        if record.attempts:
            _count_answer(cell, record)
        if record.reasons:
            self._routing.take(record)
        if record.failed or record.set_back or record.shed is not None:
            self._failures.take(record, self._model)
        if record.key is not None:
            self._keys.take(record, record.key)

    def snapshot(
        self,
        *,
        in_flight: int = 0,
        log_lines_dropped: int = 0,
        records_lost: int = 0,
        gauges: Gauges = NO_GAUGES,
        upkeep: Upkeep | None = None,
    ) -> Snapshot:
        """A copy of the counts as they are now."""
        cells = tuple(self._by_labels.values())
        routing, failures = self._routing.counts, self._failures
        upkeep = upkeep or Upkeep()
        counted = Snapshot(
            cells, in_flight, log_lines_dropped, records_lost, routing, gauges, failures, upkeep, self._keys
        )
        return decode(encode(counted))

    def _model(self, chosen: str) -> str:
        return self._configured.get(chosen) or self._of_wildcard(chosen)

    def _of_wildcard(self, chosen: str) -> str:
        """The label of a model that is not declared itself: the wildcard it was asked under."""
        provider, _, _ = chosen.partition("/")
        return self._configured.get(f"{provider}/*", OTHER)

    def _cell(self, facts: _Facts) -> Cell:
        dialect, model, decision, status, code = facts
        labels = Labels(
            dialect or NONE,
            model or NONE,
            decision or NONE,
            _status_label(status),
            "" if code is None else code if code in CODES else OTHER,
        )
        cell = self._by_labels.get(labels)
        if cell is None:
            cell = self._by_labels[labels] = Cell(labels)
        if len(self._by_facts) < _SHORTCUTS:
            self._by_facts[facts] = cell
        return cell


def _status_label(status: int | None) -> str:
    if status is None:
        return NONE
    return str(status) if status in STATUSES else f"{status // 100}xx"


def _count_answer(cell: Cell, record: ExchangeRecord) -> None:
    """What a request that was sent to a provider says about the provider."""
    cell.attempts += record.attempts
    sent = record.sent
    ended = record.ended
    usage = record.usage
    if sent is not None and ended is not None:
        elapsed = ended - sent
        distribution = cell.duration
        distribution.counts[bisect_left(_DURATION, elapsed)] += 1
        distribution.total += elapsed
        if record.stream and record.code is None:
            _count_stream(cell, record, sent, ended)
    if usage is None:
        return
    tokens = usage.input_tokens
    if tokens is not None and 0 <= tokens <= MOST_TOKENS:
        distribution = cell.input_tokens
        distribution.counts[bisect_left(_TOKENS, tokens)] += 1
        distribution.total += tokens
    tokens = usage.output_tokens
    if tokens is not None and 0 <= tokens <= MOST_TOKENS:
        distribution = cell.output_tokens
        distribution.counts[bisect_left(_TOKENS, tokens)] += 1
        distribution.total += tokens


def _count_stream(cell: Cell, record: ExchangeRecord, sent: float, ended: float) -> None:
    """The pace of a stream that came to its end; a whole answer does not show one."""
    first = record.first_content
    if first is None:
        return
    elapsed = first - sent
    cell.first_token.counts[bisect_left(_FIRST_TOKEN, elapsed)] += 1
    cell.first_token.total += elapsed
    tokens = record.usage.output_tokens if record.usage is not None else None
    if tokens is not None and 1 < tokens <= MOST_TOKENS:
        pace = (ended - first) / (tokens - 1)
        cell.per_token.counts[bisect_left(_PER_TOKEN, pace)] += 1
        cell.per_token.total += pace


_DURATION = OPERATION_DURATION.bounds
_TOKENS = TOKEN_USAGE.bounds
_FIRST_TOKEN = TIME_TO_FIRST_TOKEN.bounds
_PER_TOKEN = TIME_PER_OUTPUT_TOKEN.bounds
