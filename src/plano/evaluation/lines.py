"""Files of one JSON object a line: read a line at a time, and what is wrong with lines, in words.

Every fault is told as `file:line: expected …; found …`, all of a file at once.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import IO, Final

import msgspec

LONGEST_LINE_BYTES: Final = 8 * 1024 * 1024
"""A conversation of two million tokens; what is longer is not a line but a file without line ends."""
MOST_TOLD: Final = 20
"""Faults that are told one by one: who wrote a file with a program makes one mistake a thousand times."""

_MALFORMED = re.compile(r"JSON is malformed: (.*) \(byte (\d+)\)")
_SHAPE = re.compile(r"Expected `([^`]+)`, got `(\w+)`(?: - at `\$(.*)`)?")
_RANGE = re.compile(r"Expected `(\w+)` (.+?)(?: - at `\$(.*)`)?$")
_DATE = re.compile(r"Invalid RFC3339 encoded datetime(?: - at `\$(.*)`)?")
_MISSING = re.compile(r"Object missing required field `(\w+)`(?: - at `\$(.*)`)?")
_KINDS = {
    "array": "a list",
    "object": "an object",
    "str": "text",
    "int": "a number",
    "float": "a number",
    "bool": "true or false",
    "null": "null",
    "datetime": "a date",
}


class LinesAtFault(Exception):
    """Lines that are not what they should be; the text is `file:line: expected …; found …` a line."""

    def __init__(self, told: Sequence[str], more: int) -> None:
        lines = [*told, *([f"and {more} more"] if more else [])]
        super().__init__("\n".join(lines))


class Faults:
    """Collects what is wrong with the lines of one file."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._told: list[str] = []
        self.count = 0

    def add(self, line: int, fault: str) -> None:
        self.count += 1
        if len(self._told) < MOST_TOLD:
            self._told.append(f"{self._name}:{line}: {fault}")

    def raise_any(self) -> None:
        """Raises LinesAtFault when there is one."""
        if self.count:
            raise LinesAtFault(self._told, self.count - len(self._told))


def numbered(lines: IO[bytes]) -> Iterator[tuple[int, bytes | None]]:
    """Each line that is not blank, with its number; None: it is longer than any line. A mark at the
    beginning that says that the file is UTF-8 belongs to no line."""
    number = 0
    while line := lines.readline(LONGEST_LINE_BYTES + 1):
        number += 1
        if len(line) > LONGEST_LINE_BYTES:
            while line and not line.endswith(b"\n"):
                line = lines.readline(LONGEST_LINE_BYTES)
            yield number, None
            continue
        line = line.removeprefix(b"\xef\xbb\xbf").strip() if number == 1 else line.strip()
        if line:
            yield number, line


TOO_LONG: Final = f"expected a line of at most {LONGEST_LINE_BYTES} bytes; found a longer one"


def in_words(error: Exception) -> str:
    """What msgspec says of a line that is no JSON object at all."""
    if isinstance(error, msgspec.ValidationError):
        return f"expected a JSON object; {shape(error).partition('; ')[2]}"
    if isinstance(error, UnicodeDecodeError):
        return f"expected UTF-8; found byte 0x{error.object[error.start]:02x} at byte {error.start}"
    if isinstance(error, RecursionError):
        return "expected a JSON object; found one nested too deeply"
    malformed = _MALFORMED.match(str(error))
    found = f"{malformed[1]} at byte {malformed[2]}" if malformed else "one that ends too early"
    return f"expected a JSON object on one line; found {found}"


def shape(error: msgspec.ValidationError) -> str:
    """What msgspec says of a member, in ours: `[0].name: expected text; found a number`."""
    text = str(error)
    if found := _SHAPE.match(text):
        return f"{_place(found[3])}expected {_kinds(found[1])}; found {_kinds(found[2])}"
    if found := _MISSING.match(text):
        return f"{_place(found[2])}expected the key {found[1]!r}; found none"
    if found := _RANGE.match(text):
        return f"{_place(found[3])}expected {_kinds(found[1])} {found[2]}; found another"
    if found := _DATE.match(text):
        return f"{_place(found[1])}expected a date such as 2026-11-22T09:30:00Z; found other text"
    return text


def _place(path: str | None) -> str:
    return f"{path.removeprefix('.')}: " if path else ""


def _kinds(names: str) -> str:
    """`str | null` is `text or null`."""
    return " or ".join(dict.fromkeys(_KINDS.get(name, name) for name in names.split(" | ")))
