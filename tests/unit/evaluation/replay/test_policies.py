"""Policies, followed through a session."""

from __future__ import annotations

from dataclasses import replace

import pytest

from plano.catalog.names import ModelId
from plano.catalog.prices import Price
from plano.evaluation.replay.log import Request
from plano.evaluation.replay.policies import (
    Course,
    Defaults,
    Pin,
    Policy,
    Redecide,
    Spend,
    UserTurns,
    default_policies,
    policy_named,
)
from plano.routing.budget import Budget

A, B = ModelId("openai/a"), ModelId("openai/b")
USER, LOOP = True, False
Step = tuple[float, ModelId, bool | None]


class Same:
    """Everybody takes the same."""

    def rates(self, model: ModelId) -> Price | None:
        return Price(1.0, 4.0, 0.1)


def followed(policy: Policy, steps: list[Step], tokens: int = 1000) -> str:
    """The last letters of the models chosen."""
    course, chosen = Course(), []
    for at, candidate, is_user_turn in steps:
        request = Request(
            1, "s", at, candidate, candidate, True, is_user_turn, False, tokens, True, 4 * tokens, None, None
        )
        course.anchor = policy.choose(course, request, tokens, Same())
        chosen.append(course.anchor[-1])
    return "".join(chosen)


HOPPING: list[Step] = [
    (0, A, USER),
    (10, B, LOOP),
    (20, A, LOOP),
    (30, B, USER),
    (40, A, LOOP),
    (700, B, LOOP),
]


@pytest.mark.parametrize(
    ("policy", "chosen"),
    [
        ("redecide", "ababab"),
        ("logged", "ababab"),
        ("pin:600", "aaaaab"),
        ("pin:35", "aaaaab"),
        ("pin:25", "aaabbb"),
        ("user-turns:600", "aaabbb"),
        ("user-turns:5", "ababab"),
        ("budget:0", "aaaaab"),
        ("budget:100", "ababab"),
    ],
)
def test_a_policy_chooses_as_it_says(policy: str, chosen: str) -> None:
    """What each means, on one session that hops: a pause of eleven minutes is before the last.
    Back on a model that still holds all of it, a budget pays nothing."""
    assert followed(policy_named(policy, Defaults()), HOPPING) == chosen


def test_a_pin_is_not_made_longer_by_use() -> None:
    """Its time counts from the decision."""
    assert followed(Pin(600), [(0, A, USER), (599, B, USER), (600, B, USER)]) == "aab"


def test_a_request_that_may_be_a_users_is_decided() -> None:
    """A log that does not say must not look as if all were loops."""
    assert followed(UserTurns(600), [(0, A, None), (1, B, None)]) == "ab"


def test_a_budget_is_spent_by_the_gateways_own_arithmetic() -> None:
    """1,000 tokens at $1, cached at $0.10: a change costs 0.9, and never changing 1.0, then 0.1 more each."""
    steps: list[Step] = [(second, B if second % 2 else A, LOOP) for second in range(4)]

    assert [followed(Spend(Budget(pct)), steps) for pct in (74, 89, 91)] == ["aaaa", "aaab", "abab"]


@pytest.mark.parametrize(
    ("text", "policy"),
    [
        ("redecide", Redecide()),
        ("pin", Pin(300)),
        ("pin:60", Pin(60)),
        ("user-turns", UserTurns(300)),
        ("budget", Spend(Budget(7, 0.2, replenish_on_rebind=False))),
        ("budget:12.5", Spend(Budget(12.5, 0.2, replenish_on_rebind=False))),
        ("budget:5%", Spend(Budget(5, 0.2, replenish_on_rebind=False))),
    ],
)
def test_what_a_name_leaves_open_is_as_configured(text: str, policy: Policy) -> None:
    """The policy that is priced should be the one that would run."""
    assert policy_named(text, Defaults(300, Budget(7, 0.2, replenish_on_rebind=False))) == policy


@pytest.mark.parametrize(
    "text",
    ["", "pins", "pin:0", "pin:-1", "pin:x", "pin:nan", "budget:101", "budget:-1", "redecide:1", "logged:x"],
)
def test_what_is_no_policy_is_refused_with_those_that_are(text: str) -> None:
    """Instead of a row that means something else."""
    with pytest.raises(ValueError, match=r"expected logged, redecide, pin\[:SECONDS\]"):
        policy_named(text, Defaults())


def test_by_default_one_of_each_kind_is_priced() -> None:
    """With the configured percentage among the budgets, once."""
    defaults = Defaults(budget=Budget(20.0))

    names = [policy.name for policy in default_policies(defaults)]

    assert names == ["redecide", "pin:600", "user-turns:600", "budget:0", "budget:20"]
    assert [policy.name for policy in default_policies(replace(defaults, budget=Budget(5.0)))][3:] == [
        "budget:0",
        "budget:5",
        "budget:20",
    ]
