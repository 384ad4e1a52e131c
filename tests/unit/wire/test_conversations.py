"""Requests of three dialects as one kind of conversation."""

from __future__ import annotations

import json
import re
from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plano.chat.conversation import Conversation, Turn
from plano.chat.dialect import Dialect
from plano.errors import InvalidJson, InvalidRequest, PlanoError
from plano.wire.dialects import DIALECTS
from plano.wire.turns import LARGE, LONGEST_TEXT, MOST_PARTS

CHAT, MESSAGES, RESPONSES = Dialect.OPENAI_CHAT, Dialect.ANTHROPIC_MESSAGES, Dialect.OPENAI_RESPONSES


def conversation(dialect: Dialect, body: object) -> Conversation:
    codec = DIALECTS[dialect]
    written = body if isinstance(body, bytes) else json.dumps(body).encode()
    return codec.conversation(codec.read_request(written))


def test_a_chat_is_read_turn_by_turn() -> None:
    """Parts joined, attachments noticed, tool output told apart from words."""
    talk = conversation(
        CHAT,
        {
            "messages": [
                {"role": "system", "content": "Be brief."},
                {"role": "developer", "content": [{"type": "text", "text": "Be kind."}]},
                {
                    "role": "user",
                    "content": [
                        {"type": "text", "text": "a"},
                        {"type": "image_url"},
                        {"type": "text", "text": "b"},
                    ],
                },
                {"role": "assistant", "content": None, "tool_calls": [{"id": "1"}]},
                {"role": "tool", "tool_call_id": "1", "content": "42"},
                {"role": "critic", "content": "x"},
            ],
            "tools": [
                {"type": "function", "function": {"name": "get_weather", "parameters": {}}},
                {"type": "custom", "custom": {"name": "grep"}},
            ],
        },
    )

    assert list(talk.turns) == [
        Turn("system", ("Be brief.",)),
        Turn("developer", ("Be kind.",)),
        Turn("user", ("a", "b"), has_attachment=True),
        Turn("assistant"),
        Turn("tool", has_tool_output=True),
        Turn("other", ("x",)),
    ]
    assert talk.turns[2].text == "a\nb"
    assert (talk.instructions(), talk.tool_names()) == (("Be brief.", "Be kind."), ("get_weather", "grep"))


def test_a_message_exchange_is_read_turn_by_turn() -> None:
    """Tool results travel in the user's messages; those of nothing else are the tool's."""
    talk = conversation(
        MESSAGES,
        {
            "system": [{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}}],
            "messages": [
                {"role": "user", "content": "weather?"},
                {
                    "role": "assistant",
                    "content": [{"type": "thinking", "thinking": "hm"}, {"type": "tool_use", "name": "w"}],
                },
                {
                    "role": "user",
                    "content": [{"type": "tool_result", "tool_use_id": "1", "content": "sunny"}],
                },
                {
                    "role": "user",
                    "content": [{"type": "tool_result", "content": []}, {"type": "text", "text": "and?"}],
                },
                {"role": "user", "content": [{"type": "document"}]},
            ],
            "tools": [
                {"name": "get_weather", "input_schema": {}},
                {"type": "web_search_20250305", "name": "web_search"},
            ],
        },
    )

    assert list(talk.turns) == [
        Turn("user", ("weather?",)),
        Turn("assistant"),
        Turn("tool", has_tool_output=True),
        Turn("user", ("and?",), has_tool_output=True),
        Turn("user", has_attachment=True),
    ]
    assert (talk.instructions(), talk.tool_names()) == (("Be brief.",), ("get_weather", "web_search"))


def test_a_responses_request_is_read_item_by_item() -> None:
    """Items that are no messages are the model's calls and thoughts, or what came of its calls."""
    talk = conversation(
        RESPONSES,
        {
            "instructions": "Be brief.",
            "input": [
                {"role": "developer", "content": "Be kind."},
                {
                    "type": "message",
                    "role": "user",
                    "content": [{"type": "input_text", "text": "hi"}, {"type": "input_image"}],
                },
                {"type": "reasoning", "summary": []},
                {"type": "function_call", "name": "f", "arguments": "{}"},
                {"type": "function_call_output", "call_id": "1", "output": "42"},
                {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "42"}]},
            ],
            "tools": [
                {"type": "function", "name": "f"},
                {"type": "web_search"},
                {"type": "mcp", "server_label": "docs"},
            ],
        },
    )

    assert list(talk.turns) == [
        Turn("developer", ("Be kind.",)),
        Turn("user", ("hi",), has_attachment=True),
        Turn("assistant"),
        Turn("assistant"),
        Turn("tool", has_tool_output=True),
        Turn("assistant", ("42",)),
    ]
    assert (talk.instructions(), talk.tool_names()) == (
        ("Be brief.", "Be kind."),
        ("f", "web_search", "docs"),
    )


def test_plain_input_is_one_turn_of_the_user() -> None:
    """The shortest request there is."""
    talk = conversation(RESPONSES, {"input": "hé\n"})

    assert (list(talk.turns), talk.instructions(), talk.tool_names()) == ([Turn("user", ("hé\n",))], (), ())


@pytest.mark.parametrize("dialect", list(Dialect))
@pytest.mark.parametrize(
    "body", [b"{}", b'{"messages":null,"input":null,"tools":null,"system":null,"instructions":null}']
)
def test_nothing_said_is_an_empty_conversation(dialect: Dialect, body: bytes) -> None:
    """What is missing is the provider's to complain of."""
    talk = conversation(dialect, body)

    assert (list(talk.turns), talk.instructions(), talk.tool_names()) == ([], (), ())


def test_only_what_is_looked_at_is_read() -> None:
    """Routing reads the newest turns; a long history costs it nothing."""
    talk = conversation(CHAT, b'{"messages":[{"role":1},{"role":"user","content":"hi"}]}')

    assert (len(talk.turns), talk.turns[-1], talk.turns[1:]) == (
        2,
        Turn("user", ("hi",)),
        [Turn("user", ("hi",))],
    )
    with pytest.raises(InvalidRequest):
        talk.turns[0]
    with pytest.raises(IndexError):
        talk.turns[2]


def test_a_turn_is_read_once() -> None:
    """Steps of the ladder look at the same turns."""
    talk = conversation(CHAT, {"messages": [{"role": "user", "content": "hi"}]})

    assert talk.turns[0] is talk.turns[-1]


@pytest.mark.parametrize(
    ("dialect", "body", "code", "param"),
    [
        (CHAT, b'{"messages":[1]}', "invalid_request", "messages[0]"),
        (CHAT, b'{"messages":[{"role":"user"},{}]}', "invalid_request", "messages[1].role"),
        (CHAT, b'{"messages":[{"role":7}]}', "invalid_request", "messages[0].role"),
        (CHAT, b'{"messages":[{"role":"user","content":7}]}', "invalid_request", "messages[0].content"),
        (
            CHAT,
            b'{"messages":[{"role":"user","content":["x"]}]}',
            "invalid_request",
            "messages[0].content[0]",
        ),
        (
            CHAT,
            b'{"messages":[{"role":"user","content":[{"type":"text","text":1}]}]}',
            "invalid_request",
            "messages[0].content[0].text",
        ),
        (CHAT, b'{"messages":[{"role":"user","role":"system"}]}', "invalid_json", "messages[0].role"),
        (
            CHAT,
            b'{"messages":[{"role":"user","content":[{"type":"text","text":"a","text":"b"}]}]}',
            "invalid_json",
            "messages[0].content[0].text",
        ),
        (MESSAGES, b'{"system":[{"text":"a","t\\u0065xt":"b"}]}', "invalid_json", "system[0].text"),
        (RESPONSES, b'{"input":[{"type":1}]}', "invalid_request", "input[0].type"),
        (RESPONSES, b'{"tools":[1]}', "invalid_request", "tools[0]"),
        (
            CHAT,
            b'{"tools":[{"type":"function","function":{"name":1}}]}',
            "invalid_request",
            "tools[0].function.name",
        ),
    ],
)
def test_what_is_wrong_is_named_by_its_path(dialect: Dialect, body: bytes, code: str, param: str) -> None:
    """A list of two hundred messages is no place to search by hand; what is read has no doubled keys."""
    talk = conversation(dialect, body)

    with pytest.raises(PlanoError) as caught:
        [*talk.turns, *talk.instructions(), *talk.tool_names()]

    assert (caught.value.code, caught.value.param) == (code, param)
    assert isinstance(caught.value, InvalidRequest | InvalidJson)


def test_the_newest_turns_come_first() -> None:
    """The same turns as in order, and only those that are asked for are read."""
    talk = conversation(
        MESSAGES, {"messages": [{"role": 7}, *({"role": "user", "content": str(at)} for at in range(5000))]}
    )

    found = [message.read() for message in islice(talk.newest_first(), 5000)]

    assert found == [Turn("user", (str(at),)) for at in reversed(range(5000))]


@pytest.mark.parametrize(
    ("message", "may_be"),
    [
        ({"role": "user", "content": "hi"}, True),
        ({"role": "assistant", "content": 'the "user" said so'}, False),
        ({"role": "tool", "content": "the user"}, False),
        ({"role": "assistant", "content": [{"type": "user"}]}, True),
    ],
)
def test_whose_a_message_surely_is_not_is_known_without_reading_it(
    message: dict[str, object], may_be: bool
) -> None:
    """An agent's loop has a thousand messages of others behind the user's words."""
    (found,) = conversation(CHAT, {"messages": [message]}).newest_first()

    assert found.may_be_users() is may_be


def test_plain_input_is_the_newest_turn_too() -> None:
    """The shortest request there is."""
    (found,) = conversation(RESPONSES, {"input": "hi"}).newest_first()

    assert (found.may_be_users(), found.read()) == (True, Turn("user", ("hi",)))


def test_a_place_is_counted_from_the_first_message_also_when_read_from_the_last() -> None:
    """Who is told has the list before them as they sent it."""
    body = {
        "messages": [{"role": "user"}] * 9000 + [{"role": "user", "content": 7}] + [{"role": "user"}] * 99
    }

    with pytest.raises(InvalidRequest) as caught:
        [message.read() for message in conversation(CHAT, body).newest_first()]

    assert caught.value.param == "messages[9000].content"


def test_of_a_very_long_text_the_ends_are_read() -> None:
    """No router looks at more, and a text of wide characters takes four times its size."""
    text = "begin 😀 " + "é\\\n\u0001 " * LONGEST_TEXT + " end"

    (turn,) = conversation(CHAT, {"messages": [{"role": "user", "content": text}]}).turns

    head, mark, tail = turn.text.partition("…")
    assert (text.startswith(head), mark, text.endswith(tail)) == (True, "…", True)
    assert (len(head) > LONGEST_TEXT // 8, len(tail) > LONGEST_TEXT // 16) == (True, True)


@pytest.mark.parametrize("unit", ["\\", '"', "é", "中", "😀", "0", "\u0001", 'aé中😀\\" \n'], ids=ascii)
@pytest.mark.parametrize("ascii_only", [True, False])
def test_a_long_text_is_cut_between_its_characters(unit: str, ascii_only: bool) -> None:
    """Half an escape could not be decoded, half a character not be encoded."""
    text = unit * (LONGEST_TEXT // len(unit) + 5000)
    body = json.dumps({"messages": [{"role": "user", "content": text}]}, ensure_ascii=ascii_only).encode()

    (turn,) = conversation(CHAT, body).turns

    head, _, tail = turn.text.partition("…")
    assert (text.startswith(head), text.endswith(tail)) == (True, True)


def test_of_very_many_parts_the_first_and_the_last_are_read() -> None:
    """Each costs some microseconds, and a body has room for a million."""
    parts = [{"type": "text", "text": str(at)} for at in range(MOST_PARTS * 4)]

    (turn,) = conversation(CHAT, {"messages": [{"role": "user", "content": parts}]}).turns

    assert (len(turn.texts), turn.texts[0], turn.texts[-1]) == (MOST_PARTS, "0", str(MOST_PARTS * 4 - 1))


def test_a_large_message_is_read_as_a_small_one_is() -> None:
    """An attachment may be twenty megabytes; what stands beside it is what counts."""
    image = {"type": "image_url", "image_url": {"url": "data:;base64," + "A" * LARGE}}
    message = {"role": "user", "content": [image, {"type": "text", "text": "what is it?"}]}

    talk = conversation(CHAT, {"messages": [message]})

    assert list(talk.turns) == [Turn("user", ("what is it?",), has_attachment=True)]


@pytest.mark.parametrize(
    ("body", "code", "param"),
    [
        ('{"messages":[{"role":"user","x":"%s","role":"user"}]}', "invalid_json", "messages[0].role"),
        ('{"messages":[["%s"]]}', "invalid_request", "messages[0]"),
        ('{"messages":[{"role":"user","content":["%s"]}]}', "invalid_request", "messages[0].content[0]"),
        ('{"messages":[{"role":"%s",' + ",".join(f'"{at}":0' for at in range(1001)) + "}]}", "invalid_json",
         "messages[0]"),
    ],
    ids=["a doubled key", "no object", "a part that is none", "too many members"],
)  # fmt: skip
def test_what_is_wrong_with_a_large_message_is_named_too(body: str, code: str, param: str) -> None:
    """It is looked into in another way, to the same end."""
    talk = conversation(CHAT, (body % ("A" * LARGE)).encode())

    with pytest.raises(PlanoError) as caught:
        list(talk.turns)

    assert (caught.value.code, caught.value.param) == (code, param)


_WORDS = st.sampled_from(
    [
        "role",
        "content",
        "type",
        "text",
        "name",
        "function",
        "user",
        "assistant",
        "tool_result",
        "input_text",
        "a",
    ]
)
_ANYTHING = st.recursive(
    _WORDS | st.none() | st.booleans() | st.integers() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_WORDS, inner, max_size=4),
    max_leaves=15,
)


def read_everything(dialect: Dialect, body: object) -> str:
    """The place at fault, or nothing; any other exception is the test's failure."""
    try:
        talk = conversation(dialect, body)
        [message.read() for message in talk.newest_first()]
        [*talk.turns, *talk.instructions(), *talk.tool_names()]
    except (InvalidRequest, InvalidJson) as refused:
        return refused.param or ""
    return ""


@given(
    st.sampled_from(list(Dialect)),
    st.dictionaries(
        st.sampled_from(["messages", "input", "system", "instructions", "tools"]), _ANYTHING, max_size=5
    ),
)
def test_any_document_is_read_or_refused_with_its_place(dialect: Dialect, body: dict[str, object]) -> None:
    """A client's mistake is told as one; it is never a defect of the gateway."""
    place = read_everything(dialect, body)

    assert place == "" or re.split(r"[.\[]", place)[0] in body
