"""The shares, their intervals and the tables that `plano eval` and the benchmark print."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plano.evaluation.accuracy import Latency, Outcome, Share, accuracy, clustered, latency, wilson


def told(text: str) -> list[Outcome]:
    """`c:gold>predicted` a word; `-` is none of them."""
    outcomes = []
    for word in text.split():
        conversation, _, pair = word.partition(":")
        gold, _, predicted = pair.partition(">")
        outcomes.append(Outcome(conversation, _name(gold), _name(predicted), 1.0))
    return outcomes


def _name(text: str) -> str | None:
    return None if text == "-" else text


def test_wilsons_interval_is_the_published_one() -> None:
    """Wilson for 8 of 10 is 49.0 to 94.3 %: a worked figure that any statistics package gives."""
    share = wilson(8, 10)

    assert (share.n, share.accuracy, round(share.low, 4), round(share.high, 4)) == (10, 0.8, 0.4902, 0.9433)


def test_turns_spans_and_conversations_are_counted_each_in_its_own_way() -> None:
    """One wrong turn costs a turn, the span it stands in, and the conversation, but not the next span."""
    measured = accuracy(told("x:a>a x:a>b x:b>b y:a>a y:->-"))

    counted = [
        (share.n, share.accuracy) for share in (measured.turns, measured.spans, measured.conversations)
    ]
    assert counted == [(5, 0.8), (4, 0.75), (2, 0.5)]


def test_a_route_that_comes_back_begins_a_span_anew() -> None:
    """A span is an unbroken run; a return to a route is a decision of its own."""
    measured = accuracy(told("x:a>a x:b>a x:a>a"))

    assert (measured.spans.n, measured.conversations.n) == (3, 1)


def test_conversations_that_are_told_interleaved_are_kept_apart() -> None:
    """A file may mix the turns of several conversations."""
    measured = accuracy(told("x:a>a y:b>b x:a>a y:b>b"))

    assert (measured.spans.n, measured.conversations.n) == (2, 2)


def test_precision_and_recall_are_those_of_each_route_with_none_last() -> None:
    """They tell a route that takes too much from one that gets too little."""
    measured = accuracy(told("1:a>a 2:a>b 3:b>b 4:->a 5:->-"))

    table = [(each.route, each.n, each.precision, each.recall) for each in measured.routes]
    assert table == [("a", 2, 0.5, 0.5), ("b", 1, 0.5, 1.0), (None, 2, 1.0, 0.5)]


def test_a_route_that_was_never_given_has_no_precision() -> None:
    """Nothing divided by nothing is not zero."""
    measured = accuracy(told("1:a>b"))

    assert [(each.precision, each.recall) for each in measured.routes] == [(None, 0.0), (0.0, None)]


def test_the_confusion_counts_every_pair() -> None:
    """What is mistaken for what is the first thing to look at when a route does badly."""
    measured = accuracy(told("1:a>b 2:a>b 3:a>a 4:->b"))

    assert measured.confusion == {("a", "b"): 2, ("a", "a"): 1, (None, "b"): 1}


def test_turns_that_agree_within_a_conversation_count_for_less() -> None:
    """Forty turns that are right or wrong by tens are four observations, not forty."""
    together = clustered([[True] * 10, [True] * 10, [True] * 10, [False] * 10])
    apart = clustered([[True], [True], [True], [False]] * 10)

    assert together.accuracy == apart.accuracy
    assert together.high - together.low > 2 * (apart.high - apart.low)


def test_when_all_agree_the_clusters_are_what_is_counted() -> None:
    """With no spread to estimate from, the careful reading is that a conversation is one observation."""
    share = clustered([[True] * 5] * 10)

    assert share == Share(50, 1.0, wilson(10, 10).low, 1.0)


@given(st.lists(st.lists(st.booleans(), max_size=6), max_size=30))
def test_the_interval_holds_the_share_and_stays_within_bounds(clusters: list[list[bool]]) -> None:
    """Whatever was measured, what is printed must read as a share with its bounds."""
    share = clustered(clusters)

    assert 0.0 <= share.low <= share.accuracy <= share.high <= 1.0


def test_percentiles_are_latencies_that_occurred() -> None:
    """By nearest rank: no latency is printed that no decision took."""
    assert latency([float(each) for each in range(1, 101)]) == Latency(50.0, 95.0, 99.0)


def test_one_latency_is_every_percentile() -> None:
    """A file of one line is measured too."""
    assert latency([3.0]) == Latency(3.0, 3.0, 3.0)


def test_the_document_is_the_one_that_is_promised() -> None:
    """Scripts read `plano eval --json`."""
    document = accuracy(told("1:a>a")).document()

    share = {"n": 1, "accuracy": 1.0, "low": wilson(1, 1).low, "high": 1.0}
    assert document == {
        "turns": share,
        "spans": share,
        "conversations": share,
        "routes": [{"route": "a", "n": 1, "precision": 1.0, "recall": 1.0}],
        "latency_ms": {"p50": 1.0, "p95": 1.0, "p99": 1.0},
    }


def test_nothing_to_measure_is_said() -> None:
    """An empty file must not look like a router that is always wrong."""
    with pytest.raises(ValueError, match="at least one labelled turn"):
        accuracy([])
