"""When a provider says to come back, in every way it may say it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plano.exchange.retry_after import LONGEST_S, makes_sense, retry_after_s

TODAY = 784_111_777.0
"""Sun, 06 Nov 1994 08:49:37 GMT, the date of RFC 9110's examples."""


def after(value: str, name: str = "retry-after") -> float | None:
    return retry_after_s(f"request-id: r\r\n{name}: {value}\r\n".encode("latin-1"), TODAY)


SAID = [
    pytest.param("0", 0.0, id="at once"),
    pytest.param("17", 17.0, id="seconds"),
    pytest.param("1.5", 1.5, id="a part of a second, as some write it"),
    pytest.param(" 17 ", 17.0, id="blanks around it"),
    pytest.param("86400", 86400.0, id="a day"),
    pytest.param("Sun, 06 Nov 1994 08:49:57 GMT", 20.0, id="a date"),
    pytest.param("Sunday, 06-Nov-94 08:49:57 GMT", 20.0, id="a date of RFC 850"),
    pytest.param("Sun Nov  6 08:49:57 1994", 20.0, id="a date of asctime"),
    pytest.param("Sun, 06 Nov 1994 09:49:57 +0100", 20.0, id="a date of another zone"),
    pytest.param("Sun, 06 Nov 1994 08:49:07 GMT", 0.0, id="a date that has passed"),
    pytest.param("", None, id="nothing"),
    pytest.param("soon", None, id="a word"),
    pytest.param("-5", None, id="negative"),
    pytest.param("1e3", None, id="a power"),
    pytest.param("0x10", None, id="not decimal"),
    pytest.param("inf", None, id="infinity"),
    pytest.param("nan", None, id="no number"),
    pytest.param("1.2.3", None, id="two points"),
    pytest.param(".", None, id="a point"),
    pytest.param("\xb2", None, id="a digit beyond ASCII"),
    pytest.param("86401", 86400.0, id="more than a day"),
    pytest.param("9" * 30, 86400.0, id="huge"),
    pytest.param("9" * 9000, None, id="endless"),
    pytest.param("Fri, 31 Dec 9999 23:59:59 GMT", 86400.0, id="a date of another age"),
    pytest.param("Mon, 99999999999999999999 Jan 2020 00:00:00 GMT", None, id="a day that no integer holds"),
    pytest.param("Mon, 01 Jan 2020 00:00:00 +99999999", 0.0, id="a zone beyond the world"),
]


@pytest.mark.parametrize(("value", "seconds"), SAID)
def test_what_is_said_is_understood_or_ignored(value: str, seconds: float | None) -> None:
    """Garbage must neither crash nor put a provider to sleep for a year."""
    assert after(value) == seconds


@pytest.mark.parametrize(
    ("value", "seconds"), [("1500", 1.5), ("0", 0.0), ("-1", None), ("x", None), ("9" * 12, 86400.0)]
)
def test_milliseconds_are_exact(value: str, seconds: float | None) -> None:
    """OpenAI says both; this is the sharper one."""
    assert after(value, "retry-after-ms") == seconds


@pytest.mark.parametrize(("milliseconds", "seconds"), [("2500", 2.5), ("garbage", 17.0)])
def test_milliseconds_come_first_where_they_make_sense(milliseconds: str, seconds: float) -> None:
    """Whatever the order of the fields."""
    lines = b"retry-after: 17\r\nretry-after-ms: %b\r\n" % milliseconds.encode()

    assert retry_after_s(lines, TODAY) == seconds


def test_a_head_that_says_nothing_says_nothing() -> None:
    """Other fields are not mistaken for it."""
    assert retry_after_s(b"x-ratelimit-reset-requests: 17\r\nx-retry-after: 3\r\n", TODAY) is None


@given(st.text(st.characters(min_codepoint=32, max_codepoint=255), max_size=60), st.booleans())
def test_whatever_is_said_is_a_time_of_this_day_or_nothing(value: str, exact: bool) -> None:
    """A provider's head is input like any other."""
    found = after(value, "retry-after-ms" if exact else "retry-after")

    assert found is None or 0.0 <= found <= LONGEST_S


NUMBERS = st.integers(-(10**25), 10**25).map(str)


@given(st.lists(NUMBERS, min_size=6, max_size=6))
def test_whatever_date_is_said_is_a_time_of_this_day_or_nothing(numbers: list[str]) -> None:
    """Dates are read by a library that trusts their numbers."""
    day, year, hour, minute, second, zone = numbers

    found = after(f"Mon, {day[:2]} Jan {year[:12]} {hour[:3]}:{minute[:3]}:{second[:3]} +{zone[:9]}")

    assert found is None or 0.0 <= found <= LONGEST_S


@pytest.mark.parametrize("name", [b"retry-after", b"retry-after-ms"])
@pytest.mark.parametrize(
    ("value", "sensible"),
    [
        (b"17", True),
        (b"9" * 30, True),
        (b"", False),
        (b"-5", False),
        (b"sk-a-key", False),
        (b"9" * 99, False),
    ],
)
def test_only_what_can_be_read_is_worth_passing_on(name: bytes, value: bytes, sensible: bool) -> None:
    """The rest tells a client nothing, and might tell it what is not meant for it."""
    assert makes_sense((name, value)) == sensible


def test_a_date_is_no_number_of_milliseconds() -> None:
    """It makes sense in the one field alone; other fields are none of its business."""
    date = b"Sun, 06 Nov 1994 08:49:57 GMT"

    assert [makes_sense((name, date)) for name in (b"retry-after", b"retry-after-ms", b"date")] == [
        True,
        False,
        True,
    ]
