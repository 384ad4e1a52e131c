"""One line a request, at its end: a JSON object, or one line for people.

`AccessLog` is a view of the record; `LogWriter` (`log_writer.py`) gets the lines out. What came
from outside can neither start a line of its own nor move the reader's cursor: whatever is not
printable is escaped, and no line is longer than `LINE_LIMIT`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Literal, Protocol, TypeVar

import msgspec

from plano.chat.usage import Usage
from plano.exchange.record import ExchangeRecord, FailedAttempt
from plano.observe.batches import take_each
from plano.observe.vocabulary import (
    ENDED_BY,
    ENDED_IN,
    LOOKUP_OUTCOMES,
    UNBUDGETED,
    UNKNOWN,
    FailedObject,
    LogLine,
    RoutedLine,
)

LogFormat = Literal["json", "text"]
Written = TypeVar("Written", LogLine, FailedObject)

ORDINARY_LINE = 1024
"""Bytes of a line that is written as it is; a longer one has its strings cut to `LONG_STRING`."""
LONG_STRING = 256
"""Characters: the length to which the record already cuts the requested model."""
LINE_LIMIT = 4096
"""PIPE_BUF on Linux: up to here workers that share a pipe cannot write into each other's lines."""
SHORT_STRING = 24
"""Characters a string keeps when a line is still over the limit."""
SHORTEST_STRING = 8
"""And then, of those that hold something unprintable: each such character takes twelve bytes at worst, so
that twenty strings from outside leave 2,000 for the rest. Our own words are printable and shorter."""
LINES_TOGETHER = 1024
"""Lines that wait for the writer at most; a busy worker fills them in a tenth of a second."""
LARGEST_COUNT = 2**63 - 1
"""What a number is cut to, too, in a line that is too long: a provider may claim anything."""
DELETE = 0x7F
"""Looked for as a number: for `bytes in bytes` CPython first raises and drops an exception."""
DECIMALS = 4
"""Of a score, as in the decision that a client is told."""
CUT = "\u2026"
"""What a cut string ends in."""

_MILLISECONDS = tuple(f".{millisecond:03d}Z" for millisecond in range(1000))
_SECONDS_REMEMBERED = 512
"""How many seconds are kept in words: streams that end together began at different ones."""


class Writer(Protocol):
    """Takes lines and never blocks, until it is closed."""

    @property
    def dropped(self) -> int: ...

    def write(self, lines: list[bytes]) -> None: ...

    def close(self, timeout_s: float) -> bool: ...


class AccessLog:
    """Turns records into lines and hands them on."""

    __slots__ = ("_lines", "_render", "_seconds", "_writer")

    def __init__(self, writer: Writer, log_format: LogFormat) -> None:
        self._writer = writer
        self._lines: list[bytes] = []
        self._render: Callable[[LogLine], bytes] = json_line if log_format == "json" else text_line
        self._seconds: dict[int, str] = {}

    def take(self, records: Sequence[ExchangeRecord]) -> None:
        """Raises as `take_each` does."""
        try:
            take_each(records, self._take)
        finally:
            if len(self._lines) >= LINES_TOGETHER:
                self.hand_over()

    def _take(self, record: ExchangeRecord) -> None:
        self._lines.append(self._render(self._log_line(record)))

    def hand_over(self) -> None:
        """Give the writer what was taken: it wakes a thread, so not for every batch."""
        if self._lines:
            lines, self._lines = self._lines, []
            self._writer.write(lines)

    @property
    def dropped(self) -> int:
        """Lines that did not get out."""
        return self._writer.dropped

    def close(self, timeout_s: float) -> bool:
        """Get what was taken written, for at most about this long; whether it was."""
        self.hand_over()
        return self._writer.close(timeout_s)

    def _log_line(self, record: ExchangeRecord) -> LogLine:
        """Milliseconds have three decimals: `round` would cost four times as much."""
        started, decided, sent = record.started, record.decided, record.sent
        first_byte, first_content, ended = record.first_byte, record.first_content, record.ended
        dialect, preferred = record.dialect, record.preferred
        usage = record.usage or _NO_USAGE
        line = LogLine(
            self._date(record.at),
            record.request_id,
            record.method,
            record.path,
            record.stream,
            record.ending,
            record.phase,
            record.attempts,
            record.bytes_in,
            record.bytes_out,
            record.status,
            record.code,
            record.client_host,
            None if dialect is None else dialect._value_,
            record.requested,
            record.chosen,
            record.served,
            record.provider,
            record.decision,
            record.route,
            record.finish_reason,
            record.upstream_id,
            None if decided is None else int((decided - started) * 1e6 + 0.5) / 1e3,
            None if sent is None else int((sent - started) * 1e6 + 0.5) / 1e3,
            None if first_byte is None else int((first_byte - started) * 1e6 + 0.5) / 1e3,
            None if first_content is None else int((first_content - started) * 1e6 + 0.5) / 1e3,
            None if ended is None else int((ended - started) * 1e6 + 0.5) / 1e3,
            usage.input_tokens,
            usage.output_tokens,
            usage.cache_read_tokens,
            usage.cache_creation_tokens,
            usage.reasoning_tokens,
            record.detail,
            record.key,
            None if preferred is None or preferred == record.chosen else preferred,
            tuple([_failed(each, started) for each in record.failed]) if record.failed else (),
        )
        return _routed(line, record) if record.reasons else line

    def _date(self, at: float) -> str:
        second, millisecond = divmod(int(at * 1000 + 0.5), 1000)
        words = self._seconds.get(second)
        if words is None:
            if len(self._seconds) >= _SECONDS_REMEMBERED:
                self._seconds.clear()
            words = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))
            self._seconds[second] = words
        return words + _MILLISECONDS[millisecond]


def _routed(line: LogLine, record: ExchangeRecord) -> RoutedLine:
    routed = RoutedLine(*msgspec.structs.astuple(line))
    if record.has_switched:
        routed.switch = UNBUDGETED
    for reason in record.reasons:
        if reason.outcome == "skipped":
            continue
        if reason.step == "preference":
            routed.router = reason.router
            routed.score = _rounded(reason.score)
            routed.margin = _rounded(reason.margin)
        elif reason.kind in LOOKUP_OUTCOMES:
            routed.affinity = reason.kind
        elif reason.step == "affinity":
            routed.switch = reason.kind
    routed.counterfactual_model = record.counterfactual
    return routed


def _failed(attempt: FailedAttempt, started: float) -> FailedObject:
    usage = attempt.usage or _NO_USAGE
    return FailedObject(
        attempt.model,
        attempt.code,
        int((attempt.at - started) * 1e6 + 0.5) / 1e3,
        attempt.status,
        usage.input_tokens,
        usage.output_tokens,
    )


def _rounded(measure: float | None) -> float | None:
    return None if measure is None else round(measure, DECIMALS)


_NO_USAGE = Usage()


_encode = msgspec.json.Encoder().encode


def json_line(line: LogLine) -> bytes:
    """One JSON object and a newline; unknown fields are left out."""
    try:
        encoded = _encode(line)
    except UnicodeEncodeError:
        return json_line(_each_value(line, _encodable))
    # The encoder escapes control characters, but neither DEL nor anything past ASCII.
    if len(encoded) < ORDINARY_LINE and encoded.isascii() and DELETE not in encoded:
        return encoded + b"\n"
    return _bounded(line, _escaped_json)


def _escaped_json(line: LogLine) -> bytes:
    # Everything past ASCII is inside a string: the object's names and punctuation are not.
    return _escaped(_encode(line).decode()).encode() + b"\n"


def text_line(line: LogLine) -> bytes:
    """One line of a fixed number of words, in HAProxy's spirit; `-` is an unknown value.

    A word that holds a space, a quote or something unprintable stands in quotes, escaped.
    """
    words = _words(line)
    text = " ".join(words)
    is_plain = text.isprintable() and text.count(" ") == len(words) - 1 and '"' not in text
    if is_plain and len(text) < ORDINARY_LINE:
        return text.encode() + b"\n"
    return _bounded(line, _quoted_text)


def _quoted_text(line: LogLine) -> bytes:
    return " ".join(map(_quoted, _words(line))).encode() + b"\n"


def _bounded(line: LogLine, render: Callable[[LogLine], bytes]) -> bytes:
    """The line with as much of its strings as `LINE_LIMIT` leaves room for."""
    rendered = render(line)
    if len(rendered) <= ORDINARY_LINE:
        return rendered
    for width in (LONG_STRING, SHORT_STRING):
        rendered = render(_cut(line, width))
        if len(rendered) <= LINE_LIMIT:
            return rendered
    return render(_cut(line, SHORT_STRING, unprintable=SHORTEST_STRING))


def _words(line: LogLine) -> list[str]:
    state = ENDED_BY[line.ending] + ENDED_IN[line.phase]
    timers = (line.decided_ms, line.sent_ms, line.first_byte_ms, line.first_content_ms, line.total_ms)
    return [
        line.time,
        line.client or UNKNOWN,
        line.request_id or UNKNOWN,
        line.method or UNKNOWN,
        line.path or UNKNOWN,
        line.dialect or UNKNOWN,
        "stream" if line.stream else "whole",
        UNKNOWN if line.status is None else str(line.status),
        line.code or UNKNOWN,
        state,
        line.requested_model or UNKNOWN,
        line.chosen_model or UNKNOWN,
        line.served_model or UNKNOWN,
        line.decision or UNKNOWN,
        line.route or UNKNOWN,
        str(line.attempts),
        "/".join([UNKNOWN if timer is None else str(timer) for timer in timers]),
        f"{line.bytes_in}/{line.bytes_out}",
        f"{_count(line.input_tokens)}/{_count(line.output_tokens)}",
        line.finish_reason or UNKNOWN,
    ]


def _count(tokens: int | None) -> str:
    return UNKNOWN if tokens is None else str(tokens)


def _quoted(word: str) -> str:
    if word.isprintable() and " " not in word and '"' not in word:
        return word
    return '"' + _escaped(word.replace("\\", "\\\\").replace('"', '\\"')) + '"'


def _escaped(text: str) -> str:
    """With JSON's escapes for all that cannot be printed: control and format characters, odd spaces."""
    if text.isprintable():
        return text
    return "".join([character if character.isprintable() else _escape(character) for character in text])


def _escape(character: str) -> str:
    units = character.encode("utf-16-be", "surrogatepass")
    return "".join([f"\\u{units[at : at + 2].hex()}" for at in range(0, len(units), 2)])


def _encodable(value: object) -> object:
    """Half a surrogate pair has no UTF-8 and is shown by its number."""
    return value.encode("utf-8", "backslashreplace").decode() if isinstance(value, str) else value


def _cut(line: LogLine, width: int, *, unprintable: int | None = None) -> LogLine:
    """`unprintable`: the length of strings that hold something unprintable, where it is another one."""

    def cut(value: object) -> object:
        match value:
            case str() if len(value) > width:
                return cut(value[: width - 1] + CUT)
            case str() if unprintable is not None and len(value) > unprintable and not value.isprintable():
                return value[: unprintable - 1] + CUT
            case int() if value > LARGEST_COUNT:
                return LARGEST_COUNT
            case _:
                return value

    return _each_value(line, cut)


def _each_value(line: Written, change: Callable[[object], object]) -> Written:
    changed: dict[str, object] = {}
    for name in line.__struct_fields__:
        value = getattr(line, name)
        is_several = isinstance(value, tuple)
        changed[name] = tuple([_each_value(each, change) for each in value]) if is_several else change(value)
    return msgspec.structs.replace(line, **changed)
