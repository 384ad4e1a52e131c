"""The recorder the exchange talks to: notes a record in well under a microsecond.

Log lines and counts are made later, in batches: when enough records are waiting, after a moment,
at a scrape, at the end. What goes wrong there is counted and said once; no request notices.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Protocol

from plano.exchange.record import ExchangeRecord
from plano.observe.access_log import AccessLog
from plano.observe.gauges import Gauges
from plano.observe.metrics import Metrics, Snapshot
from plano.observe.upkeep import Upkeep

BATCH_RECORDS = 64
"""A batch keeps the event loop busy for about a quarter of a millisecond."""
BATCH_DELAY_S = 0.1
"""How long a line may wait for company; a person who watches the log does not notice."""
CLOSE_TIMEOUT_S = 2.0
"""What a stuck reader of the log may cost a shutdown."""

_log = logging.getLogger(__name__)


class Reader(Protocol):
    """A view of finished records: the log, the metrics."""

    def take(self, records: Sequence[ExchangeRecord]) -> None:
        """Take those that can be taken; raises an ExceptionGroup with an error for each of the others. Any
        other exception loses all of them."""


class InFlight:
    """How many requests have begun and not ended: `count` is the server's to change."""

    __slots__ = ("count",)

    def __init__(self) -> None:
        self.count = 0


class Recording:
    """Collects records and hands them to the readers, on the event loop's thread."""

    def __init__(
        self,
        *,
        access_log: AccessLog,
        metrics: Metrics,
        in_flight: InFlight,
        call_later: Callable[[float, Callable[[], None]], object],
        others: Sequence[Reader] = (),
        gauges: Callable[[], Gauges] = Gauges,
        upkeep: Callable[[], Upkeep] = Upkeep,
    ) -> None:
        """`others` read after the log and the metrics have; the last two are asked at each scrape."""
        self._metrics = metrics
        self._in_flight = in_flight
        self._call_later = call_later
        self._access_log = access_log
        self._readers: tuple[Reader, ...] = (access_log, metrics, *others)
        self._pending: list[ExchangeRecord] = []
        self._gauges = gauges
        self._upkeep = upkeep
        self._timer_runs = False
        self._records_lost = 0

    def record(self, record: ExchangeRecord) -> None:
        pending = self._pending
        pending.append(record)
        if not self._timer_runs:
            self._timer_runs = True
            self._call_later(BATCH_DELAY_S, self._time_is_up)
        elif len(pending) >= BATCH_RECORDS:
            self.flush()

    def flush(self) -> None:
        """Hand on what is waiting."""
        records, self._pending = self._pending, []
        if not records:
            return
        for reader in self._readers:
            try:
                reader.take(records)
            except ExceptionGroup as several:
                self._complain(reader, several.exceptions[0], len(several.exceptions))
            except Exception as error:  # noqa: BLE001 - a request must not fail because telling of it did
                self._complain(reader, error, len(records))

    def write_out(self) -> None:
        """Hand on what is waiting and have the log written, without waiting for more of it."""
        self.flush()
        self._access_log.hand_over()

    def snapshot(self) -> Snapshot:
        """The counts up to this moment."""
        self.flush()
        return self._metrics.snapshot(
            in_flight=self._in_flight.count,
            log_lines_dropped=self._access_log.dropped,
            records_lost=self._records_lost,
            gauges=self._gauges(),
            upkeep=self._upkeep(),
        )

    def close(self, timeout_s: float = CLOSE_TIMEOUT_S) -> None:
        """Hand on what is waiting and write the log out; blocks for at most about this long."""
        self.flush()
        self._access_log.close(timeout_s)

    def _time_is_up(self) -> None:
        self._timer_runs = False
        self.write_out()

    def _complain(self, reader: Reader, error: Exception, records: int) -> None:
        if self._records_lost == 0:
            requests = "1 request" if records == 1 else f"{records} requests"
            _log.error("a defect in %s kept %s from it", type(reader).__name__, requests, exc_info=error)
        self._records_lost += records
