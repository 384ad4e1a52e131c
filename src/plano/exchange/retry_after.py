"""When a provider says to come back."""

from __future__ import annotations

from email.utils import mktime_tz, parsedate_tz

LONGEST_S = 24 * 3600.0
"""What is believed of it; more is taken for this. How much of that is waited for is `routing.health`'s."""
END_OF_DATES = 253_402_300_800
"""Behind the last of the year 9999: HTTP's dates have four digits for it."""
LONGEST_LINE = 64
"""A date with its field name has 42 bytes."""


def retry_after_s(lines: bytes, today: float) -> float | None:
    """Seconds from now, by `retry-after-ms` or `retry-after` (seconds, or a date: RFC 9110 §10.2.3); None
    when neither is there or makes sense. `lines`: of a head, with names in lower case; `today`: seconds
    since 1970."""
    milliseconds = _number(_field(lines, b"retry-after-ms: "))
    if milliseconds is not None:
        return _believed(milliseconds / 1000.0)
    written = _field(lines, b"retry-after: ")
    seconds = _number(written)
    return _believed(_until(written, today) if seconds is None else seconds)


def _field(lines: bytes, start: bytes) -> bytes:
    """The first value; empty without one, and for one that is longer than any that makes sense."""
    for line in lines.splitlines():
        if line.startswith(start):
            return line[len(start) :].strip() if len(line) <= LONGEST_LINE else b""
    return b""


def makes_sense(field: tuple[bytes, bytes]) -> bool:
    """Whether a field that may be one of the two can be read; any other field can."""
    name, value = field
    if name not in (b"retry-after", b"retry-after-ms"):
        return True
    if len(value) > LONGEST_LINE:
        return False
    return _number(value) is not None or (name == b"retry-after" and _until(value, 0.0) is not None)


def _believed(seconds: float | None) -> float | None:
    return None if seconds is None else min(seconds, LONGEST_S)


def _number(written: bytes) -> float | None:
    return float(written) if written.replace(b".", b"", 1).isdigit() else None


def _until(written: bytes, today: float) -> float | None:
    try:
        date = parsedate_tz(written.decode("ascii"))
        at = END_OF_DATES if date is None else mktime_tz(date)
        return None if at >= END_OF_DATES else max(0.0, at - today)
    except (ValueError, OverflowError):
        return None
