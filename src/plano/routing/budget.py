"""Whether a session may change its model, judged by what the change costs and what it may spend.

A provider keeps what it has read of a session for a while and reads it again at a fraction of the price.
Whoever changes models gives that up: the other model reads the context at its full price, but for what
its own provider still holds of this session. That is the cost of a change; the sum of all that a session
has paid stays within a share of what it would have cost never to change.

Input alone is counted: what an answer costs depends on its length, which nobody knows before. All here are
functions of values: the clock's reading (seconds since 1970, which replicas share), prices and the session's
account are handed in. `judge` answers before a request is sent, `after` writes the account when it was
answered. Two requests of one session at once are judged by the same account, and the later answer's is kept.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import floor, log10
from typing import Final, Literal, Protocol

from plano.catalog.names import ModelId
from plano.catalog.prices import Price
from plano.catalog.providers import prompt_cache_s
from plano.routing.affinity import MOST_WARM_MODELS, Spending, Warm

BYTES_A_TOKEN: Final = 4
"""Of a request's body, where its provider has not counted the tokens."""
MTOK: Final = 1_000_000

SwitchReason = Literal["cheaper", "within_budget", "cold", "unknown_price"]
"""Why a session may change, and a label of metrics."""
StayReason = Literal["over_budget", "same_model"]


class Rates(Protocol):
    """Who knows what models cost; `ports.Quotes` does. Reading must not wait."""

    def rates(self, model: ModelId) -> Price | None: ...


@dataclass(frozen=True, slots=True)
class Budget:
    """What `routing.routing_budget` says."""

    max_switch_spend_pct: float
    """Of what never changing would have cost so far, from 0 to 100. 0: never pay for a change."""
    cache_read_discount: float = 0.1
    """What input in the cache costs, as a share of the input price, where no list says it."""
    replenish_on_rebind: bool = True
    """Whether a session that has gone cold begins a new account. Else the old one goes on."""


@dataclass(frozen=True, slots=True)
class Stay:
    """The session keeps its model."""

    because: str
    reason: StayReason
    cost_usd: float
    """What the change would have cost."""
    left_usd: float
    """What the session may still spend; never below 0."""


@dataclass(frozen=True, slots=True)
class Switch:
    """The session may change."""

    to: ModelId
    because: str
    reason: SwitchReason
    cost_usd: float | None
    """Below 0: the change saves that much. None: not known."""

    @property
    def paid_usd(self) -> float:
        """What it takes out of the budget. What a change saves does not fill it up."""
        return (self.cost_usd or 0.0) if self.reason == "within_budget" else 0.0


@dataclass(frozen=True, slots=True)
class Answered:
    """What an answer tells of the session's context."""

    model: ModelId
    """Who answered."""
    at: float
    """When the request was judged, in seconds since 1970."""
    body_bytes: int
    """Of the request."""
    input_tokens: int | None = None
    """As the provider counted, cached ones included; None: it did not say."""
    cache_read_tokens: int | None = None
    cache_creation_tokens: int | None = None


# --- before a request is sent ---


def judge(
    budget: Budget,
    spending: Spending | None,
    rates: Rates,
    *,
    anchor: ModelId,
    candidate: ModelId,
    context: int,
    now: float,
) -> Stay | Switch:
    """Whether the session may move from `anchor`, on which it is, to `candidate`.

    `spending`: the session's account; None where there is none, as in a pin that knows of no budget.
    `context`: the tokens of the request, see `context_tokens`.
    """
    left = left_usd(budget, spending)
    if candidate == anchor:
        return Stay("it is the session's model", "same_model", 0.0, left)
    if is_cold(spending, anchor, now):
        return Switch(candidate, f"nothing of the session is left in the cache of {anchor}", "cold", 0.0)
    here, there = rates.rates(anchor), rates.rates(candidate)
    if here is None or there is None:
        unpriced = [model for model, price in ((anchor, here), (candidate, there)) if price is None]
        because = f"what changing costs is not known: no price of {' and '.join(unpriced)}"
        return Switch(candidate, because, "unknown_price", None)
    discount = budget.cache_read_discount
    warm = min(_held(spending, candidate, now), context)
    cost = _read_usd(there, context, warm, discount) - _read_usd(here, context, context, discount)
    estimated = [each for each, price in ((anchor, here), (candidate, there)) if _is_estimated(price)]
    note = (
        f" (no cached price of {' and '.join(estimated)}: taken as {discount:.3g} of input)"
        if estimated
        else ""
    )
    if cost <= 0:
        because = f"changing costs nothing more: it saves {dollars(-cost)}{note}"
        return Switch(candidate, because, "cheaper", cost)
    of_which = f"{dollars(left)} is left of {budget.max_switch_spend_pct:g} % of {_never(spending)}{note}"
    if _spent(spending) + cost <= cap_usd(budget, spending):
        return Switch(candidate, f"changing costs {dollars(cost)}, {of_which}", "within_budget", cost)
    return Stay(f"staying: changing would cost {dollars(cost)}, {of_which}", "over_budget", cost, left)


def context_tokens(spending: Spending | None, body_bytes: int) -> int:
    """About how many tokens a request's body has: those its provider counted in the session's last one, and
    one for every four bytes it has grown by; of a shorter one the same share; without a count, one for
    every four bytes."""
    if spending is None or spending.context_tokens is None or not spending.context_bytes:
        return body_bytes // BYTES_A_TOKEN
    counted, before = spending.context_tokens, spending.context_bytes
    if body_bytes < before:
        return counted * body_bytes // before
    return counted + (body_bytes - before) // BYTES_A_TOKEN


def is_cold(spending: Spending | None, anchor: ModelId, now: float) -> bool:
    """Whether the anchor's provider holds nothing of the session any more, as far as is known."""
    return _held(spending, anchor, now) == 0


def cap_usd(budget: Budget, spending: Spending | None) -> float:
    """The most that the session's changes may have cost together."""
    return 0.0 if spending is None else budget.max_switch_spend_pct / 100 * spending.never_switching_usd


def left_usd(budget: Budget, spending: Spending | None) -> float:
    """What is left of that."""
    return max(0.0, cap_usd(budget, spending) - _spent(spending))


def cached_rate(price: Price, discount: float) -> float:
    """US dollars for a million tokens of input that is in the cache; `discount`: of the input price, where
    no list says it."""
    listed = price.cached_usd_per_mtok
    return price.input_usd_per_mtok * discount if listed is None else listed


def read_pct(text: str) -> float | None:
    """What `x-plano-max-switch-spend-pct` says: a number from 0 to 100; None for anything else."""
    if len(text) > 16 or not text.isascii() or not text.replace(".", "", 1).isdigit():
        return None
    pct = float(text)
    return pct if pct <= 100 else None


def _spent(spending: Spending | None) -> float:
    return 0.0 if spending is None else spending.switches_usd


def _never(spending: Spending | None) -> str:
    return dollars(0.0 if spending is None else spending.never_switching_usd)


def _held(spending: Spending | None, model: ModelId, now: float) -> int:
    """Tokens of the session that the provider is believed to hold. Another replica's clock may be ahead."""
    warm = None if spending is None else spending.warm.get(model)
    return warm.tokens if warm is not None and now - warm.at <= prompt_cache_s(model) else 0


def _read_usd(price: Price, context: int, warm: int, discount: float) -> float:
    fresh = (context - warm) * price.input_usd_per_mtok
    return (fresh + warm * cached_rate(price, discount)) / MTOK


def _is_estimated(price: Price) -> bool:
    return price.cached_usd_per_mtok is None


# --- when it was answered ---


def after(
    budget: Budget,
    spending: Spending | None,
    rates: Rates,
    *,
    anchor: ModelId | None,
    judged: Stay | Switch | None,
    answered: Answered,
) -> Spending:
    """The session's account once a request was answered.

    `anchor`: the model that the session was on before; None: it begins. `judged`: what was judged of this
    request, None where nothing was. A change is paid for only when the model it was judged for has answered:
    that another one stood in after a failure was nobody's choice.
    """
    counted = answered.input_tokens
    tokens = context_tokens(spending, answered.body_bytes) if counted is None else counted
    has_gone_cold = anchor is None or is_cold(spending, anchor, answered.at)
    if spending is None or (has_gone_cold and budget.replenish_on_rebind):
        spending = Spending(answered.model)
    elif anchor != answered.model:
        is_paid = isinstance(judged, Switch) and judged.to == answered.model
        paid = judged.paid_usd if is_paid and isinstance(judged, Switch) else 0.0
        switches_usd = spending.switches_usd + paid
        spending = replace(spending, switches_usd=switches_usd, switches=spending.switches + 1)
    never = spending.never_switching_usd + _on_first_usd(budget, spending, rates, tokens, answered.at)
    return replace(
        spending,
        never_switching_usd=never,
        context_tokens=counted,
        context_bytes=answered.body_bytes,
        warm=_warmed(spending.warm, answered, tokens),
    )


def _on_first_usd(budget: Budget, spending: Spending, rates: Rates, tokens: int, at: float) -> float:
    """What the session's first model would have taken to read the context, had all before been read by it."""
    first = ModelId(spending.first_model)
    price = rates.rates(first)
    if price is None:
        return 0.0
    last = max((warm.at for warm in spending.warm.values()), default=None)
    is_warm = last is not None and at - last <= prompt_cache_s(first)
    held = min(_last_context(spending), tokens) if is_warm else 0
    return _read_usd(price, tokens, held, budget.cache_read_discount)


def _last_context(spending: Spending) -> int:
    if spending.context_tokens is not None:
        return spending.context_tokens
    return (spending.context_bytes or 0) // BYTES_A_TOKEN


def _warmed(before: Mapping[str, Warm], answered: Answered, tokens: int) -> dict[str, Warm]:
    """What the caches hold now. A context that has become shorter has lost its end everywhere."""
    held = tokens
    if answered.cache_creation_tokens is not None:  # this provider says what it keeps, be it nothing
        held = min(tokens, answered.cache_creation_tokens + (answered.cache_read_tokens or 0))
    warm = {answered.model: Warm(held, int(answered.at))}  # first, so that it stays of those read as late
    for model, each in before.items():
        warm.setdefault(ModelId(model), Warm(min(each.tokens, tokens), each.at))
    newest = sorted(warm.items(), key=lambda each: each[1].at, reverse=True)[:MOST_WARM_MODELS]
    return {str(model): each for model, each in newest}


# --- in words ---


def dollars(amount: float) -> str:
    """`$0.012`: at least three decimals below a dollar, as many as show two figures."""
    if amount >= 1:
        return f"${amount:,.2f}"
    decimals = 3 if amount <= 0 else max(3, 1 - floor(log10(amount)))
    return f"${amount:.{min(decimals, 12)}f}"
