"""What this worker has seen of the models' speed."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plano.catalog.names import ModelId
from plano.chat.usage import Usage
from plano.exchange.record import ExchangeRecord
from plano.quotes.observed import (
    LEAST_ANSWERS,
    MOST_MODELS,
    SETTLED_S,
    WINDOW_ANSWERS,
    WINDOW_S,
    Observed,
)
from tests.unit.observe.records import bare

A, B = ModelId("openai/a"), ModelId("anthropic/b")


class Watch:
    """A clock with a hand to move."""

    def __init__(self) -> None:
        self.at = 1000.0

    def __call__(self) -> float:
        return self.at


def stream(model: ModelId, first_content_s: float, *, ended: float = 1000.0, **facts: Any) -> ExchangeRecord:
    sent = ended - 9.0
    return bare(
        **{
            "stream": True,
            "status": 200,
            "chosen": model,
            "sent": sent,
            "first_byte": sent + 0.01,
            "first_content": sent + first_content_s,
            "ended": ended,
        }
        | facts
    )


def plain(
    model: ModelId, took_s: float, tokens: int, *, ended: float = 1000.0, **facts: Any
) -> ExchangeRecord:
    return bare(
        **{
            "status": 200,
            "chosen": model,
            "sent": ended - took_s,
            "ended": ended,
            "usage": Usage(input_tokens=9, output_tokens=tokens),
        }
        | facts
    )


def seen(*records: ExchangeRecord, times: int = LEAST_ANSWERS) -> Observed:
    observed = Observed(Watch())
    for record in records:
        for _ in range(times):
            observed.observe(record)
    return observed


def quotes(observed: Observed) -> tuple[float | None, float | None]:
    return observed.latency_s(A), observed.latency_s(B)


def test_a_stream_is_as_fast_as_its_first_content() -> None:
    """That is what a person waits for; how long the answer became is the question's doing."""
    assert quotes(seen(stream(A, 0.25), stream(B, 0.5))) == (0.25, 0.5)


def test_a_plain_answer_is_as_fast_as_its_words() -> None:
    """A model that is asked for long answers is not slow."""
    assert quotes(seen(plain(A, 8.0, 1600), plain(B, 2.0, 100))) == (0.5, 2.0)


def test_thinking_counts_as_waiting() -> None:
    """Tokens of reasoning come fast, and nobody can read them."""
    usage = Usage(output_tokens=1000, reasoning_tokens=900)

    assert seen(plain(A, 4.0, 0, usage=usage)).latency_s(A) == 4.0


def test_the_middle_counts() -> None:
    """One answer that hung does not make a model slow."""
    observed = seen(stream(A, 0.25), stream(A, 0.5), stream(A, 8.0), times=1)

    assert observed.latency_s(A) == 0.5


def test_a_stream_is_not_compared_with_a_plain_answer() -> None:
    """A first word comes sooner than a whole paragraph, whatever the model. What there is more of decides
    for all; a model that was only seen the other way is unknown."""
    mostly_streams = seen(stream(A, 0.25), plain(B, 0.125, 100), stream(A, 0.25))
    mostly_plain = seen(stream(A, 0.25), plain(B, 0.125, 100), plain(B, 0.125, 100))

    assert quotes(mostly_streams) == (0.25, None)
    assert quotes(mostly_plain) == (None, 0.125)


@pytest.mark.parametrize(
    "facts",
    [
        {"status": 429},
        {"status": 400},
        {"status": 200, "code": "upstream_broke"},
        {"status": 499, "code": "client_left"},
        {"sent": None},
        {"chosen": None},
        {"first_content": None},
    ],
    ids=lambda facts: ", ".join(map(str, facts.items())),
)
def test_only_whole_answers_count(facts: dict[str, Any]) -> None:
    """A provider that refuses at once would be the fastest of all."""
    assert seen(stream(A, 0.001, **facts), times=10).latency_s(A) is None


@pytest.mark.parametrize(
    "usage",
    [None, Usage(input_tokens=5), Usage(output_tokens=3), Usage(output_tokens=50, reasoning_tokens=50)],
    ids=["unknown", "no output", "a word or two", "nothing but thought"],
)
def test_a_plain_answer_without_a_length_does_not_count(usage: Usage | None) -> None:
    """Of a very short one most of the time is the reading of the question."""
    assert seen(plain(A, 1.0, 0, usage=usage), times=10).latency_s(A) is None


def test_one_or_two_answers_say_nothing() -> None:
    """The first may have opened the connection."""
    assert seen(stream(A, 0.25), times=LEAST_ANSWERS - 1).latency_s(A) is None


def test_old_measurements_no_longer_count() -> None:
    """The hour in which a provider was slow ends."""
    watch = Watch()
    observed = Observed(watch)
    for ended in (1000.0, 1001.0, 1002.0):
        observed.observe(stream(A, 0.25, ended=ended))

    watch.at = 1000.0 + WINDOW_S
    before = observed.latency_s(A)
    watch.at += SETTLED_S
    after = observed.latency_s(A)

    assert (before, after) == (0.25, None)


def test_the_latest_measurements_count() -> None:
    """A busy model is judged by its last minute, in bounded memory."""
    observed = Observed(Watch())
    for seconds in [8.0] * WINDOW_ANSWERS + [0.25] * WINDOW_ANSWERS:
        observed.observe(stream(A, seconds))

    assert observed.latency_s(A) == 0.25


def test_medians_hold_for_a_moment() -> None:
    """Sorting for each decision would cost more than a decision."""
    watch = Watch()
    observed = Observed(watch)
    quoted = [observed.latency_s(A)]
    for _ in range(LEAST_ANSWERS):
        observed.observe(stream(A, 0.25))

    quoted.append(observed.latency_s(A))
    watch.at += SETTLED_S
    quoted.append(observed.latency_s(A))

    assert quoted == [None, None, 0.25]


def test_invented_models_do_not_fill_the_memory() -> None:
    """Clients name the members of a wildcard as they like; the one that was opened first goes."""
    models = [ModelId(f"openrouter/{number}") for number in range(MOST_MODELS + 1)]
    observed = seen(*(stream(model, 0.25) for model in models))

    known = [observed.latency_s(model) for model in models]

    assert known == [None] + [0.25] * MOST_MODELS


@given(st.lists(st.floats(0.001, 8.0), min_size=LEAST_ANSWERS, max_size=80))
def test_a_quote_lies_between_the_measurements(times: list[float]) -> None:
    """Whatever was measured."""
    observed = Observed(Watch())
    for seconds in times:
        observed.observe(stream(A, seconds))

    quote = observed.latency_s(A)

    assert quote is not None
    assert min(times) - 1e-9 <= quote <= max(times) + 1e-9
