"""Which session a request belongs to."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import pytest

from plano.chat.conversation import Conversation, Turn
from plano.exchange.sessions import Claim, SessionFinder, SessionRules
from plano.routing.budget import Budget
from plano.routing.implicit_session import LARGE_BYTES
from plano.routing.session import Session

T = TypeVar("T")
BY_TURN = SessionRules(600.0, by_user_turn=True)
USER = Turn("user", ("hello",))


def spoken(*turns: Turn, tools: tuple[str, ...] = ()) -> Callable[[], Conversation]:
    return lambda: Conversation(turns, tool_names=lambda: tools)


class Aside:
    """Runs at once, and counts."""

    def __init__(self) -> None:
        self.count = 0

    async def __call__(self, work: Callable[[], T], /) -> T:
        self.count += 1
        return work()


async def found(
    claim: Claim, rules: SessionRules, conversation: Callable[[], Conversation]
) -> Session | None:
    return await SessionFinder(rules, aside=Aside()).find(claim, 99, conversation)


def never() -> Conversation:
    raise AssertionError("the conversation is not to be read")


async def test_a_named_session_reads_no_conversation() -> None:
    """Its id is all there is to know."""
    session = await found(Claim("s-1", "acme"), BY_TURN, never)

    assert session == Session("s-1", "plano:affinity:acme:s-1", stays=True, ttl_s=600.0, body_bytes=99)


async def test_where_nobody_is_known_by_their_beginning_a_request_stands_alone() -> None:
    """Without a header, every request is decided afresh."""
    assert await found(Claim(None, None), SessionRules(600.0), never) is None


@pytest.mark.parametrize(
    ("tenant", "turns", "tools", "digits"),
    [
        (None, (Turn("system", ("s",)), Turn("user", ("u",))), (), "0f3606ae945d0841"),
        (None, (Turn("system", ("s",)), Turn("user", ("u",))), ("get_weather",), "d3f22a8e83bdf204"),
        ("acme", (Turn("system", ("s",)), Turn("user", ("u",))), (), "52c40c0e6600d2bf"),
        (None, (USER,), (), "b4076d4c86272865"),
    ],
)
async def test_a_beginning_is_known_as_the_original_knows_it(
    tenant: str | None, turns: tuple[Turn, ...], tools: tuple[str, ...], digits: str
) -> None:
    """Replicas of both may share one Redis."""
    session = await found(Claim(None, tenant), BY_TURN, spoken(*turns, tools=tools))

    assert session is not None
    assert session.id == f"implicit:{digits}"


async def test_what_comes_later_changes_nothing() -> None:
    """A conversation grows at its end."""
    later = (Turn("assistant", ("hi",)), Turn("tool", has_tool_output=True), Turn("user", ("and now?",)))

    begun = await found(Claim(None, None), BY_TURN, spoken(USER))
    grown = await found(Claim(None, None), BY_TURN, spoken(USER, *later))

    assert begun is not None
    assert grown is not None
    assert begun.id == grown.id


async def test_without_words_of_the_user_there_is_nothing_to_be_known_by() -> None:
    """All such requests would be one session."""
    picture = Turn("user", has_attachment=True)

    assert await found(Claim(None, None), BY_TURN, spoken(Turn("system", ("s",)), picture)) is None


@pytest.mark.parametrize(
    ("last", "is_user_turn"),
    [
        pytest.param(Turn("user", ("and now?",)), True, id="words"),
        pytest.param(Turn("user", has_attachment=True), True, id="a picture"),
        pytest.param(Turn("user", ("go on",), has_tool_output=True), True, id="words beside tool output"),
        pytest.param(Turn("tool", has_tool_output=True), False, id="tool output"),
        pytest.param(Turn("assistant", ("I will",)), False, id="the assistant"),
        pytest.param(Turn("user", ("<system-reminder>x</system-reminder>",)), False, id="a reminder"),
        pytest.param(Turn("user", ("  \n",)), False, id="nothing"),
    ],
)
async def test_a_turn_is_the_users_when_the_last_message_says_something(
    last: Turn, is_user_turn: bool
) -> None:
    """What agents write in the user's name is not what the user asks for."""
    session = await found(Claim(None, None), BY_TURN, spoken(USER, last))

    assert session is not None
    assert session.is_user_turn is is_user_turn


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        pytest.param(BY_TURN, (False, 600.0), id="by user turn"),
        pytest.param(SessionRules(600.0, implicit_stays=True), (True, 600.0), id="by prompt cache"),
        pytest.param(
            SessionRules(600.0, implicit_stays=True, implicit_ttl_s=60.0), (True, 60.0), id="of its own time"
        ),
        pytest.param(SessionRules(600.0, budget=Budget(5.0)), (False, 600.0), id="by budget"),
    ],
)
async def test_rules_say_what_a_session_is_held_to(rules: SessionRules, expected: tuple[bool, float]) -> None:
    """Whether it stays, and for how long."""
    session = await found(Claim(None, None), rules, spoken(USER))

    assert session is not None
    assert (session.stays, session.ttl_s) == expected


async def test_a_long_beginning_is_hashed_aside_and_once() -> None:
    """A system prompt of a megabyte takes 8 ms, which the loop does not have."""
    aside = Aside()
    finder = SessionFinder(BY_TURN, aside=aside)
    conversation = spoken(Turn("system", ("s" * (LARGE_BYTES + 1),)), USER)

    first = await finder.find(Claim(None, None), 99, conversation)
    again = await finder.find(Claim(None, None), 99, conversation)

    assert (first == again, aside.count) == (True, 1)
