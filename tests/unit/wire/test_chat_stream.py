"""Chat streams: when content begins, when every choice has ended, what counts as an error."""

from __future__ import annotations

import pytest

from plano.chat.usage import Usage
from plano.wire.facts import Complaint
from plano.wire.openai_chat.stream import StreamReader
from tests.unit.wire.streams import DONE, ROLE, chunk, data


def after(*events: bytes, choices: int = 1) -> StreamReader:
    reader = StreamReader(choices)
    for event in events:
        reader.feed(event)
    return reader


@pytest.mark.parametrize(
    ("event", "content"),
    [
        (ROLE, False),
        (chunk({"role": "assistant"}), False),
        (chunk({"role": "assistant", "content": None, "tool_calls": []}), False),
        (data({"choices": []}), False),
        (data({"choices": None}), False),
        (data({"choices": [{"delta": None}]}), False),
        (data({"id": "x", "prompt_filter_results": []}), False),
        (b": keep-alive\n\n", False),
        (chunk({"content": "x"}), True),
        (chunk({"role": "assistant", "content": "x"}), True),
        (chunk({"reasoning_content": "x"}), True),
        (chunk({"tool_calls": [{"index": 0}]}), True),
        (chunk({"refusal": "no"}), True),
        (chunk({}, "stop"), True),
        (data({"choices": [{"index": "0", "delta": {"content": "x"}}]}), True),
    ],
)
def test_content_is_anything_but_the_role(event: bytes, content: bool) -> None:
    """Until then another provider may still be tried."""
    assert after(event).content is content


@pytest.mark.parametrize(
    ("events", "choices", "ended"),
    [
        pytest.param([chunk({"content": "a"})], 1, False, id="under way"),
        pytest.param([chunk({"content": "a"}), DONE], 1, False, id="[DONE] proves nothing"),
        pytest.param([DONE], 1, False, id="[DONE] alone"),
        pytest.param([chunk({"content": "a"}), chunk({}, "stop")], 1, True, id="[DONE] may be missing"),
        pytest.param([chunk({"content": "a"}, "")], 1, False, id="an empty reason is none"),
        pytest.param([chunk({}, "stop")], 2, False, id="one of two"),
        pytest.param([chunk({}, "stop"), DONE], 2, True, id="one given where two were asked for"),
        pytest.param([chunk({}, "stop"), chunk({}, "length", 1)], 2, True, id="two of two"),
        pytest.param(
            [chunk({"content": "a"}, index=1), chunk({}, "stop")], 1, False, id="another is under way"
        ),
        pytest.param(
            [chunk({"content": "a"}, index=1), chunk({}, "stop"), DONE], 2, False, id="one broke off"
        ),
        pytest.param([chunk({}, "stop"), chunk({"audio": {"expires_at": 1}})], 1, True, id="a straggler"),
        pytest.param([data({"choices": [{"index": None, "finish_reason": "stop"}]})], 1, True, id="no index"),
        pytest.param(
            [data({"choices": [{"index": "0", "finish_reason": "stop"}]})], 1, True, id="an odd index"
        ),
    ],
)
def test_a_stream_ends_with_every_choice(events: list[bytes], choices: int, ended: bool) -> None:
    """A missing finish reason is the only sign of an answer that broke off cleanly."""
    assert after(*events, choices=choices).ended is ended


def test_an_error_beside_null_counts_is_seen() -> None:
    """The official client raises at any event with an error in it."""
    reader = after(
        ROLE, data({"error": {"message": "Overloaded", "type": "server_error", "code": 503}, "choices": []})
    )

    assert (reader.error, reader.content, reader.ended) == (
        Complaint(("503", "server_error"), "Overloaded"),
        False,
        False,
    )


@pytest.mark.parametrize("error", [None, {}, "", False, []])
def test_an_error_that_says_nothing_is_none(error: object) -> None:
    """Some providers send the member in every chunk; the official client looks for truth."""
    assert after(chunk({"content": "x"}, error=error), chunk({"content": "x"}, error=error)).error is None


@pytest.mark.parametrize("before", [[], [ROLE, chunk({"content": "x"})]])
def test_an_error_with_a_finish_reason_is_no_end(before: list[bytes]) -> None:
    """Some gateways write both into one chunk; it says that no answer will come, or no whole one."""
    reader = after(*before, chunk({"content": ""}, "error", error={"message": "cut off", "code": 502}))

    assert (reader.error, reader.content, reader.ended) == (
        Complaint(("502",), "cut off"),
        bool(before),
        False,
    )


def test_an_error_after_content_is_seen_too() -> None:
    """The record says how it ended."""
    assert after(chunk({"content": "x"}), data({"error": "cut off"})).error == Complaint((), "cut off")


@pytest.mark.parametrize(
    ("usage", "known"),
    [
        (None, None),
        ({}, None),
        ("many", None),
        ({"prompt_tokens": "5", "completion_tokens": True}, None),
        ({"prompt_tokens": 5.0, "completion_tokens": -1}, Usage(input_tokens=5)),
        ({"prompt_tokens": 0, "completion_tokens": 7, "prompt_tokens_details": None}, Usage(0, 7)),
        ({"prompt_tokens": 9, "prompt_cache_hit_tokens": 4}, Usage(9, None, 4)),
        ({"prompt_tokens": 9, "prompt_tokens_details": {"cache_write_tokens": 2}}, Usage(9, None, None, 2)),
        ({"completion_tokens_details": {"reasoning_tokens": 3}}, Usage(reasoning_tokens=3)),
    ],
)
def test_unknown_counts_are_not_zero(usage: object, known: Usage | None) -> None:
    """Adding them wrongly has billed users several times over."""
    assert after(chunk({"content": "x"}), chunk({}, usage=usage)).usage == known


def test_the_latest_counts_stand() -> None:
    """Some providers count in every chunk, then end with null."""
    counted = [
        chunk({"content": "x"}, usage={"prompt_tokens": 3, "completion_tokens": count}) for count in (1, 2)
    ]

    assert after(*counted, chunk({}, "stop", usage=None)).usage == Usage(3, 2)


def test_an_empty_name_waits_for_a_real_one() -> None:
    """Azure opens with a chunk about filters that names no model."""
    opening = data({"id": "", "model": "", "choices": [], "prompt_filter_results": []})

    reader = after(opening, chunk({"content": "x"}))

    assert (reader.id, reader.served) == ("chatcmpl-1", "gpt-4o-2024-08-06")


@pytest.mark.parametrize("index", [-1, 10**13, None, "1"])
def test_a_piece_is_of_one_choice_however_its_chunk_is_read(index: object) -> None:
    """What is odd beside it decides which reading is used. An index that cannot be one is the first's in all
    of them: else the finish reason would be another's, and a whole answer would count as cut off."""
    begins = data({"id": 5, "choices": [{"index": index, "delta": {"content": "x"}}]})
    ends = data({"choices": [{"index": index, "delta": {}, "finish_reason": "stop"}]})

    assert [after(begins, ends).ended, after(ROLE, begins, ends).ended, after(ends).ended] == [True] * 3
