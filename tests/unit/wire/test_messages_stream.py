"""Messages streams: when content begins, how counts add up, what counts as an error."""

from __future__ import annotations

import pytest

from plano.chat.usage import Usage
from plano.wire.anthropic_messages.stream import StreamReader
from plano.wire.facts import Complaint
from tests.unit.wire.streams import MESSAGES, data, named


def after(*events: bytes) -> StreamReader:
    reader = StreamReader()
    for event in events:
        reader.feed(event)
    return reader


def test_content_begins_behind_the_prelude() -> None:
    """Until then an overloaded provider can still be replaced."""
    reader = StreamReader()

    begun = []
    for event in MESSAGES:
        reader.feed(event)
        begun.append(reader.content)

    assert begun == [False, False, False, True, True, True, True]


def _block(**members: object) -> bytes:
    return named({"type": "content_block_start", "index": 0, "content_block": members})


def _delta(**members: object) -> bytes:
    return named({"type": "content_block_delta", "index": 0, "delta": members})


@pytest.mark.parametrize(
    ("event", "content"),
    [
        (_block(type="text", text=""), False),
        (_block(type="text", text="", citations=None), False),
        (_block(type="thinking", thinking="", signature=""), False),
        (_block(type="redacted_thinking", data=""), False),
        (_delta(type="text_delta", text=""), False),
        (_delta(type="thinking_delta", thinking=""), False),
        (_delta(type="input_json_delta", partial_json=""), False),
        (_delta(type="signature_delta", signature=""), False),
        (_delta(type="citations_delta", citation=None), False),
        (named({"type": "content_block_stop", "index": 0}), False),
        (_block(type="text", text="x"), True),
        (_block(type="thinking", thinking="x", signature=""), True),
        (_block(type="redacted_thinking", data="x"), True),
        (_block(type="tool_use", id="t", name="f", input={}), True),
        (_block(type="server_tool_use", id="t", name="f", input={}), True),
        (_block(type="web_search_tool_result", tool_use_id="t", content=[]), True),
        (_block(type="flourish"), True),
        (_block(), True),
        (_block(type=1, text=""), True),
        (named({"type": "content_block_start", "content_block": "x"}), True),
        (_delta(type="text_delta", text="x"), True),
        (_delta(type="thinking_delta", thinking="x"), True),
        (_delta(type="input_json_delta", partial_json="{"), True),
        (_delta(type="signature_delta", signature="x"), True),
        (_delta(type="citations_delta", citation={"type": "page_location"}), True),
        (_delta(type="flourish_delta"), True),
        (named({"type": "message_delta", "delta": {"stop_reason": "end_turn"}}), True),
    ],
)
def test_what_is_opened_empty_is_no_content_yet(event: bytes, content: bool) -> None:
    """Many a provider opens a block and is overloaded then: another can still answer. What nobody here has
    heard of is content, for the client may understand it."""
    assert after(MESSAGES[0], event).content is content


@pytest.mark.parametrize(
    ("event", "error"),
    [
        (
            named({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}),
            Complaint(("overloaded_error",), "Overloaded"),
        ),
        (
            data({"type": "error", "error": {"type": "api_error"}}),
            Complaint(("api_error",), "no message given"),
        ),
        (b"event: error\ndata: upstream went away\n\n", Complaint((), "upstream went away")),
        (b"event: error\n\n", Complaint((), "no message given")),
        (b'event: error\ndata: {"message":"x"}\n\n', Complaint((), "x")),
    ],
)
def test_an_error_event_is_known_by_its_name_or_its_type(event: bytes, error: Complaint) -> None:
    """The official client raises at the name, whatever the data is."""
    reader = after(MESSAGES[0], event)

    assert (reader.error, reader.content, reader.ended) == (error, False, False)


def test_counts_so_far_are_known_of_a_stream_that_broke() -> None:
    """What was read was paid for."""
    assert after(*MESSAGES[:4]).usage == Usage(115, 1, 100, 10)


def test_later_counts_replace_earlier_ones() -> None:
    """They are totals; some providers only know the input at the end."""
    counts = {"input_tokens": 8, "cache_read_input_tokens": 0, "output_tokens": 4}

    assert after(MESSAGES[0], named({"type": "message_delta", "delta": {}, "usage": counts})).usage == Usage(
        18, 4, 0, 10
    )


def test_input_that_was_not_counted_is_unknown() -> None:
    """Cached tokens alone are not the input."""
    delta = named({"type": "message_delta", "delta": {}, "usage": {"output_tokens": 4}})

    assert after(delta).usage == Usage(output_tokens=4)


def test_an_event_of_a_kind_unknown_here_is_content() -> None:
    """Whatever it is, the client has to get it."""
    assert after(named({"type": "content_block_flourish"})).content is True
