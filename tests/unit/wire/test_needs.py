"""What a request needs of a model, in three dialects: what is sure, and nothing else."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from plano.chat.dialect import Dialect
from plano.chat.needs import Needs
from plano.wire.dialects import DIALECTS
from plano.wire.needs import MOST_PARTS

CHAT, MESSAGES, RESPONSES = Dialect.OPENAI_CHAT, Dialect.ANTHROPIC_MESSAGES, Dialect.OPENAI_RESPONSES
LISTS = {CHAT: "messages", MESSAGES: "messages", RESPONSES: "input"}
IMAGES: dict[Dialect, dict[str, Any]] = {
    CHAT: {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
    MESSAGES: {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}},
    RESPONSES: {"type": "input_image", "image_url": "data:image/png;base64,AAAA"},
}
WORDS = "the quick brown fox jumps over a lazy dog "


def needs(dialect: Dialect, body: dict[str, Any] | bytes, *, images: bool = True, tokens: int = 0) -> Needs:
    codec = DIALECTS[dialect]
    written = body if isinstance(body, bytes) else json.dumps(body).encode()
    return codec.needs(codec.read_request(written), images, tokens)


def said(dialect: Dialect, *content: object, **more: object) -> dict[str, Any]:
    """One message of the user's."""
    return {LISTS[dialect]: [{"role": "user", "content": list(content)}], **more}


@pytest.mark.parametrize("dialect", list(Dialect))
def test_a_plain_request_needs_nothing(dialect: Dialect) -> None:
    """Empty and absent lists are no tools, text is no schema, and short is not long."""
    plain = said(
        dialect, tools=[], response_format={"type": "json_object"}, text={"format": {"type": "text"}}
    )

    assert needs(dialect, plain, tokens=1000) == Needs(dialect)
    assert needs(dialect, {**plain, "tools": None, LISTS[dialect]: []}, tokens=1000) == Needs(dialect)


@pytest.mark.parametrize("dialect", list(Dialect))
def test_tools_are_needed_when_there_are_some(dialect: Dialect) -> None:
    """A list that is written with white space in it is as empty as any."""
    assert needs(dialect, said(dialect, tools=[{"type": "function"}])).tools
    assert not needs(dialect, b'{"tools": [ \n ]}').tools


SCHEMAS = [
    pytest.param(CHAT, {"response_format": {"type": "json_schema", "json_schema": {}}}, id="chat"),
    pytest.param(RESPONSES, {"text": {"format": {"type": "json_schema", "schema": {}}}}, id="responses"),
    pytest.param(MESSAGES, {"output_format": {"type": "json_schema", "schema": {}}}, id="messages, the beta"),
    pytest.param(MESSAGES, {"output_config": {"format": {"type": "json_schema"}}}, id="messages"),
]


@pytest.mark.parametrize(("dialect", "more"), SCHEMAS)
def test_a_schema_is_structured_output(dialect: Dialect, more: dict[str, object]) -> None:
    """Each dialect has a place of its own for it."""
    assert needs(dialect, said(dialect, **more)) == Needs(dialect, structured_output=True)


@pytest.mark.parametrize("written", ['"json_schema"', "[]", "7", '{"type": 7}', '{"format": []}', "{}"])
def test_what_is_no_form_is_no_schema(written: str) -> None:
    """The provider says what is wrong with it."""
    for dialect, member in ((CHAT, "response_format"), (RESPONSES, "text")):
        assert needs(dialect, b'{"%b": %b}' % (member.encode(), written.encode())) == Needs(dialect)


@pytest.mark.parametrize("dialect", list(Dialect))
def test_images_are_found_in_messages(dialect: Dialect) -> None:
    """In any of them, and only when they are looked for."""
    one = said(dialect, {"type": "text", "text": "what is this?"}, IMAGES[dialect])
    one[LISTS[dialect]] += [{"role": "user", "content": "and then?"}] * 9

    assert needs(dialect, one) == Needs(dialect, images=True)
    assert needs(dialect, one, images=False) == Needs(dialect)


def test_images_are_found_in_the_results_of_tools() -> None:
    """A screenshot is one, too."""
    result = {"type": "tool_result", "tool_use_id": "t", "content": [IMAGES[MESSAGES]]}
    output = {"type": "function_call_output", "call_id": "c", "output": [IMAGES[RESPONSES]]}

    assert needs(MESSAGES, said(MESSAGES, result)).images
    assert needs(RESPONSES, {"input": [output]}).images


@pytest.mark.parametrize("dialect", list(Dialect))
def test_the_word_alone_is_no_image(dialect: Dialect) -> None:
    """Nothing is taken for an image that is not one: a tool may have a parameter of that name."""
    kind = str(IMAGES[dialect]["type"])
    tool = {"type": "function", "parameters": {"properties": {kind: {"type": "string"}}}}
    talk = said(dialect, {"type": "text", "text": kind}, {"type": kind[:-1]}, tools=[tool])

    assert not needs(dialect, talk).images
    assert not needs(dialect, {LISTS[dialect]: kind}).images if dialect is RESPONSES else True


@pytest.mark.parametrize("dialect", list(Dialect))
def test_a_long_prompt_has_at_least_as_many_tokens_as_words(dialect: Dialect) -> None:
    """As soon as they are too many, no more are counted."""
    talk = said(dialect, {"type": "text", "text": WORDS * 5000})

    assert 9_000 < needs(dialect, talk, tokens=9_000).tokens < 45_000
    assert 40_000 < needs(dialect, talk, tokens=44_000).tokens <= 45_000


NOT_COUNTED = [
    pytest.param(CHAT, said(CHAT, {"type": "text", "text": "x" * 400_000}), id="one word"),
    pytest.param(CHAT, said(CHAT, {"type": "text", "text": " " * 400_000}), id="no word"),
    pytest.param(CHAT, said(CHAT, {"type": "text", "text": "日本語です。" * 50_000}), id="no spaces"),
    pytest.param(CHAT, said(CHAT, metadata={"notes": WORDS * 5000}), id="not in the prompt"),
    pytest.param(CHAT, said(CHAT, {"type": "text", "text": WORDS * 5000}, transforms=["x"]), id="transforms"),
    pytest.param(
        RESPONSES,
        {"input": WORDS * 5000, "truncation": "auto"},
        id="the provider leaves out what is too long",
    ),
    pytest.param(
        MESSAGES,
        said(MESSAGES, {"type": "text", "text": WORDS * 5000}, context_management={"edits": [{}]}),
        id="the provider leaves out old results",
    ),
    pytest.param(
        MESSAGES,
        said(MESSAGES, {"type": "thinking", "thinking": WORDS * 5000}, {"type": "text", "text": "hi"}),
        id="earlier thoughts are left out of the prompt",
    ),
]


@pytest.mark.parametrize(("dialect", "body"), NOT_COUNTED)
def test_what_may_be_short_is_not_counted(dialect: Dialect, body: dict[str, Any]) -> None:
    """Nothing is skipped on a guess, and a text without spaces might be one."""
    assert needs(dialect, body, tokens=100).tokens < 100


def test_what_is_switched_off_shortens_nothing() -> None:
    """`disabled` is what the parameter says where it is not wanted."""
    body = {"input": WORDS * 5000, "truncation": "disabled", "context_management": None}

    assert needs(RESPONSES, body, tokens=9_000).tokens > 9_000


HOSTILE = [
    pytest.param(b"[" + b"{}," * 600_000 + b'{"type":"image_url "},"image_url"]', id="many messages"),
    pytest.param(
        b'[{"content":[' + b'{"content":[{"content":[{}]}]},' * 60_000 + b'"image_url"]}]', id="many parts"
    ),
    pytest.param(b'[{"content":["image_url",' + b'"a a",' * 300_000 + b"1]}]", id="words for parts"),
    pytest.param(b'[{"content":"' + b'a \\"image_url\\"' * 120_000 + b'"},"image_url"]', id="one long text"),
]


@pytest.mark.parametrize("messages", HOSTILE)
def test_no_body_takes_long_to_be_looked_at(messages: bytes) -> None:
    """Two megabytes is what is read on the event loop itself."""
    codec = DIALECTS[CHAT]
    head = codec.read_request(b'{"messages":' + messages + b"}")

    began = time.process_time()
    found = codec.needs(head, True, 1_000_000)

    assert not found.images
    assert time.process_time() - began < 0.25


def test_images_beyond_the_newest_parts_are_not_looked_for() -> None:
    """What is not seen is allowed."""
    image = {"role": "user", "content": [IMAGES[CHAT]]}
    talk = {"messages": [image] + [{"role": "user", "content": "x"}] * MOST_PARTS}

    assert not needs(CHAT, talk).images
