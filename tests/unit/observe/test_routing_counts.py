"""What was decided, counted from the reasons of records, under names of the configuration alone."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plano.exchange.record import ExchangeRecord
from plano.observe.distribution import Distribution
from plano.observe.metrics import Metrics, decode, encode, merge
from plano.observe.routing_counts import RoutingCounter, RoutingCounts
from plano.routing.decision import Kind, Reason
from tests.unit.observe.records import answered, judged, said

SERVED = "mine/orchestrator"


def counter() -> RoutingCounter:
    return RoutingCounter(routers=[SERVED, "embedded"], routes=["code"], store="redis")


def counted(*records: ExchangeRecord) -> RoutingCounts:
    """Through the metrics and a snapshot, as a scraper gets it."""
    metrics = Metrics([], counter())
    metrics.take(records)
    return metrics.snapshot().routing


def some(counts: dict[tuple[str, str], int]) -> dict[tuple[str, str], int]:
    """Those that have been counted."""
    return {labels: count for labels, count in counts.items() if count}


def test_everything_that_is_configured_is_there_before_it_happens() -> None:
    """A counter that appears with its first failure hides that failure from `rate()`."""
    assert counted() == RoutingCounts(
        {
            (SERVED, "matched"): 0,
            (SERVED, "none_fits"): 0,
            (SERVED, "unable"): 0,
            ("embedded", "matched"): 0,
            ("embedded", "none_fits"): 0,
            ("embedded", "unable"): 0,
            ("none", "nothing_to_read"): 0,
        },
        {},
        {"code": 0},
        {("redis", each): 0 for each in ("hit", "miss", "stale", "unavailable", "anew", "raced")},
        dict.fromkeys(("cheaper", "within_budget", "cold", "unknown_price", "unbudgeted"), 0),
        stores={("redis", "kept"): 0, ("redis", "not_kept"): 0},
    )


@pytest.mark.parametrize(
    ("reason", "verdicts"),
    [
        pytest.param(judged("matched"), {("embedded", "matched"): 1}, id="a route fits"),
        pytest.param(judged("none_fits", SERVED), {(SERVED, "none_fits"): 1}, id="none does"),
        pytest.param(
            judged("matched", passed=(SERVED,)),
            {("embedded", "matched"): 1, (SERVED, "unable"): 1},
            id="one stood in for the other",
        ),
        pytest.param(
            judged("unable", None, passed=(SERVED, "embedded")),
            {(SERVED, "unable"): 1, ("embedded", "unable"): 1},
            id="nobody was able",
        ),
        pytest.param(judged("nothing_to_read", None), {("none", "nothing_to_read"): 1}, id="no words"),
        pytest.param(judged("matched", "invented"), {("_OTHER", "matched"): 1}, id="an unknown router"),
    ],
)
def test_a_verdict_counts_for_each_router_that_was_asked(
    reason: Reason, verdicts: dict[tuple[str, str], int]
) -> None:
    """That a router model is down has to show although every request was routed."""
    assert some(counted(answered(reasons=(reason,))).verdicts) == verdicts


def test_the_time_counts_for_the_router_that_answered() -> None:
    """In seconds; for none where all were unable, and not at all where nobody was asked."""
    counts = counted(
        answered(reasons=(judged("matched", elapsed_ms=2.0),)),
        answered(reasons=(judged("none_fits", elapsed_ms=0.0625),)),
        answered(reasons=(judged("unable", None, passed=("embedded",), elapsed_ms=5000.0),)),
        answered(reasons=(judged("nothing_to_read", None),)),
    )

    assert counts.durations == {
        "embedded": Distribution([1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0], 0.002 + 0.0000625),
        "none": Distribution([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1], 5.0),
    }


def test_a_route_is_counted_by_its_configured_name_alone() -> None:
    """Requests bring routes under any name, and so may a pin somebody wrote: each would stay for good."""
    reasons = (judged("matched"),)
    records = [answered(reasons=reasons, route=route) for route in ("code", "code", "mine", "yours", None)]

    assert counted(*records).routes == {"code": 2, "_OTHER": 2}


@pytest.mark.parametrize("outcome", ["hit", "miss", "stale", "unavailable", "anew", "raced"])
def test_a_lookup_is_counted_by_what_came_of_it(outcome: Kind) -> None:
    """Under the store's name: a fleet that moves from memory to Redis sees both."""
    counts = counted(answered(reasons=(said(outcome),)))

    assert some(counts.lookups) == {("redis", outcome): 1}


def test_pins_are_counted_by_whether_the_store_took_them() -> None:
    """A Redis that reads and cannot write shows here."""
    counts = counted(
        *(answered(reasons=(said("miss"),), is_kept=is_kept) for is_kept in (True, True, False, None))
    )

    assert counts.stores == {("redis", "kept"): 2, ("redis", "not_kept"): 1}


@pytest.mark.parametrize(("is_user_turn", "replays"), [(False, 1), (True, 0), (None, 0)])
def test_a_replay_is_a_hit_inside_a_tool_loop(is_user_turn: bool | None, replays: int) -> None:
    """Where nobody looked who speaks, nobody can tell."""
    counts = counted(
        answered(reasons=(said("hit"),), is_user_turn=is_user_turn),
        answered(reasons=(said("miss"),), is_user_turn=is_user_turn),
    )

    assert counts.replays == replays


@pytest.mark.parametrize(
    ("kinds", "has_switched", "switches", "vetoed"),
    [
        pytest.param(["anew", "cheaper"], True, {"cheaper": 1}, 0, id="cheaper"),
        pytest.param(["anew", "cold"], True, {"cold": 1}, 0, id="cold"),
        pytest.param(["anew"], True, {"unbudgeted": 1}, 0, id="nobody judged"),
        pytest.param(["anew"], False, {}, 0, id="the same model again"),
        pytest.param(["anew", "over_budget"], False, {}, 1, id="too dear"),
    ],
)
def test_a_change_of_models_is_counted_once_by_its_reason(
    kinds: list[Kind], has_switched: bool, switches: dict[str, int], vetoed: int
) -> None:
    """Without a budget a session changes models too, and that is what somebody wants to know."""
    reasons = tuple(map(said, kinds))
    counts = counted(answered(reasons=reasons, has_switched=has_switched))

    changed = {reason: count for reason, count in counts.switches.items() if count}
    assert (changed, counts.vetoed) == (switches, vetoed)


def test_a_request_about_which_nobody_was_asked_counts_nothing() -> None:
    """Most have no reasons, or the ladder's own words alone."""
    named = Reason("explicit", "chose", "is a declared model")

    assert counted(answered(), answered(reasons=(named,))) == counted()


REASONS = st.lists(
    st.sampled_from(
        [
            judged("matched"),
            judged("matched", passed=(SERVED,)),
            judged("unable", None, passed=(SERVED, "embedded"), elapsed_ms=1000.0),
            said("hit"),
            said("anew"),
            said("cheaper"),
            said("over_budget"),
        ]
    ),
    max_size=3,
).map(tuple)
RECORDS = st.builds(
    answered,
    reasons=REASONS,
    route=st.sampled_from(["code", "mine", None]),
    has_switched=st.booleans(),
    is_user_turn=st.sampled_from([True, False, None]),
)


@given(shares=st.lists(st.lists(RECORDS, max_size=4), min_size=1, max_size=4))
def test_several_workers_count_what_one_would_have(shares: list[list[ExchangeRecord]]) -> None:
    """Which worker took a request is nobody's business, and the parts are merged again at the next scrape."""
    together = counted(*[record for share in shares for record in share])
    metrics = [Metrics([], counter()) for _ in shares]
    for each, share in zip(metrics, shares, strict=True):
        each.take(share)
    parts = [decode(encode(each.snapshot())) for each in metrics]

    first, second = merge(parts).routing, merge(parts).routing

    assert (first, second) == (together, together)
