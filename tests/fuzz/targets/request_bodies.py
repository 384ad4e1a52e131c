"""What clients ask, in three dialects, and the routes that they bring."""

from __future__ import annotations

import json
import re
from functools import partial

import msgspec

from plano.catalog.build import build
from plano.catalog.catalog import Found
from plano.catalog.inline import KEY
from plano.catalog.linking import declared
from plano.chat.conversation import Conversation
from plano.chat.dialect import Dialect
from plano.config.configuration import Configuration, ProviderRow
from plano.errors import InvalidJson, InvalidRequest, PlanoError
from plano.routing.affinity import is_session_id
from plano.routing.implicit_session import beginning_of, implicit_session
from plano.routing.inline import InlineRoutes
from plano.routing.reading import BYTES_A_TOKEN, MOST_UTTERANCES, is_user_turn
from plano.routing.reading import read as read_utterances
from plano.wire.dialects import DIALECTS, Codec
from plano.wire.malformed import NESTING_LIMIT
from plano.wire.splice import Head
from tests.fuzz.target import Target

Pairs = list[tuple[str, object]]
BUDGET_TOKENS = 16
"""So small that trimming is what mostly happens."""


class _Object(tuple[tuple[str, object], ...]):
    """A JSON object as it is written: pairs in order, doubled keys and all."""

    __slots__ = ()


def check_request(dialect: Dialect, data: bytes) -> None:
    """A body is refused with a 400 that names the place, or is sent on the same but for the model."""
    codec = DIALECTS[dialect]
    try:
        head = codec.read_request(data)
    except (InvalidJson, InvalidRequest) as problem:
        _check_refusal(codec, problem)
        return
    document = pairs_of(data)
    members = dict(document)
    assert len(members) == len(document)
    assert _depth(members) <= NESTING_LIMIT
    assert members.get("model") == head.model
    assert head.choices >= 1
    for name in ("openai/gpt-5", 'a"\\\u00e9\U0001f600', head.model or ""):
        _check_splice(head, document, name)
    needs = codec.needs(head, True, 1000)
    assert 0 <= needs.tokens <= len(data)
    try:
        check_conversation(codec.conversation(head))
    except (InvalidJson, InvalidRequest) as problem:
        _check_refusal(codec, problem)
        assert problem.param is not None
        assert re.split(r"[.\[]", problem.param)[0] in members


def _check_refusal(codec: Codec, problem: PlanoError) -> None:
    assert problem.status == 400
    assert problem.message.isprintable()
    assert isinstance(json.loads(codec.render_error(problem, "an-id")), dict)


def _check_splice(head: Head, document: Pairs, name: str) -> None:
    pieces, size = head.routed_to(name)
    sent = b"".join(pieces)
    expected = [(key, name if key == "model" else value) for key, value in document if key != KEY]
    if not any(key == "model" for key, _ in document):
        expected.insert(0, ("model", name))
    assert (len(sent), pairs_of(sent)) == (size, expected)
    if name == head.model and len(expected) == len(document):
        assert sent == head.body


def check_conversation(conversation: Conversation) -> None:
    """Read from its end it is the same as from its beginning, and a router sees no more than it may."""
    utterances = read_utterances(conversation, budget_tokens=BUDGET_TOKENS)
    size = sum(len(each.text.encode()) for each in utterances)
    assert len(utterances) <= MOST_UTTERANCES
    assert size <= BUDGET_TOKENS * BYTES_A_TOKEN
    assert not utterances or utterances[-1].speaker == "user"
    turns = list(conversation.turns)
    assert [message.read() for message in conversation.newest_first()] == turns[::-1]
    assert all(
        message.may_be_users() for message in conversation.newest_first() if is_user_turn(message.read())
    )
    first = next((turn.text for turn in turns if turn.role == "user"), "")
    beginning = beginning_of(None, conversation.instructions(), conversation.tool_names(), first)
    assert is_session_id(implicit_session(beginning))


def pairs_of(data: bytes) -> Pairs:
    """By Python's own reader; numbers as they are written."""
    document = json.loads(
        data.decode(),
        object_pairs_hook=_Object,
        parse_int=lambda digits: ("number", digits),
        parse_float=lambda digits: ("number", digits),
    )
    assert isinstance(document, _Object)
    return list(document)


def _depth(value: object) -> int:
    match value:
        case dict() | _Object():
            members = value.items() if isinstance(value, dict) else value
            return 1 + max((_depth(each) for _, each in members), default=0)
        case list():
            return 1 + max(map(_depth, value), default=0)
        case _:
            return 0


# --- routes that a request brings ---

ROWS = ("openai/gpt-5", "groq/gpt-oss-120b", "together_ai/gpt-oss-120b", "anthropic/*")
NAMES = build(
    Configuration(
        "x",
        providers=tuple(ProviderRow(name, name, ("model_providers", at)) for at, name in enumerate(ROWS)),
        aliases={"fast": "openai/gpt-5", "*": "openai/gpt-5"},
    )
)
DECLARED = declared(NAMES)


def check_inline_routes(data: bytes) -> None:
    """Routes are those that the request wrote, each with candidates that are declared; or the refusal says
    where it is wrong."""
    codec = DIALECTS[Dialect.OPENAI_CHAT]
    try:
        head = codec.read_request(b'{"%b":%b}' % (KEY.encode(), data))
    except PlanoError:
        return
    raw = head.raw(KEY) or msgspec.Raw(b"null")
    inline = InlineRoutes(NAMES)
    try:
        routes = inline.read(raw)
    except InvalidRequest as problem:
        _check_refusal(codec, problem)
        assert (problem.param or "").startswith(KEY)
        return
    if routes is None:
        assert bytes(raw) == b"null"
        return
    written = json.loads(bytes(raw))
    assert [route.name for route in routes] == [each["name"] for each in written]
    assert len({route.name for route in routes}) == len(routes)
    for route in routes:
        assert route.name.isprintable()
        assert route.candidates
        for found in route.candidates:
            again = DECLARED.find(found.id)
            assert isinstance(again, Found)
            assert (again.id, again.model) == (found.id, found.model)
    assert inline.read(raw) is routes
    assert len(routes.key) == 16


# --- what fuzzing begins with ---


def written(document: object) -> bytes:
    return json.dumps(document).encode()


IMAGE = {"type": "image_url", "image_url": {"url": "data:,"}}
TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}
ROUTE = {
    "name": "code",
    "description": "writing code",
    "models": ["fast", "openai/gpt-5"],
    "examples": ["fix it"],
}
CHATS = (
    {"model": "gpt-5", "stream": True, "n": 2, "messages": [{"role": "user", "content": "hi"}]},
    {
        "messages": [
            {"role": "system", "content": "s"},
            {"role": "user", "content": [{"type": "text", "text": "a"}, IMAGE]},
            {"role": "assistant", "content": None},
            {"role": "tool", "content": "t", "tool_call_id": "1"},
        ],
        "tools": [TOOL],
        "response_format": {"type": "json_schema"},
    },
    {"routing_preferences": [ROUTE], "model": None, "seed": 1e3},
)
MESSAGES = (
    {
        "model": "claude",
        "max_tokens": 1,
        "system": [{"type": "text", "text": "s"}],
        "messages": [{"role": "user", "content": [{"type": "tool_result", "content": [{"type": "image"}]}]}],
        "tools": [{"name": "f"}],
    },
    {"messages": [{"role": "user", "content": "<system-reminder>r</system-reminder>hi"}], "system": "s"},
)
RESPONSES = (
    {"model": "gpt-5", "input": "hi", "instructions": "i", "text": {"format": {"type": "json_schema"}}},
    {
        "input": [
            {"role": "user", "content": [{"type": "input_text", "text": "a"}, {"type": "input_image"}]},
            {"type": "function_call_output", "output": "o"},
            {"type": "reasoning", "summary": []},
        ],
        "tools": [{"type": "mcp", "server_label": "l"}],
    },
)
INLINE = (
    [ROUTE],
    [{**ROUTE, "selection_policy": {"prefer": "cheapest"}}, {**ROUTE, "name": "b", "models": ["x"]}],
)
JSON = (
    b'{"', b'":', b'","', b'",', b"null", b"true", b"false", b"[]", b"{}", b"[{", b"}]", b"\\u0061",
    b"\\ud83d\\ude00", b"\\ud800", b"\\n", b'\\"', b"\xc3\xa9", b"\xff", b"1e9", b"-0", b" \t\r\n", b"\\\\",
    b"/**/",
)  # fmt: skip
KEYS = (
    b'"model":', b'"stream":', b'"messages":', b'"tools":', b'"n":', b'"routing_preferences":',
    b'"role":"user"', b'"role":"assistant"', b'"role":"tool"', b'"role":"system"', b'"content":',
    b'"type":"text"', b'"text":"', b'"type":"image_url"', b'"input":', b'"instructions":', b'"system":',
    b'"type":"tool_result"', b'"name":"', b'"type":"function_call_output"', b'"thinking"',
    b"<system-reminder>", b"</system-reminder>", b"\\n```", b'"type":"input_text"', b'"type":"json_schema"',
    b'"mode\\u006c":', b"<user_query>", b"</user_query>",
)  # fmt: skip
ROUTE_WORDS = (
    b'"name":', b'"description":', b'"models":', b'"examples":', b'"selection_policy":',
    b'"prefer":"cheapest"', b'"fast"', b'"gpt-oss-120b"', b'"anthropic/x"', b'"*"', b'"openai/gpt-5"',
    b'"none"', b"fastest",
)  # fmt: skip

TARGETS = (
    *(
        Target(
            name,
            partial(check_request, dialect),
            tuple(map(written, seeds)),
            JSON + KEYS,
            700,
            holds_json=True,
        )
        for name, dialect, seeds in (
            ("chat_request", Dialect.OPENAI_CHAT, CHATS),
            ("messages_request", Dialect.ANTHROPIC_MESSAGES, MESSAGES),
            ("responses_request", Dialect.OPENAI_RESPONSES, RESPONSES),
        )
    ),
    Target(
        "inline_routes",
        check_inline_routes,
        tuple(map(written, INLINE)),
        JSON + ROUTE_WORDS,
        700,
        holds_json=True,
    ),
)
