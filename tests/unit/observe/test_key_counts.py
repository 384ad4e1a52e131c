"""What gateway keys have asked for and got, by their names."""

from __future__ import annotations

from plano.catalog.names import ModelId
from plano.chat.usage import Usage
from plano.observe.key_counts import KeyCounts
from plano.observe.metrics import Metrics
from tests.unit.observe.records import answered, bare, failed

NONE = {"admitted": 0, "requests": 0, "tokens": 0, "concurrent": 0, "quota": 0}


def counted(*records: object, keys: tuple[str, ...] = ("research",)) -> KeyCounts:
    metrics = Metrics([ModelId("openai/gpt-4o-mini")], keys=keys)
    metrics.take(records)  # type: ignore[arg-type]  # records of all kinds, made by name
    return metrics.snapshot().keys


def requests(counts: KeyCounts, key: str = "research") -> dict[str, int]:
    return {outcome: count for (name, outcome), count in counts.requests.items() if name == key}


def test_every_outcome_of_a_key_is_there_before_anybody_asks() -> None:
    """A rate over the first count is else lost."""
    counts = counted()

    assert (requests(counts), counts.tokens, counts.usd, counts.alone) == (
        NONE,
        {("research", "input"): 0, ("research", "output"): 0},
        {"research": 0.0},
        {"research": 0},
    )


def test_a_request_is_let_in_or_meets_a_limit() -> None:
    """Who only lists models has asked for none, and who has no key is nobody's."""
    refused = [bare(key="research", key_limit=limit) for limit in ("requests", "requests", "quota")]

    counts = counted(answered(key="research"), *refused, bare(key="research", path="/v1/models"), answered())

    assert requests(counts) == {**NONE, "admitted": 1, "requests": 2, "quota": 1}


def test_what_a_failed_attempt_took_is_the_keys_too() -> None:
    """It is paid for."""
    record = answered(key="research", usd=0.5, failed=(failed(usage=Usage(100, 7)), failed()))

    counts = counted(record, record)

    assert counts.tokens == {("research", "input"): 2 * 220, ("research", "output"): 2 * 12}
    assert counts.usd == {"research": 1.0}


def test_what_was_let_in_without_redis_is_told() -> None:
    """Limits hold for each worker alone then."""
    assert counted(answered(key="research", is_counted_alone=True)).alone == {"research": 1}


def test_a_key_that_comes_later_begins_at_none_and_one_that_goes_stays() -> None:
    """A counter that goes away and comes back looks like a restart."""
    metrics = Metrics([], keys=["research"])
    metrics.take([answered(key="research")])

    metrics.configure([], keys=["other"])

    counts = metrics.snapshot().keys
    assert (requests(counts)["admitted"], requests(counts, "other")) == (1, NONE)
