"""Taking note of a request costs it nothing and cannot fail it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Sequence

import pytest

from plano.catalog.names import ModelId
from plano.exchange.record import ExchangeRecord
from plano.observe.access_log import AccessLog
from plano.observe.gauges import Gauges
from plano.observe.metrics import Metrics
from plano.observe.recording import BATCH_DELAY_S, BATCH_RECORDS, InFlight, Recording
from tests.unit.observe.records import answered


class Loop:
    """An event loop's timers, which go off when the test says so."""

    def __init__(self) -> None:
        self.timers: list[tuple[float, Callable[[], None]]] = []

    def call_later(self, delay_s: float, callback: Callable[[], None]) -> None:
        self.timers.append((delay_s, callback))

    def go_off(self) -> None:
        (_, callback) = self.timers.pop(0)
        callback()


class BatchWriter:
    """Remembers how many lines came at once, and what it was told at the end."""

    def __init__(self) -> None:
        self.batches: list[int] = []
        self.closed: list[float] = []
        self.dropped = 0

    def write(self, lines: list[bytes]) -> None:
        self.batches.append(len(lines))

    def close(self, timeout_s: float) -> bool:
        self.closed.append(timeout_s)
        return True


class Stage:
    """A recording with everything around it in the test's hands."""

    def __init__(self) -> None:
        self.loop = Loop()
        self.writer = BatchWriter()
        self.in_flight = InFlight()
        self.sessions = 0
        self.recording = Recording(
            access_log=AccessLog(self.writer, "json"),
            metrics=Metrics([ModelId("openai/gpt-4o-mini")]),
            in_flight=self.in_flight,
            call_later=self.loop.call_later,
            gauges=lambda: Gauges(affinity_sessions=self.sessions),
        )

    def record(self, times: int) -> None:
        for _ in range(times):
            self.recording.record(answered())


@pytest.fixture
def stage() -> Stage:
    return Stage()


def test_an_idle_recording_has_no_timer(stage: Stage) -> None:
    """A gateway without requests should not wake ten times a second."""
    stage.record(1)
    stage.loop.go_off()

    assert (stage.loop.timers, stage.writer.batches) == ([], [1])


def test_records_wait_for_company_under_one_timer(stage: Stage) -> None:
    """A timer a request would cost more than the line."""
    stage.record(3)

    assert ([delay for delay, _ in stage.loop.timers], stage.writer.batches) == ([BATCH_DELAY_S], [])


def test_a_full_batch_does_not_wait_and_keeps_its_timer(stage: Stage) -> None:
    """Under load there are ten timers a second, however many requests; so is the writer's thread woken."""
    stage.record(2 * BATCH_RECORDS + 1)
    stage.loop.go_off()

    assert (stage.writer.batches, stage.loop.timers) == ([2 * BATCH_RECORDS + 1], [])


def test_a_timer_with_nothing_to_do_writes_nothing(stage: Stage) -> None:
    """The batch it was for went out full."""
    stage.record(BATCH_RECORDS)
    stage.loop.go_off()

    assert stage.writer.batches == [BATCH_RECORDS]


def test_a_snapshot_counts_up_to_this_moment(stage: Stage) -> None:
    """Whoever sends a request and scrapes then expects to see it."""
    stage.record(2)
    stage.in_flight.count = 5
    stage.writer.dropped = 3
    stage.sessions = 4

    snapshot = stage.recording.snapshot()

    assert (snapshot.cells[0].requests, snapshot.in_flight, snapshot.log_lines_dropped) == (2, 5, 3)
    assert snapshot.gauges == Gauges(affinity_sessions=4)


def test_closing_hands_on_what_waits(stage: Stage) -> None:
    """The last requests before a restart are the ones that are looked for."""
    stage.record(2)
    stage.recording.close(1.5)

    assert (stage.writer.batches, stage.writer.closed) == ([2], [1.5])


def test_a_defect_in_one_reader_fails_no_request_and_no_other_reader(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    """It is counted, and said once: a log full of the same traceback helps nobody."""
    broken = answered(at=None)

    def record(broken: ExchangeRecord) -> None:
        stage.recording.record(broken)
        stage.recording.flush()

    record(broken)
    record(broken)

    snapshot = stage.recording.snapshot()
    assert (snapshot.records_lost, snapshot.cells[0].requests, len(caplog.records)) == (2, 2, 1)


def test_a_bad_record_costs_the_others_of_its_batch_nothing(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither their lines nor their counts: whoever looks for a request must find it."""
    no_line = answered(at=None)
    no_count = answered(failed=(None,), at=0.0)
    for record in (answered(), no_line, no_count, answered()):
        stage.recording.record(record)

    stage.recording.write_out()

    snapshot = stage.recording.snapshot()
    assert (stage.writer.batches, snapshot.cells[0].requests, snapshot.records_lost) == ([2], 4, 3)
    assert caplog.messages == ["a defect in AccessLog kept 2 requests from it"]


def test_a_defect_that_loses_a_batch_is_counted_in_requests(stage: Stage) -> None:
    """Nobody knows how far it came."""

    class Broken:
        def take(self, records: Sequence[ExchangeRecord]) -> None:
            raise LookupError(len(records))

    stage.recording._readers = (Broken(),)
    stage.record(2)

    assert stage.recording.snapshot().records_lost == 2


def test_recording_does_not_load_what_only_a_scrape_needs() -> None:
    """It would add a twentieth of a second to every start."""
    code = "import sys, plano.observe.recording; print('prometheus_client' in sys.modules)"

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "False"
