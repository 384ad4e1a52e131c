"""Responses streams: when content begins, how they end, what counts as an error."""

from __future__ import annotations

import pytest

from plano.chat.usage import Usage
from plano.wire.facts import Complaint
from plano.wire.openai_responses.stream import StreamReader
from tests.unit.wire.streams import COUNTED, RESPONSES, data, named, response


def after(*events: bytes) -> StreamReader:
    reader = StreamReader()
    for event in events:
        reader.feed(event)
    return reader


def test_content_begins_behind_the_prelude() -> None:
    """Until then another provider may still be tried."""
    reader = StreamReader()

    begun = []
    for event in RESPONSES:
        reader.feed(event)
        begun.append(reader.content)

    assert begun == [False, False, False, True, True]


def _item(**members: object) -> bytes:
    return named({"type": "response.output_item.added", "output_index": 0, "item": members})


def _part(kind: str = "response.content_part.added", **members: object) -> bytes:
    return named({"type": kind, "output_index": 0, "part": members})


def _delta(kind: str, delta: object) -> bytes:
    return named({"type": f"response.{kind}.delta", "delta": delta, "obfuscation": "xyz"})


_SUMMARY = "response.reasoning_summary_part.added"


@pytest.mark.parametrize(
    ("event", "content"),
    [
        (_item(type="message", id="m", role="assistant", status="in_progress", content=[]), False),
        (_item(type="reasoning", id="r", summary=[]), False),
        (_item(type="reasoning", id="r", summary=[], encrypted_content=""), False),
        (_part(type="output_text", text="", annotations=[], logprobs=[]), False),
        (_part(type="refusal", refusal=""), False),
        (_part(_SUMMARY, type="summary_text", text=""), False),
        (_delta("output_text", ""), False),
        (_delta("function_call_arguments", ""), False),
        (_item(type="message", content=[{"type": "output_text", "text": "x"}]), True),
        (_item(type="reasoning", summary=[], encrypted_content="x"), True),
        (_item(type="function_call", name="f", arguments=""), True),
        (_item(type="web_search_call"), True),
        (_item(), True),
        (named({"type": "response.output_item.added", "item": "x"}), True),
        (_part(type="output_text", text="x"), True),
        (_part(_SUMMARY, type="summary_text", text="x"), True),
        (_part(type="flourish", text=""), True),
        (_delta("output_text", "x"), True),
        (_delta("refusal", "x"), True),
        (_delta("flourish", {"x": 1}), True),
        (named({"type": "response.flourish.delta"}), True),
        (named({"type": "response.output_text.done", "text": ""}), True),
        (named({"type": "response.flourish"}), True),
    ],
)
def test_what_is_opened_empty_is_no_content_yet(event: bytes, content: bool) -> None:
    """Many a provider opens a message and fails then: another can still answer. What nobody here has heard of
    is content, for the client may understand it."""
    assert after(RESPONSES[0], event).content is content


@pytest.mark.parametrize("kind", ["response.queued", "keepalive"])
def test_signs_of_life_are_no_content(kind: str) -> None:
    """They say nothing that a retry would repeat."""
    assert after(named({"type": kind, "response": {"status": "queued"}})).content is False


@pytest.mark.parametrize(
    ("event", "ended", "reason", "error"),
    [
        (response("response.completed", "completed"), True, "completed", None),
        (
            response("response.incomplete", "incomplete", incomplete_details={"reason": "max_output_tokens"}),
            True,
            "max_output_tokens",
            None,
        ),
        (response("response.incomplete", "incomplete"), True, "incomplete", None),
        (
            response("response.failed", "failed", error={"code": "server_error", "message": "Sorry"}),
            True,
            "failed",
            Complaint(("server_error",), "Sorry"),
        ),
        (
            response("response.failed", "failed"),
            True,
            "failed",
            Complaint((), "the response failed, no reason given"),
        ),
        (named({"type": "response.completed"}), True, "completed", None),
        (
            named({"type": "error", "code": "rate_limit_exceeded", "message": "Slow", "param": None}),
            False,
            None,
            Complaint(("rate_limit_exceeded", "error"), "Slow"),
        ),
        (
            named({"type": "error", "error": {"code": None, "type": "too_many_requests", "message": "Slow"}}),
            False,
            None,
            Complaint(("too_many_requests",), "Slow"),
        ),
        (data({"error": {"message": "Slow"}}), False, None, Complaint((), "Slow")),
    ],
)
def test_a_stream_ends_with_the_response(
    event: bytes, ended: bool, reason: str | None, error: Complaint | None
) -> None:
    """Also when it failed: then it is whole, and an error. An `error` event ends nothing."""
    reader = after(RESPONSES[0], event)

    assert (reader.ended, reader.finish_reason, reader.error) == (ended, reason, error)


def test_the_name_serves_where_the_type_is_missing() -> None:
    """Some providers write the kind only once."""
    reader = after(b'event: response.completed\ndata: {"response":{"usage":{"input_tokens":1}}}\n\n')

    assert (reader.ended, reader.usage) == (True, Usage(input_tokens=1))


def test_counts_of_a_failed_response_are_known() -> None:
    """What was read was paid for."""
    assert after(response("response.failed", "failed", usage=COUNTED)).usage == Usage(20, 9, 12, None, 4)


def test_an_error_event_that_is_not_utf8_is_an_error() -> None:
    """The decoder passes over bytes in members that nobody reads; whoever reads all of them must be ready."""
    reader = after(b'data: {"type": "error", "x": "\xdc", "message": "no"}\n\n')

    assert reader.error == Complaint((), '{"type": "error", "x": "\ufffd", "message": "no"}')
