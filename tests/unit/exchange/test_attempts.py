"""Attempts as dialogues: who is asked next, and when it is too late."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plano.catalog.catalog import Endpoint, Model, Secret
from plano.catalog.names import ModelId, ProviderId
from plano.chat.dialect import Dialect
from plano.errors import (
    Internal,
    Overloaded,
    PlanoError,
    ShuttingDown,
    UpstreamAuth,
    UpstreamBroke,
    UpstreamInvalid,
    UpstreamRefused,
    UpstreamTimeout,
    UpstreamUnreachable,
)
from plano.exchange.attempts import (
    Command,
    Failed,
    GiveUp,
    Send,
    attempts,
    may_try_another,
    report_of,
)
from plano.routing.decision import Candidate
from plano.routing.health import Report


def candidate(
    name: str, provider: str = "", *, key: str | None = None, own: bool = False, at: str = ""
) -> Candidate:
    """One with a key and a host that nobody else has, unless told otherwise; "" for none."""
    provider = provider or name
    endpoint = Endpoint("https", at or f"{provider}.invalid", 443, "/v1/chat/completions")
    model = Model(
        id=ModelId(f"{provider}/{name}"),
        name=name,
        provider=ProviderId(provider),
        upstream_model=name,
        endpoints={Dialect.OPENAI_CHAT: endpoint},
        auth="bearer",
        access_key=None if own or key == "" else Secret(key or f"key of {name}"),
        passthrough_auth=own,
    )
    return Candidate(model, name, model.id)


A, B, C, D = (candidate(name) for name in "abcd")


def refused(status: int, *, lasting: bool = False) -> UpstreamRefused:
    problem = UpstreamRefused("no", status=status)
    problem.is_lasting = lasting
    return problem


def untrusted() -> UpstreamUnreachable:
    problem = UpstreamUnreachable("its certificate is not trusted")
    problem.is_lasting = True
    return problem


TIMEOUT, GONE, AUTH, BROKE, INVALID = (
    UpstreamTimeout("silent"),
    UpstreamUnreachable("refused"),
    UpstreamAuth("key"),
    UpstreamBroke("cut"),
    UpstreamInvalid("garbage"),
)


def play(candidates: Sequence[Candidate], *turns: Command | Failed, deadline: float = 300.0) -> None:
    """The dialogue goes like this and ends with its last turn."""
    dialogue = attempts(candidates, deadline=deadline)
    first = next(dialogue)
    following = [dialogue.send(turn) for turn in turns if isinstance(turn, Failed)]

    assert [first, *following] == [turn for turn in turns if not isinstance(turn, Failed)]


def failed(problem: PlanoError, now: float = 1.0, *, after: float | None = None) -> Failed:
    return Failed(problem, now, after)


# --- the next one

PASSING = [
    GONE,
    untrusted(),
    TIMEOUT,
    AUTH,
    BROKE,
    INVALID,
    *map(refused, (408, 429, 500, 501, 502, 503, 504, 529)),
]


@pytest.mark.parametrize("problem", PASSING, ids=lambda each: f"{each.code} {each.status}")
def test_the_next_candidate_is_tried_at_once(problem: PlanoError) -> None:
    """Whatever is the provider's failure is no reason that another one should fail."""
    play([A, B], Send(A, is_last=False), failed(problem), Send(B, is_last=True))


NOT_THE_PROVIDERS = [
    *map(refused, (400, 402, 404, 405, 409, 410, 413, 422, 451)),
    Overloaded("all connections are in use"),
    ShuttingDown("draining"),
    Internal("defect"),
]


@pytest.mark.parametrize("problem", NOT_THE_PROVIDERS, ids=lambda each: f"{each.code} {each.status}")
def test_what_is_not_the_providers_failure_ends_it(problem: PlanoError) -> None:
    """A request that is wrong is wrong everywhere, and a gateway in trouble does not make itself more."""
    play([A, B], Send(A, is_last=False), failed(problem), GiveUp(problem, is_lasting=False))


def test_every_candidate_is_asked_once_before_any_is_asked_twice() -> None:
    """The last one may take its time, since nobody comes after it."""
    play(
        [A, B, C],
        Send(A, is_last=False),
        failed(refused(503)),
        Send(B, is_last=False),
        failed(GONE),
        Send(C, is_last=True),
        failed(TIMEOUT),
        GiveUp(TIMEOUT, is_lasting=False),
    )


def test_three_attempts_are_all_there_are() -> None:
    """The client's library makes three requests of one: three times more would be nine. The third attempt
    may take its time, although there is a fourth candidate."""
    problem = refused(500)
    play(
        [A, B, C, D],
        Send(A, is_last=False),
        failed(problem),
        Send(B, is_last=False),
        failed(problem),
        Send(C, is_last=True),
        failed(problem),
        GiveUp(problem, is_lasting=False),
    )


# --- the same once more

AGAIN = [GONE, *map(refused, (408, 500, 502, 503, 504, 529))]


@pytest.mark.parametrize("problem", AGAIN, ids=lambda each: f"{each.code} {each.status}")
def test_the_only_candidate_is_asked_once_more(problem: PlanoError) -> None:
    """What may be gone a moment later is worth one more request, and no third."""
    play(
        [A],
        Send(A, is_last=True),
        failed(problem),
        Send(A, is_last=True),
        failed(problem),
        GiveUp(problem, is_lasting=False),
    )


NEVER_AGAIN = [
    TIMEOUT,
    BROKE,
    INVALID,
    refused(429),
    refused(501),
    refused(503, lasting=True),
    untrusted(),
    AUTH,
]


@pytest.mark.parametrize(
    "problem", NEVER_AGAIN, ids=lambda each: f"{each.code} {each.status} {each.is_lasting}"
)
def test_the_same_candidate_is_not_asked_again_for_what_stays(problem: PlanoError) -> None:
    """The time of a timeout is spent; a key, a certificate and a limit stay what they are; the tokens of an
    answer that broke are paid for; and a provider may say that nobody should."""
    play([A], Send(A, is_last=True), failed(problem), GiveUp(problem, is_lasting=problem.is_lasting))


def test_the_last_one_left_is_asked_once_more() -> None:
    """Not the first, whose failure is older."""
    play(
        [A, B],
        Send(A, is_last=False),
        failed(TIMEOUT),
        Send(B, is_last=True),
        failed(GONE),
        Send(B, is_last=True),
        failed(GONE),
        GiveUp(GONE, is_lasting=False),
    )


def test_one_that_has_failed_everybody_is_not_asked_again() -> None:
    """In an outage, one attempt a request finds out that it is over."""
    play(
        [A],
        Send(A, is_last=True),
        Failed(GONE, 1.0, is_resting=True),
        GiveUp(GONE, is_lasting=False),
    )


def test_it_is_the_last_one_that_must_be_well_to_be_asked_again() -> None:
    """That the first rests says nothing of the second."""
    play(
        [A, B],
        Send(A, is_last=False),
        Failed(GONE, 1.0, is_resting=True),
        Send(B, is_last=True),
        failed(GONE),
        Send(B, is_last=True),
    )


# --- the deadline


@pytest.mark.parametrize(
    ("now", "following"),
    [
        (9.5, Send(B, is_last=True)),
        (9.6, GiveUp(GONE, is_lasting=False)),
        (11.0, GiveUp(GONE, is_lasting=False)),
    ],
)
def test_nobody_is_asked_who_would_not_have_the_time(now: float, following: Command) -> None:
    """Half a second before the end of the exchange it is too late."""
    play([A, B], Send(A, is_last=False), failed(GONE, now), following, deadline=10.0)


# --- keys


def test_a_refused_key_is_not_sent_again() -> None:
    """Of three models with one key, the second has the same to fear; the third has another key."""
    first, second = candidate("one", "openai", key="k"), candidate("two", "openai", key="k")
    third = candidate("three", "openai", key="other")

    play([first, second, third], Send(first, is_last=False), failed(AUTH), Send(third, is_last=True))


def test_who_is_left_with_a_refused_key_is_no_other_candidate() -> None:
    """So the one before it may take its time, and nothing more is sent when it fails."""
    first, last = candidate("one", "openai", key="k"), candidate("two", "openai", key="k")
    play(
        [first, B, last],
        Send(first, is_last=False),
        failed(AUTH),
        Send(B, is_last=True),
        failed(TIMEOUT),
        GiveUp(TIMEOUT, is_lasting=False),
    )


def test_the_same_key_at_another_provider_is_another_key() -> None:
    """Who refuses it speaks for itself."""
    first, second = candidate("one", "openai", key="k"), candidate("two", "groq", key="k")

    play([first, second], Send(first, is_last=False), failed(AUTH), Send(second, is_last=True))


def test_the_same_key_at_the_same_address_is_one_key_whatever_its_provider_is_called() -> None:
    """One server under two names would be shown what it has just refused."""
    first = candidate("one", "mine", key="k", at="llm.invalid")
    second = candidate("two", "also-mine", key="k", at="llm.invalid")

    play([first, second], Send(first, is_last=False), failed(AUTH), GiveUp(AUTH, is_lasting=True))


def test_a_key_that_is_the_clients_own_is_one_key() -> None:
    """It goes to every model of the provider that passes it through."""
    first, second = candidate("one", "vllm", own=True), candidate("two", "vllm", own=True)

    play([first, second], Send(first, is_last=False), failed(AUTH), GiveUp(AUTH, is_lasting=True))


def test_without_a_key_none_was_refused() -> None:
    """What the next model sends may differ: its headers, its address."""
    first, second = candidate("one", "vllm", key=""), candidate("two", "vllm", key="")

    play([first, second], Send(first, is_last=False), failed(AUTH), Send(second, is_last=True))


# --- what the client is told

BUSY = refused(429)


def test_the_last_failure_is_told_with_the_soonest_return() -> None:
    """The first said six seconds, two seconds ago; the last one would take a minute."""
    play(
        [A, B],
        Send(A, is_last=False),
        failed(BUSY, 1.0, after=6.0),
        Send(B, is_last=True),
        failed(BUSY, 3.0, after=60.0),
        GiveUp(BUSY, is_lasting=False, retry_after_s=4.0),
    )


def test_who_should_be_back_already_is_back_now() -> None:
    """Never a time in the past."""
    play(
        [A, B],
        Send(A, is_last=False),
        failed(BUSY, 1.0, after=1.0),
        Send(B, is_last=True),
        failed(TIMEOUT, 31.0),
        GiveUp(TIMEOUT, is_lasting=False, retry_after_s=0.0),
    )


def test_what_the_last_one_says_of_itself_stays_as_it_is() -> None:
    """Where no other is back before, its own words are the right ones."""
    play(
        [A, B],
        Send(A, is_last=False),
        failed(BUSY, 1.0, after=60.0),
        Send(B, is_last=True),
        failed(BUSY, 2.0, after=5.0),
        GiveUp(BUSY, is_lasting=False),
    )


def test_who_is_asked_twice_means_what_it_said_last() -> None:
    """Its first word is as old as its first answer."""
    problem = refused(503)
    play(
        [A],
        Send(A, is_last=True),
        failed(problem, 1.0, after=2.0),
        Send(A, is_last=True),
        failed(problem, 1.5, after=30.0),
        GiveUp(problem, is_lasting=False),
    )


def test_a_refusal_of_the_request_does_not_say_to_come_back() -> None:
    """It would be refused again."""
    problem = refused(400)
    play(
        [A, B],
        Send(A, is_last=False),
        failed(BUSY, after=6.0),
        Send(B, is_last=True),
        failed(problem),
        GiveUp(problem, is_lasting=False),
    )


@pytest.mark.parametrize(("first", "is_lasting"), [(AUTH, True), (untrusted(), True), (GONE, False)])
def test_trying_again_is_hopeless_only_where_all_are(first: PlanoError, is_lasting: bool) -> None:
    """A refused key behind an overloaded provider must not keep clients from coming back to that one."""
    play(
        [A, B],
        Send(A, is_last=False),
        failed(first),
        Send(B, is_last=True),
        failed(AUTH),
        GiveUp(AUTH, is_lasting=is_lasting),
    )


def test_there_is_hope_where_somebody_was_not_asked() -> None:
    """Three refused keys say nothing of the fourth, which comes first when they rest."""
    play(
        [A, B, C, D],
        Send(A, is_last=False),
        failed(AUTH),
        Send(B, is_last=False),
        failed(AUTH),
        Send(C, is_last=True),
        failed(AUTH),
        GiveUp(AUTH, is_lasting=False),
    )


# --- whatever comes

ANY_PROBLEM = st.sampled_from([*PASSING, *NEVER_AGAIN, *NOT_THE_PROVIDERS])


@given(st.integers(1, 5), st.lists(ANY_PROBLEM, min_size=6, max_size=6), st.data())
def test_whatever_fails_it_is_over_after_three(
    count: int, problems: list[PlanoError], data: st.DataObject
) -> None:
    """Never more than three sends, none of a candidate more than two and no second before all have had one,
    the order that was given, the last failure told, and nothing after the end."""
    candidates = [A, B, C, D, candidate("e")][:count]
    dialogue = attempts(candidates, deadline=300.0)
    told, command = iter(problems), next(dialogue)
    names = []
    while isinstance(command, Send):
        names.append(command.candidate.id)
        after = data.draw(st.none() | st.floats(0.0, 600.0))
        command = dialogue.send(failed(next(told), after=after))

    assert command.problem is problems[len(names) - 1]
    assert len(names) <= 3
    assert list(dict.fromkeys(names)) == [each.id for each in candidates][: len(set(names))]
    assert max(names.count(name) for name in names) <= (
        2 if set(names) == {each.id for each in candidates} else 1
    )
    with pytest.raises(StopIteration):
        dialogue.send(failed(GONE))


REPORTS = [
    (GONE, "failed"),
    (TIMEOUT, "failed"),
    (AUTH, "failed"),
    (BROKE, "failed"),
    (INVALID, "failed"),
    (refused(500), "failed"),
    (refused(408), "failed"),
    (refused(429), "busy"),
    (refused(400), "succeeded"),
    (refused(404), "succeeded"),
    (Overloaded("x"), None),
    (ShuttingDown("x"), None),
]


@pytest.mark.parametrize(("problem", "report"), REPORTS)
def test_what_a_failure_says_of_the_candidate(problem: PlanoError, report: Report | None) -> None:
    """A refusal of the request is an answer; trouble of the gateway's own is none of the provider's."""
    assert report_of(problem) == report


@pytest.mark.parametrize(
    "problem", [*PASSING, *NOT_THE_PROVIDERS], ids=lambda each: f"{each.code} {each.status}"
)
def test_whose_failure_it_is(problem: PlanoError) -> None:
    """The two lists above are all there is."""
    assert may_try_another(problem) == (problem in PASSING)
