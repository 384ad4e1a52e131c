"""Counts that can be added up, under labels that nobody outside can invent."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from plano.catalog.names import ModelId
from plano.chat.dialect import Dialect
from plano.chat.usage import Usage
from plano.exchange.record import ExchangeRecord
from plano.observe.gauges import Gauges
from plano.observe.metrics import Cell, Labels, Metrics, Snapshot, decode, encode, merge, retired
from plano.observe.upkeep import Upkeep
from tests.unit.observe.records import answered, bare, failed, said

CONFIGURED = [ModelId("openai/gpt-4o-mini"), ModelId("anthropic/*")]


def counted(*records: ExchangeRecord) -> Snapshot:
    metrics = Metrics(CONFIGURED)
    metrics.take(records)
    return metrics.snapshot()


def in_order(snapshot: Snapshot) -> Snapshot:
    by_labels = sorted(snapshot.cells, key=lambda cell: msgspec.structs.astuple(cell.labels))
    return msgspec.structs.replace(snapshot, cells=tuple(by_labels))


def test_a_stream_counts_its_time_its_pace_and_its_tokens() -> None:
    """2.5 s after sending, the first content after 0.5 s, four more tokens in 2 s: 0.5 s each."""
    (cell,) = counted(answered()).cells

    assert (
        cell.labels,
        (cell.requests, cell.attempts),
        [
            (part.counts.index(1), sum(part.counts), part.total)
            for part in (
                cell.duration,
                cell.first_token,
                cell.per_token,
                cell.input_tokens,
                cell.output_tokens,
            )
        ],
    ) == (
        Labels("openai_chat", "openai/gpt-4o-mini", "alias", "200", ""),
        (1, 1),
        [(8, 1, 2.5), (9, 1, 0.5), (9, 1, 0.5), (4, 1, 120), (2, 1, 5)],
    )


def test_a_whole_answer_shows_no_pace() -> None:
    """Its first content comes with its last; as a time to first token that would be a lie."""
    (cell,) = counted(answered(stream=False)).cells

    assert (sum(cell.duration.counts), sum(cell.first_token.counts), sum(cell.per_token.counts)) == (1, 0, 0)


def test_a_broken_stream_counts_its_tokens_but_shows_no_pace() -> None:
    """They were paid for; its end was not the model's."""
    (cell,) = counted(answered(code="upstream_broke", ending="upstream_failed")).cells

    assert (cell.output_tokens.total, sum(cell.first_token.counts), sum(cell.per_token.counts)) == (5, 0, 0)


def test_unknown_tokens_are_not_counted() -> None:
    """Zeros would pull every average down."""
    (cell,) = counted(answered(usage=Usage(input_tokens=None, output_tokens=3))).cells

    assert (sum(cell.input_tokens.counts), sum(cell.output_tokens.counts)) == (0, 1)


@pytest.mark.parametrize("tokens", [-1, 10**400])
def test_an_absurd_token_count_is_not_counted(tokens: int) -> None:
    """One of them would drown a sum for as long as the process lives."""
    (cell,) = counted(answered(usage=Usage(input_tokens=tokens, output_tokens=tokens))).cells

    assert (sum(cell.input_tokens.counts), sum(cell.output_tokens.counts), sum(cell.per_token.counts)) == (
        0,
        0,
        0,
    )


def test_one_token_has_no_time_between_tokens() -> None:
    """Dividing by the tokens after the first would divide by zero."""
    (cell,) = counted(answered(usage=Usage(output_tokens=1))).cells

    assert sum(cell.per_token.counts) == 0


def test_a_refused_request_says_nothing_about_a_provider() -> None:
    """Nobody was asked."""
    refused = bare(status=400, code="no_model", ending="refused", ended=100.5)

    assert counted(refused).cells == (Cell(Labels("none", "none", "none", "400", "no_model"), requests=1),)


def test_labels_are_bounded_whatever_clients_and_providers_say() -> None:
    """Each new label is memory for ever, here and in the database behind."""
    metrics = Metrics(CONFIGURED)
    for number in range(6000):
        model = [f"anthropic/claude-{number}", f"gone/model-{number}"][number % 2]
        metrics.take([answered(chosen=ModelId(model), status=100 + number % 500, code=f"code-{number}")])

    labels = [cell.labels for cell in metrics.snapshot().cells]

    assert {(label.model, label.code) for label in labels} == {
        ("anthropic/*", "_OTHER"),
        ("_OTHER", "_OTHER"),
    }
    assert len(labels) <= 2 * 25


def test_an_unusual_status_keeps_its_class() -> None:
    """A provider's 418 is still the caller's fault."""
    (cell,) = counted(answered(status=418)).cells

    assert cell.labels.status == "4xx"


def test_a_model_declared_later_gets_its_name() -> None:
    """A configuration is replaced while the gateway runs; what was counted stays."""
    metrics = Metrics(CONFIGURED)
    record = answered(chosen=ModelId("groq/llama"))
    metrics.take([record])

    metrics.configure([ModelId("groq/llama")])
    metrics.take([record])

    assert [(cell.labels.model, cell.requests) for cell in metrics.snapshot().cells] == [
        ("_OTHER", 1),
        ("groq/llama", 1),
    ]


def test_a_snapshot_does_not_change_any_more() -> None:
    """It is rendered on another thread while requests go on."""
    metrics = Metrics(CONFIGURED)
    metrics.take([answered()])
    snapshot = metrics.snapshot()
    before = encode(snapshot)

    metrics.take([answered()])

    assert encode(snapshot) == before


RECORDS = st.builds(
    answered,
    dialect=st.sampled_from(Dialect),
    chosen=st.sampled_from([*CONFIGURED, ModelId("anthropic/claude"), None]),
    decision=st.sampled_from(["explicit", "alias", None]),
    status=st.sampled_from([200, 429, 418, 502, None]),
    code=st.sampled_from([None, "upstream_broke", "client_left"]),
    stream=st.booleans(),
    attempts=st.integers(0, 3),
    failed=st.lists(
        st.builds(
            failed,
            code=st.sampled_from(["upstream_broke", "upstream_error"]),
            status=st.sampled_from([503, 599, None]),
            usage=st.none() | st.builds(Usage, input_tokens=st.integers(0, 10**6)),
        ),
        max_size=3,
    ).map(tuple),
    set_back=st.integers(0, 2),
    preferred=st.sampled_from([None, CONFIGURED[0], ModelId("anthropic/claude")]),
    shed=st.sampled_from([None, "memory"]),
    key=st.sampled_from([None, "research", "other"]),
    key_limit=st.sampled_from([None, "tokens"]),
    is_counted_alone=st.booleans(),
    usd=st.none() | st.integers(0, 64).map(lambda parts: parts / 64),
    ended=st.integers(101 * 64, 300 * 64).map(lambda ticks: ticks / 64),
    usage=st.builds(
        Usage,
        input_tokens=st.none() | st.integers(0, 10**9),
        output_tokens=st.none() | st.sampled_from([0, 1, 3]),
    ),
)


@given(shares=st.lists(st.lists(RECORDS, max_size=5), min_size=1, max_size=4))
def test_several_workers_count_what_one_would_have(shares: list[list[ExchangeRecord]]) -> None:
    """Which worker took a request is nobody's business."""
    together = counted(*[record for share in shares for record in share])

    merged = merge([decode(encode(counted(*share))) for share in shares])

    assert in_order(merged) == in_order(together)


def test_merging_adds_what_is_not_in_cells_and_touches_no_part() -> None:
    """The parts are kept by the caller and merged again at the next scrape."""
    part = msgspec.structs.replace(
        counted(answered()),
        in_flight=2,
        log_lines_dropped=3,
        records_lost=4,
        gauges=Gauges(1, 5),
        upkeep=Upkeep({"taken": 1}, {"died": 2}, 3, 4, 5),
    )
    before = encode(part)

    merged = merge([part, part])

    assert (merged.in_flight, merged.log_lines_dropped, merged.records_lost) == (4, 6, 8)
    assert merged.gauges == Gauges(2, 10)
    assert merged.upkeep == Upkeep({"taken": 2}, {"died": 4}, 6, 8, 10)
    assert (merged.cells[0].requests, encode(part)) == (2, before)


def test_a_worker_that_has_gone_has_nothing_in_flight_and_no_gauges() -> None:
    """Its counts stay: a counter that falls looks like a restart. Its sessions are gone with its memory."""
    counts = counted(answered(reasons=(said("miss"),)))
    part = msgspec.structs.replace(counts, in_flight=2, log_lines_dropped=3, gauges=Gauges(1, 5))

    assert retired(part) == msgspec.structs.replace(counts, log_lines_dropped=3)
