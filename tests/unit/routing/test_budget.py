"""What a session may spend on changing its model."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plano.catalog.names import ModelId
from plano.catalog.prices import Price
from plano.routing.affinity import MOST_WARM_MODELS, Pin, Spending, Warm, read_pin, render
from plano.routing.budget import (
    Answered,
    Budget,
    Stay,
    Switch,
    after,
    cap_usd,
    context_tokens,
    dollars,
    judge,
    left_usd,
    read_pct,
)

LARGE, SMALL, DISK = ModelId("openai/large"), ModelId("openai/small"), ModelId("deepseek/any")
NOBODYS, GUESSED = ModelId("mine/unpriced"), ModelId("mine/without-cached-price")
MODELS = (LARGE, SMALL, DISK, NOBODYS, GUESSED)
NOW = 1_790_000_000.0


@dataclass(frozen=True)
class List:
    """Prices by model."""

    prices: dict[ModelId, Price]

    def rates(self, model: ModelId) -> Price | None:
        return self.prices.get(model)


LISTED = List(
    {
        LARGE: Price(3.0, 15.0, 0.3),
        SMALL: Price(0.5, 2.0, 0.05),
        DISK: Price(0.2, 0.8, 0.02),
        GUESSED: Price(5.0, 20.0),
    }
)


def about(amount: float) -> Any:
    """Equal to what differs from it in the last bits."""
    return pytest.approx(amount)


def on_large(context: int = 100_000, **facts: Any) -> Spending:
    """A session that has only ever been on LARGE, and was answered just now."""
    spending = Spending(
        LARGE, never_switching_usd=0.3, context_tokens=context, warm={LARGE: Warm(context, int(NOW))}
    )
    return replace(spending, **facts)


def asked(
    spending: Spending | None,
    candidate: ModelId,
    *,
    anchor: ModelId = LARGE,
    pct: float = 5.0,
    context: int = 100_000,
    now: float = NOW,
    listed: List = LISTED,
) -> Stay | Switch:
    return judge(Budget(pct), spending, listed, anchor=anchor, candidate=candidate, context=context, now=now)


def test_the_cost_is_what_must_be_read_again_less_what_staying_would_read() -> None:
    """The formula, in figures: 100,000 tokens at $5 there, or at $0.30 here."""
    verdict = asked(on_large(), GUESSED)

    assert verdict == Stay(
        "staying: changing would cost $0.470, $0.015 is left of 5 % of $0.300 (no cached price of "
        "mine/without-cached-price: taken as 0.1 of input)",
        "over_budget",
        about(0.47),
        about(0.015),
    )


def test_a_change_within_the_budget_is_paid_for() -> None:
    """And says out of what."""
    verdict = asked(on_large(), SMALL, pct=50, context=100_000)

    assert verdict == Switch(
        SMALL, "changing costs $0.020, $0.150 is left of 50 % of $0.300", "within_budget", about(0.02)
    )
    assert isinstance(verdict, Switch)
    assert verdict.paid_usd == about(0.02)


def test_an_outright_cheaper_model_is_free_and_fills_nothing_up() -> None:
    """Its fresh input costs less than cached input here; what is saved was never spent."""
    spent = on_large(switches_usd=0.01)

    verdict = asked(spent, DISK, pct=0)

    assert isinstance(verdict, Switch)
    assert (verdict.reason, verdict.paid_usd) == ("cheaper", 0.0)
    assert verdict.cost_usd == about(-0.01)


def test_a_return_to_a_model_that_still_holds_the_context_costs_what_is_new() -> None:
    """A to B and back: only what was said in between is read at the full price."""
    back = on_large(warm={SMALL: Warm(100_000, int(NOW)), LARGE: Warm(90_000, int(NOW) - 60)})

    verdict = asked(back, LARGE, anchor=SMALL, pct=100)

    new, old, here = 10_000 * 3.0, 90_000 * 0.3, 100_000 * 0.05
    assert isinstance(verdict, Switch)
    assert verdict.cost_usd == about((new + old - here) / 1e6)


@pytest.mark.parametrize(
    ("candidate_read_s_ago", "cost"), [(300, 0.025), (301, 0.295)], ids=["held", "forgotten"]
)
def test_what_a_provider_has_forgotten_is_read_again(candidate_read_s_ago: int, cost: float) -> None:
    """Five minutes at OpenAI."""
    warm = {SMALL: Warm(100_000, int(NOW)), LARGE: Warm(100_000, int(NOW) - candidate_read_s_ago)}

    verdict = asked(on_large(warm=warm), LARGE, anchor=SMALL, pct=0)

    assert isinstance(verdict, Stay)
    assert verdict.cost_usd == about(cost)


@pytest.mark.parametrize(
    ("anchor", "idle_s", "reason"),
    [
        (LARGE, 300, "over_budget"),
        (LARGE, 301, "cold"),
        (DISK, 7200, "over_budget"),
        (DISK, 7201, "cold"),
        (LARGE, -5, "over_budget"),
    ],
)
def test_a_cold_session_changes_freely(anchor: ModelId, idle_s: int, reason: str) -> None:
    """How long there is something to lose differs by provider. Another replica's clock may be ahead."""
    spending = Spending(anchor, warm={anchor: Warm(100_000, int(NOW))})

    assert asked(spending, GUESSED, anchor=anchor, pct=0, now=NOW + idle_s).reason == reason


def test_a_session_without_an_account_changes_freely() -> None:
    """Its pin is of a version, or of a configuration, that kept none."""
    assert asked(None, SMALL, pct=0).reason == "cold"


@pytest.mark.parametrize(("anchor", "candidate"), [(LARGE, NOBODYS), (NOBODYS, LARGE)])
def test_unknown_prices_allow_the_change_and_say_so(anchor: ModelId, candidate: ModelId) -> None:
    """A veto on a guess would be worse than a cost on a guess."""
    verdict = asked(on_large(warm={anchor: Warm(9, int(NOW))}), candidate, anchor=anchor, pct=0)

    assert verdict == Switch(
        candidate, "what changing costs is not known: no price of mine/unpriced", "unknown_price", None
    )


def test_a_session_stays_where_it_is_told_to_be() -> None:
    """No change, no cost."""
    assert asked(on_large(), LARGE) == Stay("it is the session's model", "same_model", 0.0, about(0.015))


@pytest.mark.parametrize(
    ("spending", "body_bytes", "tokens"),
    [
        (None, 4000, 1000),
        (Spending(LARGE), 4000, 1000),
        (Spending(LARGE, context_bytes=9000), 4000, 1000),
        (Spending(LARGE, context_tokens=700, context_bytes=4000), 4000, 700),
        (Spending(LARGE, context_tokens=700, context_bytes=4000), 4400, 800),
        (Spending(LARGE, context_tokens=700, context_bytes=4000), 2000, 350),
        (Spending(LARGE, context_tokens=700, context_bytes=0), 4000, 1000),
    ],
)
def test_the_context_is_as_the_provider_counted_and_what_was_added(
    spending: Spending | None, body_bytes: int, tokens: int
) -> None:
    """Four bytes a token only where nobody has counted."""
    assert context_tokens(spending, body_bytes) == tokens


# --- the account ---


def answered(model: ModelId, tokens: int | None, at: float = NOW, **counts: int) -> Answered:
    return Answered(model, at, 4 * (tokens or 0), tokens, **counts)


def test_the_first_answer_opens_the_account() -> None:
    """All of it was read for the first time."""
    account = after(Budget(5), None, LISTED, anchor=None, judged=None, answered=answered(LARGE, 100_000))

    assert account == Spending(LARGE, about(0.3), 0.0, 0, 100_000, 400_000, {LARGE: Warm(100_000, int(NOW))})


def test_never_changing_is_measured_on_the_first_model_wherever_the_session_is() -> None:
    """Had it stayed, all but the new 10,000 tokens would have come from the cache there."""
    moved = on_large(warm={SMALL: Warm(100_000, int(NOW))})

    account = after(
        Budget(5), moved, LISTED, anchor=SMALL, judged=None, answered=answered(SMALL, 110_000, NOW + 9)
    )

    added = (100_000 * 0.3 + 10_000 * 3.0) / 1e6
    assert account.never_switching_usd == about(0.3 + added)


@pytest.mark.parametrize(("model", "spent", "switches"), [(SMALL, 0.02, 1), (DISK, 0.0, 1), (LARGE, 0.0, 0)])
def test_a_change_is_paid_for_by_who_made_it(model: ModelId, spent: float, switches: int) -> None:
    """Where a fallback answered, or the old model after all, nobody got what was judged."""
    verdict = asked(on_large(), SMALL, pct=50)

    account = after(
        Budget(50), on_large(), LISTED, anchor=LARGE, judged=verdict, answered=answered(model, 100_000)
    )

    assert (account.switches_usd, account.switches) == (about(spent), switches)


@pytest.mark.parametrize(("replenish", "never", "spent"), [(True, 0.0045, 0.0), (False, 0.3270, 0.01)])
def test_a_session_that_went_cold_begins_anew_or_goes_on(replenish: bool, never: float, spent: float) -> None:
    """`replenish_on_rebind`."""
    account = after(
        Budget(5, replenish_on_rebind=replenish),
        on_large(context=9000, switches_usd=0.01),
        LISTED,
        anchor=LARGE,
        judged=None,
        answered=answered(SMALL, 9000, NOW + 400),
    )

    assert (account.never_switching_usd, account.switches_usd) == (about(never), about(spent))
    assert account.first_model == (SMALL if replenish else LARGE)


@pytest.mark.parametrize(
    ("counts", "held"),
    [
        ({}, 1000),
        ({"cache_read_tokens": 0}, 1000),
        ({"cache_read_tokens": 700, "cache_creation_tokens": 200}, 900),
        ({"cache_read_tokens": 0, "cache_creation_tokens": 0}, 0),
        ({"cache_creation_tokens": 5000}, 1000),
    ],
    ids=["automatic", "automatic, first", "marked", "not marked", "more than there is"],
)
def test_a_provider_that_says_what_it_keeps_is_believed(counts: dict[str, int], held: int) -> None:
    """Anthropic keeps what a request marks; others keep what they read, and do not say so."""
    account = after(
        Budget(5), None, LISTED, anchor=None, judged=None, answered=answered(LARGE, 1000, **counts)
    )

    assert account.warm == {LARGE: Warm(held, int(NOW))}


def test_a_context_that_was_cut_has_lost_its_end_everywhere() -> None:
    """A conversation that was summed up is not what the caches hold."""
    before = on_large(warm={LARGE: Warm(100_000, int(NOW)), DISK: Warm(80_000, int(NOW))})

    account = after(Budget(5), before, LISTED, anchor=LARGE, judged=None, answered=answered(LARGE, 20_000))

    assert account.warm == {LARGE: Warm(20_000, int(NOW)), DISK: Warm(20_000, int(NOW))}


def test_the_account_stays_small_and_keeps_who_answered() -> None:
    """A pin has 4 KiB."""
    many = {f"openai/{number}": Warm(9, int(NOW)) for number in range(MOST_WARM_MODELS)}

    account = after(
        Budget(5, replenish_on_rebind=False),
        on_large(warm=many),
        LISTED,
        anchor=LARGE,
        judged=None,
        answered=answered(DISK, 9),
    )

    assert len(account.warm) == MOST_WARM_MODELS
    assert DISK in account.warm


@pytest.mark.parametrize(
    ("text", "pct"),
    [("0", 0.0), ("12.5", 12.5), ("100", 100.0)]
    + [(odd, None) for odd in ("100.1", "-1", "", ".", "nan", "1e1", "²", "5%", "0" * 17, "1.2.3")],
)
def test_a_percentage_from_a_header_is_one_or_nothing(text: str, pct: float | None) -> None:
    """Whoever sends it is told of anything else."""
    assert read_pct(text) == pct


@pytest.mark.parametrize(
    ("amount", "text"),
    [(0.0, "$0.000"), (0.06, "$0.060"), (0.0000123, "$0.000012"), (12.345, "$12.35"), (1234.5, "$1,234.50")],
)
def test_amounts_show_two_figures(amount: float, text: str) -> None:
    """A change costs thousandths of a cent as well as dollars."""
    assert dollars(amount) == text


# --- properties, over sessions of any shape ---

rates = st.floats(0, 1000, allow_nan=False)
lists = st.builds(
    List,
    st.dictionaries(st.sampled_from(MODELS), st.builds(Price, rates, rates, st.none() | rates), max_size=5),
)
steps = st.lists(
    st.tuples(
        st.sampled_from(MODELS),
        st.integers(0, 2_000_000) | st.none(),
        st.integers(0, 8_000_000),
        st.floats(-10, 9000),
        st.booleans(),
    ),
    max_size=12,
)
percentages = st.floats(0, 100)


def lived(
    budget: Budget, listed: List, story: list[tuple[ModelId, int | None, int, float, bool]]
) -> list[Spending]:
    """The accounts of a session that asks for these models; now and then another one stands in."""
    spending: Spending | None = None
    anchor: ModelId | None = None
    now = NOW
    accounts = []
    for candidate, tokens, body_bytes, gap_s, fails in story:
        now += gap_s
        context = context_tokens(spending, body_bytes)
        verdict = None
        if anchor is not None:
            verdict = judge(
                budget, spending, listed, anchor=anchor, candidate=candidate, context=context, now=now
            )
        chosen = anchor if isinstance(verdict, Stay) and anchor else candidate
        model = DISK if fails else chosen
        told = Answered(model, now, body_bytes, tokens)
        spending = after(budget, spending, listed, anchor=anchor, judged=verdict, answered=told)
        anchor = model
        accounts.append(spending)
    return accounts


@given(lists, steps, percentages, st.booleans())
def test_all_changes_together_never_cost_more_than_the_cap(
    listed: List, story: list[tuple[ModelId, int | None, int, float, bool]], pct: float, replenish: bool
) -> None:
    """The promise of the budget, at every moment and to the last bit; and no account is ever negative."""
    budget = Budget(pct, replenish_on_rebind=replenish)

    accounts = lived(budget, listed, story)

    assert all(0 <= account.switches_usd <= cap_usd(budget, account) for account in accounts)
    assert all(left_usd(budget, account) >= 0 for account in accounts)


@given(lists, steps)
def test_with_nothing_to_spend_nothing_is_spent(
    listed: List, story: list[tuple[ModelId, int | None, int, float, bool]]
) -> None:
    """0 %: only changes that cost nothing."""
    assert all(account.switches_usd == 0 for account in lived(Budget(0), listed, story))


@given(lists, steps)
def test_every_account_fits_into_a_pin_and_comes_back_as_it_was(
    listed: List, story: list[tuple[ModelId, int | None, int, float, bool]]
) -> None:
    """Replicas judge by what the store holds: no number may be lost on the way, nor be refused."""
    for account in lived(Budget(100), listed, story):
        rendered = render(Pin(LARGE, spending=account))

        assert isinstance(rendered, bytes)
        assert read_pin(rendered) == Pin(LARGE, spending=account)


@given(lists, percentages, percentages, st.integers(0, 10**7), st.integers(0, 10**7), rates, rates)
def test_whoever_may_spend_more_may_change_whenever_the_other_may(
    listed: List, one: float, other: float, context: int, held: int, never: float, spent: float
) -> None:
    """The percentage is a dial: turning it up takes nothing away."""
    warm: dict[str, Warm] = {LARGE: Warm(100, int(NOW)), SMALL: Warm(held, int(NOW))}
    account = Spending(LARGE, never, spent, 1, context, None, warm)

    less, more = (
        asked(account, SMALL, pct=pct, context=context, listed=listed) for pct in sorted((one, other))
    )

    assert isinstance(less, Stay) or isinstance(more, Switch)


@given(st.integers(0, 10**7), st.integers(0, 10**7), st.integers(0, 10**7), rates, rates, percentages)
def test_the_more_of_the_context_a_model_holds_the_less_moving_to_it_costs(
    context: int, held: int, more: int, put_in: float, share: float, pct: float
) -> None:
    """As long as cached input costs no more than fresh."""
    listed = List({LARGE: Price(3, 9, 0.3), SMALL: Price(put_in, 9, put_in * share / 1000)})

    costs = []
    for tokens in (held, held + more):
        account = Spending(LARGE, warm={LARGE: Warm(1, int(NOW)), SMALL: Warm(tokens, int(NOW))})
        verdict = asked(account, SMALL, pct=pct, context=context, listed=listed)
        costs.append(verdict.cost_usd or 0.0)

    assert costs[1] <= costs[0] + 1e-9
