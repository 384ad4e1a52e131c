"""The elements of a list inside a valid document, read from its end.

Routing looks at the newest messages, and a conversation may be thirty megabytes, or ten million
messages of two bytes. So a large list is opened a window at a time. Where a window may begin is
guessed and then proved by decoding it: what reads as whole elements up to the end of the list is
whole elements. (Had the guess been inside a string, the quotes behind it would not pair; had it
been inside another container, that one's closing bracket would be in the way.)
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice
from typing import Final

import msgspec

from plano.errors import InvalidRequest

ELEMENT_LIMIT: Final = 100_000
"""Of one list. Anthropic documents as many messages for the largest request it takes, and no other
provider takes more; undecoded they are 7 MB."""

WINDOW: Final = 64 * 1024
"""Opened at once. Sixteen messages usually fit; of the smallest elements there are, it makes 1.5 MB."""

_GROWTH: Final = 8
"""By which a window grows that ends in an element larger than itself."""

_ATTEMPTS: Final = 4096
"""Guesses in one window. A wrong one ends at its container's bracket, and so would all before that."""

_NEAR: Final = 4096
"""How long a run of backslashes is followed back to see which of them escape."""

_SPARSE: Final = 4096
"""Commas that are sought one by one, which is fastest where there are hardly any: in an attachment."""

_COUNTED: Final = 64 * 1024
"""Bytes that are copied to be counted in."""

_OPENER: Final = re.compile(rb',[ \t\r\n]*(?=\{[ \t\r\n]*")')
"""A comma and an object behind it: between two elements, or anywhere deeper. Never in a string, where the
quote would be escaped."""
_COMMA: Final = re.compile(rb",")
_PLACE: Final = re.compile(r"\(byte (\d+)\)\Z")
_NOT_MARKS: Final = bytes(code for code in range(256) if code not in b'",')
_STRING: Final = re.compile(rb'"[^"]*"')

_NONE: Final = msgspec.Raw(b"[]")

_list = msgspec.json.Decoder(list[msgspec.Raw]).decode


def is_null(raw: msgspec.Raw) -> bool:
    return len(raw) == 4 and bytes(raw) == b"null"


class Elements:
    """A list that may be absent or null. Raises InvalidRequest for one too large to be looked at."""

    __slots__ = ("_decoded", "_raw", "_where")

    def __init__(self, raw: msgspec.Raw | None, where: str) -> None:
        """`where` is the path of the list in the request."""
        self._raw = _NONE if raw is None or is_null(raw) else raw
        self._where = where
        self._decoded: list[msgspec.Raw] | None = None

    def all(self) -> list[msgspec.Raw]:
        """All of them, in order."""
        if self._decoded is None:
            self._decoded = _list(self._raw) if self._are_few() else self._collected()
        return self._decoded

    def newest_first(self) -> Iterator[msgspec.Raw]:
        """The last first; the cost is that of those asked for."""
        view = memoryview(self._raw)
        if self._decoded is not None or len(view) <= WINDOW:
            yield from reversed(self.all())
            return
        end = len(view) - 1
        while end > 1:
            found = self._before(view, end, WINDOW)
            if found is None and end == len(view) - 1 and self._are_few():
                self._decoded = _list(self._raw)
                yield from reversed(self._decoded)
                return
            start, elements = found or self._in_larger_window(view, end)
            yield from reversed(elements)
            end = start

    def _before(self, view: memoryview, end: int, size: int) -> tuple[int, list[msgspec.Raw]] | None:
        """Those of the elements before `end` that begin in the `size` bytes there, and the comma or bracket
        in front of them; None when none is known to."""
        start = max(0, end - size)
        text = bytearray(view[start:end])
        text += b"]"
        if size > WINDOW:
            self._refuse_many(text, view, start)
        if start == 0:
            return 0, _list(text)
        failed = 0
        for opener in islice(_OPENER.finditer(text), _ATTEMPTS):
            at = opener.start()
            if at < failed:
                continue
            text[at] = ord("[")
            try:
                return start + at, _list(memoryview(text)[at:])
            except msgspec.DecodeError as error:
                text[at] = ord(",")
                failed = at + _place(error)
        return None

    def _in_larger_window(self, view: memoryview, end: int) -> tuple[int, list[msgspec.Raw]]:
        size, found = WINDOW, None
        while found is None:
            size *= _GROWTH
            found = self._before(view, end, size)
        return found

    def _are_few(self) -> bool:
        """Whether they are surely no more than the limit: there is a comma between two."""
        view = memoryview(self._raw)
        if len(view) <= WINDOW or next(islice(_COMMA.finditer(view), _SPARSE, None), None) is None:
            return True
        commas = 0
        for at in range(0, len(view), _COUNTED):
            commas += bytes(view[at : at + _COUNTED]).count(b",")
            if commas >= ELEMENT_LIMIT:
                return False
        return True

    def _collected(self) -> list[msgspec.Raw]:
        found = list(islice(self.newest_first(), ELEMENT_LIMIT + 1))
        if len(found) > ELEMENT_LIMIT:
            raise self._too_many()
        return found[::-1]

    def _refuse_many(self, text: bytearray, view: memoryview, start: int) -> None:
        """Refuses to open a window that could hold too many elements; commas in strings make none."""
        if text.count(b",") < ELEMENT_LIMIT:
            return
        before = bytes(view[max(0, start - _NEAR) : start])
        escapes = before[len(before.rstrip(b"\\")) :]
        plain = (escapes + text).replace(b"\\\\", b"").replace(b'\\"', b"")
        marks = plain.translate(None, _NOT_MARKS).replace(b'""', b"")
        if marks.count(b'"') % 2:  # it ends outside of a string, so it begins inside of one
            marks = b'"' + marks
        if _STRING.sub(b"", marks).count(b",") >= ELEMENT_LIMIT:
            raise self._too_many()

    def _too_many(self) -> InvalidRequest:
        message = f"`{self._where}` has too many elements: at most {ELEMENT_LIMIT} are accepted."
        return InvalidRequest(message, param=self._where)


def _place(error: msgspec.DecodeError) -> int:
    """How far decoding came, as the decoder tells; a byte where it does not."""
    told = _PLACE.search(str(error))
    return int(told[1]) if told else 1
