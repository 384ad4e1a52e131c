"""The breaker, played as a dialogue: what is asked at which second, how it went, what it says next."""

from __future__ import annotations

from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plano.routing.breaker import Breaker, BreakerLimits, Permit, Refusal, Report

LIMITS = BreakerLimits(
    in_a_row=3, share=0.5, least_asked=8, window_s=10.0, first_rest_s=1.0, longest_rest_s=5.0
)

Line = tuple[float, Report | Literal["refused"]]


def play(*lines: Line) -> Breaker:
    """Ask at each second; the line says how that went, or that it was refused."""
    breaker = Breaker(LIMITS)
    for now, how in lines:
        breaker, said = breaker.admit(now)
        assert isinstance(said, Refusal) == (how == "refused"), f"at {now}: {said}"
        if how != "refused":
            assert isinstance(said, Permit)
            breaker = breaker.report(said, how, now)
    return breaker


def permit(breaker: Breaker, now: float) -> tuple[Breaker, Permit]:
    breaker, said = breaker.admit(now)
    assert isinstance(said, Permit)
    return breaker, said


def refusal(breaker: Breaker, now: float) -> str:
    _, said = breaker.admit(now)
    assert isinstance(said, Refusal)
    return said.because


def test_failures_in_a_row_open_it() -> None:
    """Who is down is not asked a hundred times a second."""
    breaker = play((0, "failed"), (1, "failed"), (2, "failed"), (2, "refused"), (2.9, "refused"))

    assert refusal(breaker, 2.5) == "not asked for another 0.5 s after 3 failures in a row"


def test_a_success_between_them_starts_the_row_again() -> None:
    """One slow answer among good ones is nothing."""
    play((0, "failed"), (0, "failed"), (0, "succeeded"), (0, "failed"), (0, "failed"), (0, "succeeded"))


def test_half_of_many_failing_opens_it_too() -> None:
    """A server with one dead replica never fails three times in a row."""
    half: list[Line] = [(second, "failed" if second % 2 else "succeeded") for second in range(8)]

    breaker = play(*half, (7.5, "refused"))

    assert refusal(breaker, 7.5) == "not asked for another 0.5 s after 4 failures of 8"


def test_a_share_of_few_says_nothing() -> None:
    """One failure of one is all of them."""
    few: list[Line] = [(0, "failed" if turn % 2 else "succeeded") for turn in range(7)]

    assert play(*few).is_closed


def test_what_was_long_ago_does_not_count() -> None:
    """Yesterday's outage is not today's."""
    long_ago: list[Line] = [(0, "failed"), (0, "succeeded")] * 3

    assert play(*long_ago, (10, "succeeded"), (10, "failed"), (10, "succeeded"), (10, "failed")).is_closed


def test_what_was_a_little_ago_does() -> None:
    """A window that forgot all at once could be outlived by failing slowly."""
    before: list[Line] = [(0, "failed"), (0, "succeeded")] * 3

    assert not play(*before, (6, "succeeded"), (6, "failed")).is_closed


DOWN: list[Line] = [(0, "failed"), (0, "failed"), (0, "failed")]


def test_after_a_rest_one_is_asked_and_closes_it() -> None:
    """Recovery is found out by one request, not by all that wait."""
    breaker = play(*DOWN, (0.5, "refused"))

    breaker, probe = permit(breaker, 1.0)
    meanwhile = refusal(breaker, 1.1)
    breaker = breaker.report(probe, "succeeded", 1.2)

    assert meanwhile == "not asked until a first try after 3 failures in a row has ended"
    assert breaker.is_closed


def test_rests_double_up_to_the_longest() -> None:
    """The longer it is down, the less it is bothered; but a recovery is never missed for long."""
    play(
        *DOWN,
        (0.9, "refused"),
        (1.0, "failed"),
        (2.9, "refused"),
        (3.0, "failed"),
        (6.9, "refused"),
        (7.0, "failed"),
        (11.9, "refused"),
        (12.0, "failed"),
        (16.9, "refused"),
        (17.0, "succeeded"),
        (17.0, "failed"),
        (17.0, "failed"),
        (17.0, "failed"),
        (17.9, "refused"),
        (18.0, "succeeded"),
    )


def test_a_probe_that_nobody_waited_for_leaves_its_place_to_the_next() -> None:
    """A client that leaves must not keep the breaker half open for ever."""
    play(*DOWN, (1.0, "abandoned"), (1.0, "abandoned"), (1.0, "succeeded"), (1.0, "succeeded"))


def test_what_nobody_waited_for_counts_neither_way() -> None:
    """Clients that leave say nothing about the model, and heal nothing."""
    assert not play((0, "failed"), (0, "failed"), (0, "abandoned"), (0, "failed")).is_closed


@pytest.mark.parametrize("how", ["succeeded", "failed", "abandoned"])
def test_late_reports_change_nothing(how: Report) -> None:
    """What was asked before it opened must neither close it nor prolong the rest; and what was asked before
    it closed again must not open it."""
    breaker, late = permit(Breaker(LIMITS), 0.0)
    for _ in range(3):
        breaker, said = permit(breaker, 0.0)
        breaker = breaker.report(said, "failed", 0.0)

    assert breaker.report(late, how, 0.9) is breaker
    breaker, probe = permit(breaker, 1.0)
    assert breaker.report(late, how, 1.0) is breaker
    breaker = breaker.report(probe, "succeeded", 1.0)
    assert breaker.report(late, how, 1.0) is breaker


def test_the_longest_outage_overflows_nothing() -> None:
    """Two to the power of a day's probes is no number of seconds."""
    breaker, now = play(*DOWN), 0.0
    for _ in range(3000):
        now += 5.0
        breaker, said = permit(breaker, now)
        breaker = breaker.report(said, "failed", now)

    assert refusal(breaker, now).startswith("not asked for another 5.0 s")


@given(st.lists(st.tuples(st.floats(0, 3), st.sampled_from(["succeeded", "failed", "abandoned", "lost"]))))
def test_it_is_never_shut_for_longer_than_the_longest_rest(steps: list[tuple[float, str]]) -> None:
    """Whatever happens: once everything under way has been reported on, somebody may ask within it."""
    breaker, now, lost = Breaker(LIMITS), 0.0, list[Permit]()
    for pause, how in steps:
        now += pause
        breaker, said = breaker.admit(now)
        if isinstance(said, Permit) and how == "lost":
            lost.append(said)
        elif isinstance(said, Permit):
            breaker = breaker.report(said, how, now)  # type: ignore[arg-type]  # "lost" is above
    for said in lost:
        breaker = breaker.report(said, "abandoned", now)

    permit(breaker, now + LIMITS.longest_rest_s)
