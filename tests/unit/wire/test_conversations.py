"""Requests of three dialects as one kind of conversation."""

from __future__ import annotations

import json

import pytest

from plano.chat.conversation import Conversation, Turn
from plano.chat.dialect import Dialect
from plano.errors import InvalidJson, InvalidRequest, PlanoError
from plano.wire.dialects import DIALECTS

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
