"""What a router reads of a conversation: enough, of the right speakers, and no more than its budget."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plano.chat.conversation import Conversation, Message, ReadMessage, Role, Turn
from plano.chat.dialect import Dialect
from plano.errors import InvalidRequest
from plano.routing.reading import (
    BYTES_A_TOKEN,
    MARK,
    MOST_PASSED,
    MOST_READ,
    MOST_UTTERANCES,
    is_user_turn,
    read,
)
from plano.routing.utterance import Utterance
from plano.wire.dialects import DIALECTS

REMINDER = "<system-reminder>\nYour todo list is empty.\n</system-reminder>"
PLENTY = 8192


def turn(role: Role, *texts: str, attachment: bool = False) -> Turn:
    return Turn(role, texts, has_attachment=attachment)


def said(*turns: Turn, budget_tokens: int = PLENTY) -> list[tuple[str, str]]:
    return [(each.speaker, each.text) for each in read(Conversation(turns), budget_tokens=budget_tokens)]


def user(text: str) -> Utterance:
    return Utterance("user", text)


def test_only_user_and_assistant_are_read() -> None:
    """A router that read system prompts would route every request of an agent alike."""
    found = said(
        turn("system", "s"),
        turn("developer", "d"),
        turn("user", "a"),
        turn("assistant", "b"),
        turn("tool"),
        turn("other", "x"),
        turn("user", "c", "d"),
    )

    assert found == [("user", "a"), ("assistant", "b"), ("user", "c\nd")]


def test_turns_without_words_are_dropped() -> None:
    """An image, a call of a tool, a reminder: nothing to route by."""
    found = said(
        turn("user", "a"),
        turn("assistant"),
        turn("assistant", " \n"),
        turn("user", attachment=True),
        turn("user", REMINDER),
        turn("user", REMINDER, "b"),
    )

    assert found == [("user", "a"), ("user", "b")]


def test_the_users_latest_words_decide_in_the_middle_of_an_agents_loop() -> None:
    """What the agent has done since is no other request."""
    found = said(
        turn("user", "fix it"),
        turn("assistant", "I look at the files."),
        turn("tool"),
        turn("user", REMINDER),
        turn("assistant", "Now the tests."),
        turn("tool"),
    )

    assert found == [("user", "fix it")]


def test_an_answer_that_was_begun_for_the_model_is_not_read() -> None:
    """It says how the answer shall begin; a router is asked about the user's words before it."""
    assert said(turn("user", "a sum"), turn("assistant", "The sum is")) == [("user", "a sum")]


def test_the_words_of_an_assistant_are_left_as_they_are() -> None:
    """No agent wraps those."""
    assert said(turn("user", "a"), turn("assistant", REMINDER), turn("user", "b"))[1] == (
        "assistant",
        REMINDER,
    )


@pytest.mark.parametrize(
    "turns", [(), (turn("assistant", "hi"),), (turn("system", "s"),), (turn("user", REMINDER),)]
)
def test_without_words_of_the_user_there_is_nothing_to_read(turns: tuple[Turn, ...]) -> None:
    """The step then abstains and says so."""
    assert said(*turns) == []


def test_no_more_than_the_last_sixteen_utterances_are_read() -> None:
    """What was talked about an hour ago is not what is wanted now."""
    found = said(*(turn("user" if at % 2 else "assistant", str(at)) for at in range(40)))

    assert [text for _, text in found] == [str(at) for at in range(40 - MOST_UTTERANCES, 40)]


def test_the_budget_is_spent_from_the_newest_back() -> None:
    """An older turn that does not fit ends the reading, so that no turn is missing in between."""
    found = said(turn("user", "a"), turn("assistant", "b" * 10), turn("user", "c" * 8), budget_tokens=4)

    assert found == [("user", "c" * 8)]


def test_a_latest_turn_that_is_too_long_keeps_its_beginning_and_its_end() -> None:
    """People say what it is about, paste, and ask at the end."""
    found = said(turn("user", "0123456789" * 4), budget_tokens=23 // BYTES_A_TOKEN + 1)

    assert found == [("user", "012345678901" + MARK + "123456789")]


_ROLES: st.SearchStrategy[Role] = st.sampled_from(["user", "assistant", "tool", "system"])
_TURNS = st.lists(st.builds(Turn, _ROLES, st.lists(st.text(max_size=40), max_size=3).map(tuple)), max_size=30)


@given(_TURNS, st.integers(1, 60))
def test_what_is_read_fits_is_in_order_and_ends_with_the_user(turns: list[Turn], budget: int) -> None:
    """The promises that every router relies on."""
    found = read(Conversation(turns), budget_tokens=budget)

    assert len(found) <= MOST_UTTERANCES
    assert sum(len(each.text.encode()) for each in found) <= budget * BYTES_A_TOKEN
    assert all(each.text for each in found)
    if found:
        assert found[-1].speaker == "user"
        ends = [part for each in found for part in each.text.split(MARK)]
        said_in_order = iter("".join(each.text for each in turns))
        assert all(letter in said_in_order for letter in "".join(ends))


@given(st.text(min_size=1, alphabet=st.sampled_from("aé€😀")), st.integers(1, 12))
def test_no_character_is_ever_split(text: str, budget: int) -> None:
    """Half a character is none; the text must come through any encoder."""
    (found,) = read(Conversation([turn("user", text)]), budget_tokens=budget)

    head, mark, tail = found.text.partition(MARK)
    is_cut = len(text.encode()) > budget * BYTES_A_TOKEN
    assert (text.startswith(head), text.endswith(tail), bool(mark)) == (True, True, is_cut)


def in_chat(turns: Sequence[tuple[str, str]]) -> tuple[Dialect, object]:
    messages: list[dict[str, object]] = []
    for speaker, text in turns:
        if speaker == "tool":
            messages.append({"role": "assistant", "content": None, "tool_calls": [{"id": "1"}]})
            messages.append({"role": "tool", "tool_call_id": "1", "content": text})
        else:
            messages.append({"role": speaker, "content": text})
    return Dialect.OPENAI_CHAT, {"messages": messages}


def in_messages(turns: Sequence[tuple[str, str]]) -> tuple[Dialect, object]:
    messages: list[dict[str, object]] = []
    for speaker, text in turns:
        if speaker == "tool":
            messages.append({"role": "assistant", "content": [{"type": "tool_use", "id": "1", "input": {}}]})
            messages.append({"role": "user", "content": [{"type": "tool_result", "content": text}]})
        elif speaker != "system":
            messages.append({"role": speaker, "content": [{"type": "text", "text": text}]})
    return Dialect.ANTHROPIC_MESSAGES, {"system": "s", "messages": messages}


def in_responses(turns: Sequence[tuple[str, str]]) -> tuple[Dialect, object]:
    items: list[dict[str, object]] = []
    for speaker, text in turns:
        if speaker == "tool":
            items.append({"type": "function_call", "name": "f", "arguments": "{}", "call_id": "1"})
            items.append({"type": "function_call_output", "call_id": "1", "output": text})
        else:
            kind = "output_text" if speaker == "assistant" else "input_text"
            items.append({"type": "message", "role": speaker, "content": [{"type": kind, "text": text}]})
    return Dialect.OPENAI_RESPONSES, {"instructions": "s", "input": items}


def read_from(dialect: Dialect, body: object, budget_tokens: int = PLENTY) -> tuple[Utterance, ...]:
    codec = DIALECTS[dialect]
    return read(
        codec.conversation(codec.read_request(json.dumps(body).encode())), budget_tokens=budget_tokens
    )


_SAID = st.tuples(
    st.sampled_from(["user", "assistant", "tool", "system"]),
    st.one_of(st.text(max_size=12), st.just(REMINDER), st.just(f"{REMINDER}\nand?")),
)


@given(st.lists(_SAID, max_size=12), st.integers(1, 20))
def test_one_conversation_reads_alike_in_every_dialect(turns: list[tuple[str, str]], budget: int) -> None:
    """Which client somebody uses is no kind of work."""
    chat, messages, responses = (
        read_from(*written(turns), budget) for written in (in_chat, in_messages, in_responses)
    )

    assert chat == messages == responses


class Counting:
    """Messages that count how many of them were looked at, and how many read."""

    def __init__(self, turns: Sequence[Turn]) -> None:
        self._turns = turns
        self.passed = 0
        self.read = 0

    def newest_first(self) -> Iterator[Message]:
        for each in reversed(self._turns):
            self.passed += 1
            yield CountedMessage(self, ReadMessage(each))

    def conversation(self) -> Conversation:
        return Conversation(self._turns, newest_first=self.newest_first)


class CountedMessage:
    def __init__(self, counting: Counting, message: ReadMessage) -> None:
        self._counting = counting
        self._message = message

    def may_be_users(self) -> bool:
        return self._message.may_be_users()

    def read(self) -> Turn:
        self._counting.read += 1
        return self._message.read()


def counts(*turns: Turn, budget_tokens: int = PLENTY) -> tuple[int, int]:
    counting = Counting(turns)
    read(counting.conversation(), budget_tokens=budget_tokens)
    return counting.passed, counting.read


def test_a_long_history_costs_only_its_end() -> None:
    """Every step of an agent's loop sends all that went before."""
    talk = [turn("user" if at % 2 else "assistant", "word") for at in range(2000)]

    assert (counts(*talk), counts(*talk, budget_tokens=2)) == ((16, 16), (3, 3))


def test_the_agents_own_steps_are_passed_over_unread() -> None:
    """The user's words may be a thousand steps back."""
    steps = [turn("assistant", "next"), turn("tool")] * 1000

    assert counts(turn("user", "a"), *steps) == (2001, 1)


def test_the_search_for_the_users_words_has_an_end() -> None:
    """A hundred thousand messages of nobody must not hold up everyone else."""
    assert (counts(*[turn("tool")] * 6000), counts(*[turn("user")] * 2000)) == (
        (MOST_PASSED, 0),
        (MOST_READ + 1, MOST_READ),
    )


def test_only_what_is_looked_at_can_be_refused() -> None:
    """A message that no router reads is the provider's to complain of; one that is read has a place."""
    broken = {"role": 7}
    talk = [broken, *({"role": "user", "content": "a"} for _ in range(MOST_UTTERANCES))]

    assert len(read_from(Dialect.OPENAI_CHAT, {"messages": talk})) == MOST_UTTERANCES
    with pytest.raises(InvalidRequest) as caught:
        read_from(Dialect.OPENAI_CHAT, {"messages": talk[:3]})
    assert caught.value.param == "messages[0].role"


@pytest.mark.parametrize(
    ("spoken", "is_one"),
    [
        (turn("user", "and now?"), True),
        (turn("user", REMINDER), False),
        (turn("user", REMINDER, "and now?"), True),
        (turn("user", REMINDER, attachment=True), True),
        (turn("user"), False),
        (turn("tool"), False),
        (turn("assistant", "hi"), False),
    ],
)
def test_a_turn_of_the_user_has_words_or_an_attachment(spoken: Turn, is_one: bool) -> None:
    """What else comes under the user's role is an agent going on with its work."""
    assert is_user_turn(spoken) is is_one
