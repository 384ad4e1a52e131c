"""Which session a request belongs to: by the id its client gave, or by how the conversation began."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import msgspec

from plano.chat.conversation import Conversation
from plano.exchange.ports import Aside
from plano.routing.affinity import session_key
from plano.routing.budget import Budget
from plano.routing.reading import is_user_turn
from plano.routing.session import Session

if TYPE_CHECKING:
    from plano.routing.implicit_session import Beginning, ImplicitSessions


LARGE_BYTES = 256 * 1024
"""Of a body: every turn has to be looked at for instructions, at some 5 µs each, and the event loop has no
time for a thousand of them."""


class Claim(msgspec.Struct, frozen=True):
    """What the head of a request says about its session."""

    session_id: str | None
    """As `X-Model-Affinity` has it; None: a session is known by how it began."""
    tenant: str | None
    """None where no tenant header is configured."""
    max_switch_spend_pct: float | None = None
    """What this request says about the cost of changing models; None: as configured."""


@dataclass(frozen=True, slots=True)
class SessionRules:
    """How sessions are kept, as configured."""

    ttl_s: float
    by_user_turn: bool = False
    """A new turn of the user's is decided anew, and what an agent does about it follows."""
    implicit_stays: bool = False
    """A session that nobody named stays on its model as a named one does."""
    implicit_ttl_s: float | None = None
    """For such a session; None: as for the others."""
    are_logged: bool = False
    """Whose turn a request is, is written down of named sessions too."""
    records_counterfactual: bool = False
    """What the budget did not allow is written down."""
    budget: Budget | None = None
    """Changing models is judged by what it costs; None: only for requests that ask for it."""

    @property
    def are_implicit(self) -> bool:
        """Whether there are sessions that nobody named."""
        return self.by_user_turn or self.implicit_stays or self.budget is not None


class SessionFinder:
    """Tells sessions apart; remembers how those it has seen lately began."""

    def __init__(self, rules: SessionRules, *, aside: Aside) -> None:
        self.rules = rules
        self._aside = aside
        self._known: ImplicitSessions | None = None

    async def find(
        self, claim: Claim, body_bytes: int, conversation: Callable[[], Conversation]
    ) -> Session | None:
        """The session; None for a request that stands alone. Raises what reading the conversation raises."""
        rules = self.rules
        budget = self._budget(claim)
        if claim.session_id is not None:
            asks_for_budget = claim.max_switch_spend_pct is not None
            return Session(
                claim.session_id,
                session_key(claim.tenant, claim.session_id),
                stays=not asks_for_budget,
                ttl_s=rules.ttl_s,
                is_user_turn=_ends_with_the_user(conversation()) if rules.are_logged else None,
                budget=budget if asks_for_budget else None,
                body_bytes=body_bytes,
                records_counterfactual=rules.records_counterfactual,
            )
        if not rules.are_implicit and budget is None:
            return None
        spoken = conversation()
        session_id = await self._implicit(claim.tenant, spoken, body_bytes)
        if session_id is None:
            return None
        return Session(
            session_id,
            session_key(claim.tenant, session_id),
            stays=rules.implicit_stays and budget is None,
            ttl_s=rules.implicit_ttl_s or rules.ttl_s,
            is_user_turn=_ends_with_the_user(spoken),
            by_user_turn=rules.by_user_turn,
            budget=budget,
            body_bytes=body_bytes,
            records_counterfactual=rules.records_counterfactual,
        )

    def _budget(self, claim: Claim) -> Budget | None:
        pct = claim.max_switch_spend_pct
        if pct is None:
            return self.rules.budget
        return replace(self.rules.budget or Budget(pct), max_switch_spend_pct=pct)

    async def _implicit(self, tenant: str | None, spoken: Conversation, body_bytes: int) -> str | None:
        """None where the user has said nothing that the session could be known by."""
        from plano.routing import implicit_session as implicit  # noqa: PLC0415 - loads 80 ms of arithmetic

        def read() -> Beginning | None:
            first = next((turn.text for turn in spoken.turns if turn.role == "user" and turn.text), None)
            if first is None:
                return None
            return implicit.beginning_of(tenant, spoken.instructions(), spoken.tool_names(), first)

        beginning = read() if body_bytes < LARGE_BYTES else await self._aside(read)
        if beginning is None:
            return None
        if self._known is None:
            self._known = implicit.ImplicitSessions()
        known = self._known.known(beginning)
        if known is not None:
            return known
        if beginning.is_large:
            found = await self._aside(lambda: implicit.implicit_session(beginning))
        else:
            found = implicit.implicit_session(beginning)
        return self._known.learn(beginning, found)


def _ends_with_the_user(spoken: Conversation) -> bool:
    """Whether the last message is the user's and says or shows something: tool output and what agents write
    in the user's name do not."""
    last = next(spoken.newest_first(), None)
    return last is not None and last.may_be_users() and is_user_turn(last.read())
