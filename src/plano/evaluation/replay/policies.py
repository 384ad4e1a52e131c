"""Ways to choose a session's model, each a rule that can be followed through a log.

`course` is one session as it would have gone under one policy; the log says what routing prefers for each
request, a policy when that is listened to.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, Protocol

from plano.catalog.names import ModelId
from plano.evaluation.replay.caches import Caches
from plano.evaluation.replay.log import Request
from plano.routing.affinity import Spending
from plano.routing.budget import Answered, Budget, Rates, Stay, after, judge

DEFAULT_TTL_S: Final = 600.0
"""`routing.session_ttl_seconds` where nothing is configured."""
DEFAULT_BUDGET: Final = Budget(5.0)


@dataclass(slots=True)
class Course:
    """One session under one policy, so far."""

    anchor: ModelId | None = None
    """The model of the latest request; None: there was none."""
    decided_at: float = 0.0
    """When routing was listened to last."""
    spending: Spending | None = None
    caches: Caches = field(default_factory=Caches)


class Policy(Protocol):
    """A rule; `name` is how it is asked for."""

    @property
    def name(self) -> str: ...

    @property
    def in_words(self) -> str: ...

    def choose(self, course: Course, request: Request, tokens: int, rates: Rates) -> ModelId:
        """The model for a request of so many tokens; keeps in `course` what the next choice goes by."""


@dataclass(frozen=True, slots=True)
class Logged:
    """Whatever answered."""

    name: str = "logged"
    in_words: str = "the models that answered, as the log has them"

    def choose(self, course: Course, request: Request, tokens: int, rates: Rates) -> ModelId:
        return request.chosen


@dataclass(frozen=True, slots=True)
class Redecide:
    """Always whom routing prefers."""

    name: str = "redecide"
    in_words: str = "every request is decided afresh"

    def choose(self, course: Course, request: Request, tokens: int, rates: Rates) -> ModelId:
        return request.candidate


@dataclass(frozen=True, slots=True)
class Pin:
    """The first decision holds until its time is over; no request makes it longer."""

    ttl_s: float

    @property
    def name(self) -> str:
        return f"pin:{self.ttl_s:g}"

    @property
    def in_words(self) -> str:
        return f"a session stays on its model for {self.ttl_s:g} s"

    def choose(self, course: Course, request: Request, tokens: int, rates: Rates) -> ModelId:
        return _kept(course, request, self.ttl_s)


@dataclass(frozen=True, slots=True)
class UserTurns:
    """Routing is listened to when a user speaks; what an agent does then stays with the same model."""

    ttl_s: float

    @property
    def name(self) -> str:
        return f"user-turns:{self.ttl_s:g}"

    @property
    def in_words(self) -> str:
        return f"only what a user says is decided; an agent's loop stays, for {self.ttl_s:g} s"

    def choose(self, course: Course, request: Request, tokens: int, rates: Rates) -> ModelId:
        if request.is_user_turn is not False:
            course.decided_at = request.at
            return request.candidate
        return _kept(course, request, self.ttl_s)


@dataclass(frozen=True, slots=True)
class Spend:
    """A routing budget: every request is decided, and changing models must be affordable."""

    budget: Budget

    @property
    def name(self) -> str:
        return f"budget:{self.budget.max_switch_spend_pct:g}"

    @property
    def in_words(self) -> str:
        return f"a change may cost {self.budget.max_switch_spend_pct:g} % of what never changing would have"

    def choose(self, course: Course, request: Request, tokens: int, rates: Rates) -> ModelId:
        """The same arithmetic as the gateway's, with the tokens of the log instead of an estimate."""
        verdict, model = None, request.candidate
        if course.anchor is not None:
            verdict = judge(
                self.budget,
                course.spending,
                rates,
                anchor=course.anchor,
                candidate=request.candidate,
                context=tokens,
                now=request.at,
            )
            if isinstance(verdict, Stay):
                model = course.anchor
        answered = Answered(model, request.at, request.body_bytes, tokens)
        course.spending = after(
            self.budget, course.spending, rates, anchor=course.anchor, judged=verdict, answered=answered
        )
        return model


def _kept(course: Course, request: Request, ttl_s: float) -> ModelId:
    if course.anchor is not None and request.at - course.decided_at < ttl_s:
        return course.anchor
    course.decided_at = request.at
    return request.candidate


# --- by name ---


@dataclass(frozen=True, slots=True)
class Defaults:
    """What a policy goes by where its name does not say; as configured, where something is."""

    ttl_s: float = DEFAULT_TTL_S
    budget: Budget = DEFAULT_BUDGET


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0 < seconds < 1e9:
        raise ValueError
    return seconds


def _budget(text: str, defaults: Defaults) -> Spend:
    pct = float(text) if text else defaults.budget.max_switch_spend_pct
    if not 0 <= pct <= 100:
        raise ValueError
    discount, replenish = defaults.budget.cache_read_discount, defaults.budget.replenish_on_rebind
    return Spend(Budget(pct, discount, replenish))


def _plain(policy: Policy, text: str) -> Policy:
    if text:
        raise ValueError
    return policy


_MADE: Final[Mapping[str, Callable[[str, Defaults], Policy]]] = {
    "logged": lambda text, _: _plain(Logged(), text),
    "redecide": lambda text, _: _plain(Redecide(), text),
    "pin": lambda text, defaults: Pin(_seconds(text) if text else defaults.ttl_s),
    "user-turns": lambda text, defaults: UserTurns(_seconds(text) if text else defaults.ttl_s),
    "budget": _budget,
}
EXPECTED: Final = "logged, redecide, pin[:SECONDS], user-turns[:SECONDS] or budget[:PERCENT]"


def policy_named(text: str, defaults: Defaults) -> Policy:
    """`pin:600`, `budget:5`. Raises ValueError for what is no policy."""
    kind, _, rest = text.partition(":")
    if kind not in _MADE:
        raise ValueError(f"expected {EXPECTED}; got {text[:40]!r}")
    try:
        return _MADE[kind](rest.removesuffix("%"), defaults)
    except ValueError as error:
        raise ValueError(f"expected {EXPECTED}; got {text[:40]!r}") from error


def default_policies(defaults: Defaults) -> tuple[Policy, ...]:
    """One of each kind that could be chosen, and budgets of nothing, of what is configured and of a fifth."""
    percentages = dict.fromkeys((0.0, defaults.budget.max_switch_spend_pct, 20.0))
    budgets = (_budget(f"{pct:g}", defaults) for pct in sorted(percentages))
    return (Redecide(), Pin(defaults.ttl_s), UserTurns(defaults.ttl_s), *budgets)
