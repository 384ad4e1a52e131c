"""Breakers and cooldowns: who rests, for how long, and who tries whether it is over."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plano.catalog.catalog import Endpoint, Model, Secret
from plano.catalog.names import ModelId, ProviderId
from plano.chat.dialect import Dialect
from plano.routing.decision import Candidate
from plano.routing.health import (
    BUSY_S,
    LONGEST_BUSY_S,
    LONGEST_REST_S,
    MOST_KEPT,
    PROBE_S,
    REST_S,
    Health,
    Report,
)


def candidate(name: str, upstream_model: str = "m", *, host: str | None = None, key: str = "") -> Candidate:
    """Each under its name has a host of its own."""
    endpoint = Endpoint("https", host or f"{name}.invalid", 443, "/v1/chat/completions")
    model = Model(
        id=ModelId(f"{name}/*"),
        name=name,
        provider=ProviderId("p"),
        upstream_model="*",
        endpoints={Dialect.OPENAI_CHAT: endpoint},
        auth="bearer",
        access_key=Secret(key),
    )
    return Candidate(model, upstream_model, ModelId(f"{name}/{upstream_model}"))


A, B, C = map(candidate, "abc")


class Clock:
    """Stands still until it is set."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def health(clock: Clock) -> Health:
    return Health(clock)


def fail(health: Health, who: Candidate = A, *, times: int = 1) -> None:
    for _ in range(times):
        health.report(who, "failed")


def rest_of(health: Health, clock: Clock, who: Candidate = A) -> float:
    """How long it rests from now, to a tenth of a second."""
    began, rest = clock.now, 0
    while health.is_resting(who):
        rest += 1
        clock.now = began + rest / 10
    clock.now = began
    return rest / 10


def probe_fails(health: Health, clock: Clock) -> None:
    """The rest is over; the request that tries finds out that the trouble is not."""
    clock.now += rest_of(health, clock)
    health.tried(A)
    health.report(A, "failed", sent=clock.now)


# --- five in a row


def test_five_failures_in_a_row_are_a_rest(health: Health, clock: Clock) -> None:
    """Four are bad luck."""
    fail(health, times=4)
    before = health.is_resting(A)
    fail(health)

    assert (before, rest_of(health, clock)) == (False, REST_S)


def test_a_success_between_failures_begins_the_count_anew(health: Health) -> None:
    """Also one that went out before the failures: a provider that fails now and then is not down."""
    fail(health, times=4)
    health.report(A, "succeeded", sent=0.0)
    fail(health, times=4)

    assert not health.is_resting(A)


def test_each_rest_in_a_row_is_longer_up_to_five_minutes(health: Health, clock: Clock) -> None:
    """Long outages are asked about less and less, and still noticed to be over."""
    fail(health, times=5)
    rests = [rest_of(health, clock)]
    for _ in range(11):
        probe_fails(health, clock)
        rests.append(rest_of(health, clock))

    assert rests == [min(REST_S * number, LONGEST_REST_S) for number in range(1, 13)]


def test_a_probe_that_succeeds_forgets_everything(health: Health, clock: Clock) -> None:
    """The next trouble is a new one."""
    fail(health, times=5)
    probe_fails(health, clock)
    clock.now += rest_of(health, clock)
    health.tried(A)
    health.report(A, "succeeded", sent=clock.now)
    forgotten = not health.is_troubled
    fail(health, times=5)

    assert (forgotten, rest_of(health, clock)) == (True, REST_S)


def test_one_request_tries_whether_the_rest_is_over(health: Health, clock: Clock) -> None:
    """A provider that comes back is not greeted by everybody at once; one that keeps its probe waiting gets
    another half a minute later."""
    fail(health, times=5)
    clock.now += REST_S
    for_the_first = health.order((A, B))
    health.tried(A)
    for_the_second = health.order((A, B))

    assert (for_the_first, for_the_second) == ((A, B), (B, A))
    assert rest_of(health, clock) == PROBE_S


def test_what_went_out_before_the_rest_does_not_end_it(health: Health, clock: Clock) -> None:
    """A long stream that began when all was well says nothing of those that are refused now."""
    fail(health, times=5)
    health.report(A, "succeeded", sent=clock.now - 20.0)

    assert rest_of(health, clock) == REST_S


def test_what_went_out_before_the_rest_is_over_does_not_prolong_it(health: Health, clock: Clock) -> None:
    """It met with the old trouble, or was sent to a candidate that rests because nobody else was left."""
    fail(health, times=5)
    sent = clock.now + 1.0
    clock.now += REST_S - 10.0
    health.report(A, "failed", sent=sent)
    still = rest_of(health, clock)
    clock.now += 20.0
    health.report(A, "failed", sent=sent)

    assert (still, health.is_resting(A)) == (10.0, False)


def test_the_last_one_left_that_succeeds_in_its_rest_ends_it(health: Health, clock: Clock) -> None:
    """It was asked because there was nobody else, and answered: better than any probe."""
    fail(health, times=5)
    clock.now += 1.0
    health.report(A, "succeeded", sent=clock.now)

    assert not health.is_troubled


# --- a probe that ends without a word


def test_a_probe_that_is_given_back_lets_the_next_request_try(health: Health, clock: Clock) -> None:
    """Its client has left: nobody is to wait half a minute for an answer that will not come."""
    fail(health, times=5)
    clock.now += REST_S
    probe = health.tried(A)
    assert probe is not None
    before = health.order((A, B))
    health.abandoned(A, probe)
    after = health.order((A, B))
    again = health.tried(A)

    assert (before, after) == ((B, A), (A, B))
    assert (again, rest_of(health, clock)) == (probe, PROBE_S)


def test_a_probe_that_is_given_back_too_late_takes_nobody_elses(health: Health, clock: Clock) -> None:
    """It took longer than it had; the one that tries since then goes on alone."""
    fail(health, times=5)
    clock.now += REST_S
    first = health.tried(A)
    assert first is not None
    clock.now += PROBE_S
    second = health.tried(A)
    health.abandoned(A, first)

    assert (second is None, rest_of(health, clock)) == (False, PROBE_S)


def test_only_the_request_that_tries_has_something_to_give_back(health: Health, clock: Clock) -> None:
    """One that went there because nobody else was left ends without a trace."""
    healthy = health.tried(A)
    fail(health, times=5)
    resting = health.tried(A)
    clock.now += REST_S
    health.tried(A)
    beside = health.tried(A)

    assert (healthy, resting, beside) == (None, None, None)


def test_what_is_well_again_has_no_probe_to_give_back(health: Health, clock: Clock) -> None:
    """Another request has found out meanwhile."""
    fail(health, times=5)
    clock.now += REST_S
    probe = health.tried(A)
    assert probe is not None
    health.report(A, "succeeded", sent=clock.now)
    health.abandoned(A, probe)

    assert not health.is_troubled


# --- 429


@pytest.mark.parametrize(
    ("said", "rest"),
    [(None, BUSY_S), (0.0, 0.0), (0.2, 0.2), (17.0, 17.0), (86400.0, LONGEST_BUSY_S), (-3.0, 0.0)],
)
def test_a_limit_is_waited_for_as_long_as_it_says(
    health: Health, clock: Clock, said: float | None, rest: float
) -> None:
    """Exactly, but for what no gateway should believe."""
    health.report(A, "busy", retry_after_s=said)

    assert rest_of(health, clock) == rest


def test_a_limit_is_over_without_a_probe(health: Health, clock: Clock) -> None:
    """It said when; there is nothing to find out."""
    health.report(A, "busy", retry_after_s=2.0)
    clock.now += 2.0
    health.tried(A)

    assert health.order((A, B)) == (A, B)


def test_a_limit_is_no_failure(health: Health, clock: Clock) -> None:
    """A provider that is busy is not down."""
    for _ in range(9):
        health.report(A, "busy", retry_after_s=0.0)
    fail(health, times=4)

    assert not health.is_resting(A)


def test_answers_that_were_under_way_do_not_end_the_wait(health: Health, clock: Clock) -> None:
    """While one request is refused, streams that began before it go on to their end."""
    health.report(A, "busy", retry_after_s=17.0)
    health.report(A, "succeeded", sent=clock.now - 1.0)

    assert rest_of(health, clock) == 17.0


def test_a_limit_in_a_rest_keeps_both(health: Health, clock: Clock) -> None:
    """The probe met with a limit: after that has passed, the next one tries again."""
    fail(health, times=5)
    clock.now += REST_S
    health.tried(A)
    health.report(A, "busy", sent=clock.now, retry_after_s=7.0)
    limited = rest_of(health, clock)
    clock.now += limited
    health.tried(A)

    assert (limited, rest_of(health, clock)) == (7.0, PROBE_S)


# --- the order


def test_those_that_rest_go_last_and_never_out(health: Health) -> None:
    """Each part in the order that the route gave it."""
    fail(health, A, times=5)
    fail(health, B, times=5)

    assert health.order((A, B, C)) == (C, A, B)
    assert health.order(all_rest := (A, B)) is all_rest
    assert health.order((A,)) == (A,)


def test_nobody_in_trouble_changes_nothing(health: Health) -> None:
    """The very tuple, so that what was worked out for it stays known."""
    candidates = (A, B)
    fail(health, C)

    assert health.order(candidates) is candidates


@pytest.mark.parametrize(
    ("other", "is_resting"),
    [
        pytest.param(candidate("a"), True, id="itself"),
        pytest.param(candidate("b", host="a.invalid"), True, id="another name for it"),
        pytest.param(candidate("a", "other"), False, id="another model"),
        pytest.param(candidate("a", key="other"), False, id="another key"),
        pytest.param(candidate("a", host="b.invalid"), False, id="another host"),
    ],
)
def test_trouble_is_that_of_one_place_one_key_and_one_model(
    health: Health, other: Candidate, is_resting: bool
) -> None:
    """An entry and the wildcard beside it are one and the same; a key that was replaced begins anew."""
    fail(health, A, times=5)

    assert health.is_resting(other) is is_resting


def test_those_that_rest_now_are_counted(health: Health, clock: Clock) -> None:
    """A rest that is over is none, although it is remembered."""
    fail(health, A, times=5)
    health.report(B, "busy", retry_after_s=60.0)
    fail(health, C)
    counts = [health.resting]
    clock.now += REST_S
    counts.append(health.resting)
    clock.now += 60.0
    counts.append(health.resting)

    assert counts == [2, 1, 0]


def test_what_is_kept_is_bounded(health: Health) -> None:
    """Clients invent members of wildcards; the oldest trouble is forgotten."""
    for number in range(MOST_KEPT + 100):
        health.report(candidate("a", str(number)), "busy")
    resting = [health.is_resting(candidate("a", str(number))) for number in (99, 100, MOST_KEPT + 99)]

    assert resting == [False, True, True]


# --- whatever happens

EVENTS = st.tuples(
    st.sampled_from([A, B]),
    st.sampled_from(["succeeded", "failed", "busy"]),
    st.floats(0.0, 120.0),
    st.floats(0.0, 60.0),
)


@given(st.lists(EVENTS, max_size=60))
def test_every_rest_ends(events: list[tuple[Candidate, Report, float, float]]) -> None:
    """Whatever was reported in whatever order: after the longest rest everybody is tried again, and one
    success later nothing is left of it."""
    clock = Clock()
    health = Health(clock)
    for who, how, passed, old in events:
        clock.now += passed
        health.tried(who)
        health.report(who, how, sent=clock.now - old, retry_after_s=old)
        assert {each.id for each in health.order((A, B, C))} == {A.id, B.id, C.id}
    clock.now += LONGEST_REST_S + PROBE_S
    order = health.order((A, B, C))
    for who in (A, B):
        health.report(who, "succeeded", sent=clock.now)

    assert (order, health.is_troubled) == ((A, B, C), False)
