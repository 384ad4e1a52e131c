"""What counts as passed, as safe and as failed, by what the client got and what was asked upstream."""

from __future__ import annotations

import pytest

from plano.chat.dialect import Dialect
from tests.fault.cuts import STREAMS
from tests.fault.failing import FAULTS
from tests.fault.test_fallback import SECOND
from tests.fault.told import Told
from tests.large.faults import ROWS, Seen, verdict_on

CHAT = Dialect.OPENAI_CHAT
BUSY = next(fault for fault in FAULTS if fault.name == "529")
CUT_LATE = next(fault for fault in FAULTS if fault.name == "FIN in mid-stream")
RESCUED = Told(
    200, {"x-plano-model": SECOND[CHAT], "x-plano-attempts": "2"}, STREAMS[CHAT], whole=True, ended="fin"
)
HALF = Told(200, {"x-plano-model": SECOND[CHAT], "x-plano-attempts": "2"}, b"", whole=True, ended="fin")


def test_every_fault_has_a_place_on_the_list() -> None:
    """A new one is played here as well."""
    assert sorted(name for names in ROWS.values() for name in names) == sorted(fault.name for fault in FAULTS)


def test_the_seconds_whole_answer_is_a_pass() -> None:
    """The client has what it would have had."""
    assert verdict_on(BUSY, CHAT, Seen(RESCUED, (1, 1)), stream=True) == "passed"


FAILURES = [
    pytest.param(Seen(RESCUED, (2, 1)), "asked", id="the first was asked once too often"),
    pytest.param(Seen(RESCUED, (1, 2)), "asked", id="the second was"),
    pytest.param(Seen(HALF, (1, 1)), "the client got", id="half an answer, as if it were whole"),
]


@pytest.mark.parametrize(("seen", "because"), FAILURES)
def test_anything_else_is_a_failure(seen: Seen, because: str) -> None:
    """A right answer that was paid for twice is none."""
    with pytest.raises(AssertionError, match=because):
        verdict_on(BUSY, CHAT, seen, stream=True)


def test_a_whole_answer_behind_half_of_another_is_a_failure() -> None:
    """The client would have both."""
    with pytest.raises(AssertionError, match="behind one that was cut"):
        verdict_on(CUT_LATE, CHAT, Seen(RESCUED, (1, 1)), stream=True)
