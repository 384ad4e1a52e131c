"""Reading a log of sessions."""

from __future__ import annotations

import io
from typing import Any

import pytest

from plano.catalog.names import ModelId
from plano.chat.usage import Usage
from plano.evaluation.lines import MOST_TOLD, LinesAtFault
from plano.evaluation.replay.log import AS_WRITTEN, LogFile, Names, Request
from plano.observe.session_log import rendered
from tests.unit.evaluation.replay.sessions import GPT, MINI, SONNET, line
from tests.unit.observe.test_session_log import Facts


def read(*lines: bytes, names: Names = AS_WRITTEN) -> list[Request]:
    return list(LogFile("log.jsonl", io.BytesIO(b"".join(lines)), names).requests())


def faults(*lines: bytes) -> list[str]:
    with pytest.raises(LinesAtFault) as raised:
        read(*lines)
    return str(raised.value).splitlines()


def test_what_the_gateway_writes_is_read() -> None:
    """Two programs, one file: neither may change it alone."""
    facts = Facts(usage=Usage(input_tokens=1000, output_tokens=50, cache_read_tokens=900))

    (request,) = read(rendered(facts))

    assert request == Request(
        line=1,
        session="acme:s-1",
        at=1762079472.123,
        candidate=ModelId(SONNET),
        chosen=ModelId(GPT),
        is_routed=True,
        is_user_turn=False,
        has_failed=False,
        tokens=1000,
        is_counted=True,
        body_bytes=4000,
        cached_tokens=900,
        output_tokens=50,
    )


@pytest.mark.parametrize(
    ("facts", "candidate", "is_routed"),
    [
        ({"candidates": [GPT, MINI], "chosen": MINI}, GPT, True),
        ({"chosen": MINI, "decision": "preference"}, MINI, True),
        ({"chosen": MINI, "decision": "affinity"}, MINI, False),
        ({"candidates": [MINI], "chosen": MINI, "decision": "affinity"}, MINI, False),
        ({"candidates": [GPT, MINI], "chosen": MINI, "decision": "affinity"}, GPT, True),
        ({"candidates": [MINI], "chosen": MINI, "decision": "preference"}, MINI, True),
        ({"chosen": MINI}, MINI, False),
        ({"requested": GPT}, GPT, True),
        ({"requested": "auto", "route": "code"}, SONNET, True),
        ({"route": "code", "chosen": MINI}, SONNET, True),
        ({"route": "unheard of", "chosen": MINI}, MINI, False),
    ],
)
def test_whom_routing_preferred_is_what_the_line_says_best(
    facts: dict[str, Any], candidate: str, is_routed: bool
) -> None:
    """A pinned request says who was pinned, which is not whom routing would have preferred."""
    (request,) = read(line(time=1.5, **facts), names=Names(ModelId, {"code": ModelId(SONNET)}))

    assert (request.candidate, request.is_routed) == (candidate, is_routed)


@pytest.mark.parametrize(
    ("time", "at"),
    [
        (1790000000.5, 1790000000.5),
        (1790000000, 1790000000.0),
        ("2026-09-21T13:33:20.5Z", 1789997600.5),
        ("2026-09-21T15:33:20.5+02:00", 1789997600.5),
        ("2026-09-21T13:33:20.5", 1789997600.5),
    ],
)
def test_a_time_is_a_number_or_a_date(time: object, at: float) -> None:
    """Without a zone it is UTC, as everything here."""
    assert read(line(time=time, chosen=MINI))[0].at == at


@pytest.mark.parametrize(
    ("status", "has_failed"), [(200, False), (None, False), (429, True), (499, True), (302, True)]
)
def test_an_error_is_no_answer(status: int | None, has_failed: bool) -> None:
    """A status that is not given was not worth telling."""
    assert read(line(time=1, chosen=MINI, status=status))[0].has_failed is has_failed


def test_bytes_stand_in_for_tokens_that_nobody_counted() -> None:
    """At four bytes each; without either there is nothing to price."""
    estimated, unknown = read(line(time=1, chosen=MINI, request_bytes=4003), line(time=1, chosen=MINI))

    assert (estimated.tokens, estimated.is_counted, unknown.tokens) == (1000, False, None)


@pytest.mark.parametrize(
    ("written", "told"),
    [
        (b"{", "expected a JSON object on one line; found one that ends too early"),
        (b"[]", "expected a JSON object; found a list"),
        (b"\xff", "expected a JSON object on one line; found invalid character at byte 0"),
        (b'{"time": 1, "chosen": "a\xff"}', "expected UTF-8; found byte 0xff at byte 24"),
        (b'{"time": 1, "x": "\xff"}', "expected UTF-8; found byte 0xff at byte 18"),
        (line(time=1, chosen=""), "expected 'candidates', 'chosen', or"),
        (line(time=1, candidates=[""]), "expected 'candidates', 'chosen', or"),
        (line(chosen=MINI), "expected the key 'time'; found none"),
        (line(time="yesterday", chosen=MINI), "time: expected a date such as 2026-11-22T09:30:00Z; found"),
        (line(time=-1, chosen=MINI), "time: expected seconds since 1970, or a date; found -1"),
        (
            line(time=1790000000000, chosen=MINI),
            "time: expected seconds since 1970, or a date; found 1.79e+12",
        ),
        (line(time=None, chosen=MINI), "time: expected a number or a date; found null"),
        (
            line(time=1),
            "expected 'candidates', 'chosen', or a 'route' or 'requested' that names a model; found",
        ),
        (line(time=1, requested="auto"), "expected 'candidates', 'chosen', or"),
        (line(time=1, chosen=MINI, input_tokens=-1), "input_tokens: expected a number >= 0; found another"),
        (line(time=1, chosen=MINI, input_tokens="9"), "input_tokens: expected a number or null; found text"),
        (line(time=1, candidates=[3]), "candidates[0]: expected text; found a number"),
        (
            line(time=1, chosen=MINI, is_user_turn=1),
            "is_user_turn: expected true or false or null; found a number",
        ),
    ],
)
def test_a_fault_says_where_what_was_expected_and_what_was_found(written: bytes, told: str) -> None:
    """Whoever wrote the log with a program sees what to change in it."""
    (fault,) = faults(line(time=1, chosen=MINI), written.rstrip() + b"\n", line(time=2, chosen=MINI))

    assert fault.startswith(f"log.jsonl:2: {told}")


def test_all_faults_are_told_at_once() -> None:
    """Up to a number."""
    told = faults(*[b"{\n"] * (MOST_TOLD + 3))

    assert (told[0][:13], told[MOST_TOLD - 1][:14], told[-1]) == (
        "log.jsonl:1: ",
        "log.jsonl:20: ",
        "and 3 more",
    )


def test_an_empty_log_is_a_fault() -> None:
    """A table of nothing would look like a result."""
    assert faults(b"\n\n") == ["log.jsonl: expected requests, one a line; found none"]


def test_a_session_may_have_a_number_for_a_name() -> None:
    """Other programs write logs, too."""
    assert [
        each.session for each in read(line(time=1, chosen=MINI, session=7), line(time=1, chosen=MINI))
    ] == [
        "7",
        None,
    ]
