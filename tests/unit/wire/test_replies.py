"""Whole answers: what is learnt from them, and what is none."""

from __future__ import annotations

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from plano.chat.dialect import Dialect
from plano.chat.usage import Usage
from plano.errors import UpstreamInvalid
from plano.wire.dialects import DIALECTS
from plano.wire.facts import Complaint, ReplyFacts
from plano.wire.openai_chat import reply as chat_reply
from tests.unit.wire.documents import VALUES
from tests.unit.wire.streams import COUNTED, COUNTS

CHAT, MESSAGES, RESPONSES = Dialect.OPENAI_CHAT, Dialect.ANTHROPIC_MESSAGES, Dialect.OPENAI_RESPONSES
USAGE = Usage(20, 9, 12, None, 4)


def read(dialect: Dialect, document: object) -> ReplyFacts:
    return DIALECTS[dialect].read_reply(json.dumps(document).encode())


def test_a_chat_completion_tells_its_facts() -> None:
    """Log, metrics and price are made of these."""
    document = {
        "id": "chatcmpl-1",
        "model": "gpt-4o-2024-08-06",
        "choices": [{"index": 0, "message": {"content": "Hi"}, "finish_reason": "stop"}],
        "usage": COUNTS,
    }

    assert read(CHAT, document) == ReplyFacts("gpt-4o-2024-08-06", USAGE, "stop", "chatcmpl-1")


def test_a_message_tells_its_facts() -> None:
    """Cached input is counted beside the rest there, and within it here."""
    document = {
        "id": "msg_1",
        "type": "message",
        "model": "claude-sonnet-4-5",
        "stop_reason": "end_turn",
        "usage": {"input_tokens": 5, "cache_read_input_tokens": 100, "output_tokens": 7},
    }

    assert read(MESSAGES, document) == ReplyFacts(
        "claude-sonnet-4-5", Usage(105, 7, 100), "end_turn", "msg_1"
    )


def test_a_response_tells_its_facts() -> None:
    """Its finish reason is its status, or why it is incomplete."""
    document: dict[str, object] = {
        "id": "resp_1",
        "model": "gpt-5",
        "status": "incomplete",
        "incomplete_details": {"reason": "max_output_tokens"},
        "usage": COUNTED,
        "error": None,
        "output": [],
    }

    assert read(RESPONSES, document) == ReplyFacts("gpt-5", USAGE, "max_output_tokens", "resp_1")


def test_a_response_that_runs_in_the_background_has_no_finish_reason() -> None:
    """It was accepted, not answered."""
    document = {"id": "resp_1", "object": "response", "status": "queued"}

    assert read(RESPONSES, document) == ReplyFacts(id="resp_1")


@pytest.mark.parametrize(
    ("dialect", "document", "is_answer"),
    [
        (CHAT, {}, False),
        (CHAT, {"error": {}}, False),
        (CHAT, {"id": "x", "choices": None}, False),
        (CHAT, {"id": 1, "choices": {}}, False),
        (CHAT, {"choices": []}, True),
        (CHAT, {"id": 1, "choices": []}, True),
        (MESSAGES, {}, False),
        (MESSAGES, {"content": "x"}, False),
        (MESSAGES, {"content": []}, True),
        (MESSAGES, {"type": "message"}, True),
        (RESPONSES, {}, False),
        (RESPONSES, {"output": None, "status": "completed"}, False),
        (RESPONSES, {"output": []}, True),
        (RESPONSES, {"object": "response"}, True),
    ],
)
def test_an_answer_has_what_its_clients_look_for(dialect: Dialect, document: object, is_answer: bool) -> None:
    """`{}` with a 200 is a success to every client until its program looks for the text."""
    assert read(dialect, document).is_answer is is_answer


@pytest.mark.parametrize(
    ("dialect", "document", "error"),
    [
        (
            CHAT,
            {"error": {"message": "no", "code": "model_not_found"}},
            Complaint(("model_not_found",), "no"),
        ),
        (CHAT, {"error": None, "choices": []}, None),
        (
            MESSAGES,
            {"type": "error", "error": {"type": "api_error", "message": "no"}},
            Complaint(("api_error",), "no"),
        ),
        (MESSAGES, {"type": "message", "error": {"type": "x"}}, None),
        (MESSAGES, {"error": {"message": "no", "type": "server_error"}}, Complaint(("server_error",), "no")),
        (MESSAGES, {"error": {}}, None),
        (
            RESPONSES,
            {"status": "failed", "error": {"code": "server_error", "message": "no"}},
            Complaint(("server_error",), "no"),
        ),
        (RESPONSES, {"status": "completed", "error": None}, None),
    ],
)
def test_an_error_in_a_200_is_an_error(dialect: Dialect, document: object, error: Complaint | None) -> None:
    """Some gateways answer 200 to everything."""
    assert read(dialect, document).error == error


@pytest.mark.parametrize("dialect", list(Dialect))
@pytest.mark.parametrize(
    "body", [b"", b" ", b"<html></html>", b"[]", b"null", b'{"id":', b'"x"', b"[" * 9999]
)
def test_what_is_no_json_object_is_an_invalid_answer(dialect: Dialect, body: bytes) -> None:
    """A 200 with a page in it is a proxy's mistake, and another provider may do better."""
    with pytest.raises(UpstreamInvalid, match="not a JSON object"):
        DIALECTS[dialect].read_reply(body)


@pytest.mark.parametrize("dialect", list(Dialect))
@given(
    document=st.dictionaries(
        st.sampled_from(["id", "model", "choices", "usage", "error", "status", "type", "stop_reason"]), VALUES
    )
)
def test_odd_types_are_unknown_and_never_a_failure(dialect: Dialect, document: dict[str, object]) -> None:
    """The client gets the answer whatever its types are."""
    assert isinstance(read(dialect, document), ReplyFacts)


@pytest.mark.parametrize("dialect", list(Dialect))
@pytest.mark.parametrize("mistaken", [-1, "7", 1.5, 10**12 + 1, 10**400])
def test_a_count_that_cannot_be_one_is_unknown(dialect: Dialect, mistaken: object) -> None:
    """An answer costs its tokens times a price, and a number of four hundred digits has no product with one:
    what a provider miscounts must fail neither the request nor the account of its key."""
    of_chat = {"prompt_tokens": 3, "completion_tokens": mistaken}
    of_others = {"input_tokens": 3, "output_tokens": mistaken}

    assert read(dialect, {"usage": {**of_chat, **of_others}}).usage == Usage(input_tokens=3)


TOKENS = st.none() | st.integers(0, 10**13)


@given(
    prompt=TOKENS,
    completion=TOKENS,
    cached=st.integers(0, 99),
    hit=TOKENS,
    reason=st.sampled_from([None, "stop", ""]),
    model=st.none() | st.text(max_size=5),
)
def test_both_readings_of_a_documented_completion_agree(
    prompt: int | None,
    completion: int | None,
    cached: int,
    hit: int | None,
    reason: str | None,
    model: str | None,
) -> None:
    """The typed reading is there for speed; what it finds must not depend on it."""
    usage = {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "prompt_tokens_details": {"cached_tokens": cached},
        "prompt_cache_hit_tokens": hit,
    }
    body = msgspec.json.encode(
        {"id": "a", "model": model, "choices": [{"finish_reason": reason}], "usage": usage}
    )

    assert chat_reply.read(body) == chat_reply._read_odd(body)
