"""When a provider says to come back."""

from __future__ import annotations

from collections.abc import Mapping
from email.utils import mktime_tz, parsedate_tz

LONGEST_S = 24 * 3600.0
"""What is believed of it at all; how much of that is waited for is `routing.health`'s."""


def retry_after_s(fields: Mapping[bytes, bytes], today: float) -> float | None:
    """Seconds from now, by `retry-after-ms` or `retry-after` (seconds, or a date: RFC 9110 §10.2.3); None
    when neither is there or makes sense. `today`: seconds since 1970."""
    milliseconds = _number(fields.get(b"retry-after-ms"))
    if milliseconds is not None:
        return _believed(milliseconds / 1000.0)
    written = fields.get(b"retry-after")
    if written is None:
        return None
    seconds = _number(written)
    return _believed(_until(written, today) if seconds is None else seconds)


def _believed(seconds: float | None) -> float | None:
    return seconds if seconds is not None and 0.0 <= seconds <= LONGEST_S else None


def _number(written: bytes | None) -> float | None:
    if written is None or len(written) > 16:
        return None
    text = written.strip()
    return float(text) if text.replace(b".", b"", 1).isdigit() else None


def _until(written: bytes, today: float) -> float | None:
    try:
        date = parsedate_tz(written.decode("ascii"))
        return None if date is None else max(0.0, mktime_tz(date) - today)
    except (ValueError, OverflowError):
        return None
