"""A line for each request, which nobody outside can forge or break."""

from __future__ import annotations

import json
import re

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from plano.catalog.names import ModelId
from plano.chat.usage import Usage
from plano.exchange.record import ExchangeRecord
from plano.observe.access_log import LINE_LIMIT, AccessLog, LogFormat
from plano.routing.decision import Kind
from tests.unit.observe.records import answered, bare, failed, judged, said

OUTSIDE = (
    "request_id",
    "client_host",
    "method",
    "path",
    "requested",
    "chosen",
    "served",
    "provider",
    "route",
    "finish_reason",
    "upstream_id",
)
"""The facts of a record that a client or a provider can word."""
WORD = re.compile(r'"(?:[^"\\]|\\.)*"|[^" ][^ ]*')
WORDS_OF_A_TEXT_LINE = 20


class FakeWriter:
    """Keeps what was written."""

    def __init__(self) -> None:
        self.lines: list[bytes] = []
        self.dropped = 0

    def write(self, lines: list[bytes]) -> None:
        self.lines += lines

    def close(self, timeout_s: float) -> bool:
        return True


def line(record: ExchangeRecord, log_format: LogFormat = "json") -> str:
    writer = FakeWriter()
    log = AccessLog(writer, log_format)
    log.take([record])
    log.hand_over()
    (written,) = writer.lines
    return written.decode()


def test_a_json_line_tells_the_whole_exchange() -> None:
    """One line must do: whoever reads it was not there."""
    assert json.loads(line(answered(route="code", code="upstream_broke", ending="upstream_failed"))) == {
        "time": "2025-11-02T10:31:12.123Z",
        "request_id": "req-1",
        "method": "POST",
        "path": "/v1/chat/completions",
        "stream": True,
        "ending": "upstream_failed",
        "phase": "done",
        "attempts": 1,
        "bytes_in": 1000,
        "bytes_out": 2000,
        "status": 200,
        "code": "upstream_broke",
        "client": "203.0.113.9",
        "dialect": "openai_chat",
        "requested_model": "fast",
        "chosen_model": "openai/gpt-4o-mini",
        "served_model": "gpt-4o-mini-2024-07-18",
        "provider": "openai",
        "decision": "alias",
        "route": "code",
        "finish_reason": "stop",
        "upstream_id": "chatcmpl-1",
        "decided_ms": 250.0,
        "sent_ms": 500.0,
        "first_byte_ms": 750.0,
        "first_content_ms": 1000.0,
        "total_ms": 3000.0,
        "input_tokens": 120,
        "output_tokens": 5,
        "cache_read_tokens": 64,
    }


def test_what_is_unknown_is_left_out() -> None:
    """A zero would be averaged, billed and believed."""
    assert json.loads(line(bare(usage=Usage()))) == {
        "time": "2025-11-02T10:31:12.123Z",
        "request_id": "req-1",
        "method": "POST",
        "path": "/v1/chat/completions",
        "stream": False,
        "ending": "answered",
        "phase": "read",
        "attempts": 0,
        "bytes_in": 0,
        "bytes_out": 0,
    }


def test_a_line_tells_what_a_router_and_the_session_came_to() -> None:
    """Why this model, without asking for the whole decision; in the words of the metrics, at the end."""
    reasons = (said("miss"), judged("matched"), said("raced"))
    written = line(answered(reasons=reasons, decision="affinity"))

    assert written.endswith(
        '"cache_read_tokens":64,"router":"embedded","score":0.8123,"margin":0.25,"affinity":"raced"}\n'
    )


@pytest.mark.parametrize(
    ("kinds", "has_switched", "switch"),
    [
        (["anew", "within_budget"], True, "within_budget"),
        (["anew", "over_budget"], False, "over_budget"),
        (["anew"], True, "unbudgeted"),
        (["anew"], False, None),
    ],
)
def test_a_line_tells_why_a_session_has_changed_models(
    kinds: list[Kind], has_switched: bool, switch: str | None
) -> None:
    """Or why it has not, where it was too dear."""
    read = json.loads(line(answered(reasons=tuple(map(said, kinds)), has_switched=has_switched)))

    assert (read["affinity"], read.get("switch")) == ("anew", switch)


def test_a_line_tells_who_has_failed_before_another_answered() -> None:
    """Every client has its answer, and somebody must look after a provider nevertheless."""
    attempts = (
        failed(),
        failed("groq/llama", "upstream_error", 503, Usage(input_tokens=9, output_tokens=0)),
    )
    read = json.loads(
        line(answered(attempts=3, failed=attempts, preferred=ModelId("openai/o3"), key="team-a"))
    )

    assert (read["key"], read["preferred_model"], read["failed"]) == (
        "team-a",
        "openai/o3",
        [
            {"model": "openai/gpt-4o-mini", "code": "upstream_timeout", "ms": 125.0},
            {
                "model": "groq/llama",
                "code": "upstream_error",
                "ms": 125.0,
                "status": 503,
                "input_tokens": 9,
                "output_tokens": 0,
            },
        ],
    )


def test_who_was_asked_first_and_answered_is_told_once() -> None:
    """The same was asked twice: nobody has stood in."""
    read = json.loads(line(answered(preferred=ModelId("openai/gpt-4o-mini"))))

    assert "preferred_model" not in read


def test_a_text_line_is_the_same_for_a_request_with_more_to_tell() -> None:
    """Its words are counted; the route has its place among them, and the number of attempts."""
    routed = answered(
        reasons=(said("miss"), judged("matched")), has_switched=True, failed=(failed(),), key="a"
    )

    assert line(routed, "text") == line(answered(), "text")


def test_no_tokens_at_all_are_a_fact() -> None:
    """A provider that says zero has said something."""
    assert json.loads(line(answered(usage=Usage(output_tokens=0))))["output_tokens"] == 0


def test_a_text_line_has_its_words_in_order() -> None:
    """People learn the places; tools count them."""
    assert line(answered(), "text") == (
        "2025-11-02T10:31:12.123Z 203.0.113.9 req-1 POST /v1/chat/completions openai_chat stream 200 - --"
        " fast openai/gpt-4o-mini gpt-4o-mini-2024-07-18 alias - 1 250.0/500.0/750.0/1000.0/3000.0"
        " 1000/2000 120/5 stop\n"
    )


def test_a_text_line_says_who_ended_it_and_where() -> None:
    """The two letters are the first thing to look at when something is wrong."""
    left = bare(status=499, code="client_left", ending="client_left", phase="content", decided=100.125)

    assert line(left, "text") == (
        "2025-11-02T10:31:12.123Z - req-1 POST /v1/chat/completions - whole 499 client_left CF"
        " - - - - - 0 125.0/-/-/-/- 0/0 -/- -\n"
    )


@pytest.mark.parametrize(
    ("at", "words"),
    [
        (0.0, "1970-01-01T00:00:00.000Z"),
        (951782400.0, "2000-02-29T00:00:00.000Z"),
        (1762079472.9996, "2025-11-02T10:31:13.000Z"),
    ],
)
def test_a_date_is_rfc_3339_in_utc(at: float, words: str) -> None:
    """Logs of several machines are merged by it."""
    assert json.loads(line(bare(at=at)))["time"] == words


def test_dates_stay_right_over_many_seconds() -> None:
    """The words of a second are remembered, and forgotten again."""
    writer = FakeWriter()
    log = AccessLog(writer, "json")
    log.take([bare(at=float(second)) for second in range(1200)])
    log.hand_over()

    seconds = [json.loads(written)["time"][14:19] for written in writer.lines]

    assert seconds == [f"{second // 60:02d}:{second % 60:02d}" for second in range(1200)]


@pytest.mark.parametrize("fact", OUTSIDE)
def test_a_newline_from_outside_forges_nothing(fact: str) -> None:
    """A model named after a log line must not become one."""
    forged = 'gpt\n{"request_id":"forged"}\r\u2028\x85\x1b[2J\x7f\u202e"'
    record = answered(**{fact: forged})
    names = {"client_host": "client", "requested": "requested_model", "chosen": "chosen_model"}
    name = {**names, "served": "served_model"}.get(fact, fact)

    written = line(record)

    assert (written.splitlines(), json.loads(written)[name]) == ([written.rstrip("\n")], forged)


@pytest.mark.parametrize("log_format", ["json", "text"])
@given(outside=st.lists(st.text(st.characters(), max_size=600), min_size=11, max_size=11))
def test_whatever_comes_from_outside_a_line_is_one_printable_line(
    log_format: LogFormat, outside: list[str]
) -> None:
    """Half surrogates, terminal escapes, right-to-left marks, very long names: all of it arrives."""
    reasons = (said("unavailable"), judged("matched", "mine/" + "r" * 300), said("unknown_price"))
    facts: dict[str, object] = dict(zip(OUTSIDE, outside, strict=True))
    attempts = tuple(failed(each, usage=Usage(10**30, 10**30)) for each in outside[:3])
    more = {"failed": attempts, "preferred": outside[3], "key": outside[4], "detail": outside[5]}
    written = line(answered(**facts, **more, reasons=reasons), log_format)

    assert (written[-1], written[:-1].isprintable(), len(written.encode()) <= LINE_LIMIT) == (
        "\n",
        True,
        True,
    )


@given(outside=st.lists(st.text(st.characters(), max_size=40), min_size=11, max_size=11))
def test_a_text_line_has_the_same_number_of_words_whatever_they_hold(outside: list[str]) -> None:
    """A model name with spaces must not move the status into another column."""
    written = line(answered(**dict(zip(OUTSIDE, outside, strict=True))), "text")

    assert len(WORD.findall(written[:-1])) == WORDS_OF_A_TEXT_LINE


def test_printable_text_of_any_language_stays_readable() -> None:
    """A route named in Chinese is no attack."""
    assert '"route":"写代码"' in line(answered(route="写代码"))


@pytest.mark.parametrize(
    ("length", "kept"),
    [
        pytest.param(300, 300, id="fits"),
        pytest.param(2000, 256, id="long"),
        pytest.param(10**6, 256, id="huge"),
    ],
)
def test_a_long_line_has_its_strings_cut(length: int, kept: int) -> None:
    """A megabyte in a model's name is a megabyte of log a request otherwise."""
    served = json.loads(line(answered(served="m" * length)))["served_model"]

    assert served == ("m" * length if kept == length else "m" * (kept - 1) + "…")


def test_our_own_words_survive_the_shortest_cut() -> None:
    """When everything from outside is huge, the date and the code still say what happened."""
    huge = dict.fromkeys(OUTSIDE, "\U000e0001" * 5000)
    more = {name: next(iter(huge.values())) for name in ("key", "detail", "preferred", "counterfactual")}
    reasons = (said("unavailable"), judged("matched", "mine/" + "r" * 300), said("unknown_price"))
    attempts = (failed(huge["chosen"]), failed(huge["chosen"]), failed(huge["chosen"]))
    record = answered(**huge, **more, failed=attempts, code="dialect_not_supported", reasons=reasons)
    written = line(record)
    read = json.loads(written)

    assert len(written) <= LINE_LIMIT
    assert (read["time"], read["dialect"], read["code"], len(read["path"]), len(read["router"])) == (
        "2025-11-02T10:31:12.123Z",
        "openai_chat",
        "dialect_not_supported",
        8,
        24,
    )
    assert [each["code"] for each in read["failed"]] == ["upstream_timeout"] * 3
    assert (read["affinity"], read["switch"], read["score"]) == ("unavailable", "unknown_price", 0.8123)


@pytest.mark.parametrize("log_format", ["json", "text"])
def test_an_absurd_token_count_makes_no_line_too_long(log_format: LogFormat) -> None:
    """A provider may claim anything; a pipe shared by workers takes 4 KiB at once."""
    written = line(answered(usage=Usage(input_tokens=10**4000, output_tokens=10**4000)), log_format)

    assert (str(2**63 - 1) in written, len(written) <= LINE_LIMIT) == (True, True)


def test_lines_are_what_other_json_readers_accept() -> None:
    """msgspec wrote it; whoever reads it uses something else."""
    written = line(answered(served='a"b\\c\ud800'))

    assert json.loads(written) == msgspec.json.decode(written)
