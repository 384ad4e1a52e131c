"""Messages read into turns one at a time, and the parts that all dialects share in them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain
from typing import Final, overload

import msgspec

from plano.chat.conversation import Turn
from plano.errors import InvalidJson, InvalidRequest, PlanoError
from plano.wire import members
from plano.wire.elements import Elements, is_null

Fields = dict[str, msgspec.Raw]
Read = Callable[[Fields, str], Turn]
"""Makes a turn of one message's members; the text is the message's path."""

LONGEST_TEXT: Final = 256 * 1024
"""Bytes of one text as written. Of a longer one the beginning and the end are read: that is eight times what
a router looks at unless told otherwise, and as Python text it may take four times its size."""
LARGE: Final = 256 * 1024
"""Bytes of an object that is not copied to be looked into: an attachment may be twenty megabytes."""
MOST_PARTS: Final = 256
"""Parts of one message that are read. Of more, the first and the last."""
HEAD_SHARE: Final = 0.6
"""How much of what is kept of something too long stands at its beginning."""

_text = msgspec.json.Decoder(str).decode

_USER: Final = b'"user"'
_MARK: Final = "…"
_SLACK: Final = 4096
"""Where a text is cut, how far a place is sought at which it may be."""
_MAY_BEGIN: Final = re.compile(rb'[^0-9a-fA-Funrtb"\\/\x80-\xbf]')
"""A byte that is part of no escape and no character begun before it."""


class Turns(Sequence[Turn]):
    """A list of messages, each read (and refused, if it must be) when it is first looked at."""

    __slots__ = ("_elements", "_read", "_turns", "_where")

    def __init__(self, raw: msgspec.Raw | None, where: str, read: Read) -> None:
        """`where` is the name of the list in the request."""
        self._elements = Elements(raw, where)
        self._where = where
        self._read = read
        self._turns: dict[int, Turn] = {}

    def __len__(self) -> int:
        return len(self._elements.all())

    @overload
    def __getitem__(self, at: int) -> Turn: ...
    @overload
    def __getitem__(self, at: slice) -> Sequence[Turn]: ...
    def __getitem__(self, at: int | slice) -> Turn | Sequence[Turn]:
        if isinstance(at, slice):
            return [self[each] for each in range(*at.indices(len(self)))]
        at = range(len(self))[at]
        turn = self._turns.get(at)
        if turn is None:
            where = f"{self._where}[{at}]"
            turn = self._read(_members(self._elements.all()[at], where), where)
            self._turns[at] = turn
        return turn

    def newest_first(self) -> Iterator[UnreadMessage]:
        """From the last message to the first; those that are not asked for are not even told apart."""
        for behind, raw in enumerate(self._elements.newest_first(), 1):
            yield UnreadMessage(self, raw, behind)

    def from_the_end(self, raw: msgspec.Raw, behind: int) -> Turn:
        """The message `raw`, which is the `behind`th from the end."""
        where = f"{self._where}[-{behind}]"
        try:
            return self._read(_members(raw, where), where)
        except PlanoError:
            # Where it stands from the beginning is worth finding out only for who is told.
            return self[-behind]


class UnreadMessage:
    """One message of a list, undecoded."""

    __slots__ = ("_behind", "_raw", "_turns")

    def __init__(self, turns: Turns, raw: msgspec.Raw, behind: int) -> None:
        self._turns = turns
        self._raw = raw
        self._behind = behind

    def may_be_users(self) -> bool:
        """Whether the word stands in it at all; nobody writes it with escapes."""
        return len(self._raw) > LARGE or _USER in bytes(self._raw)

    def read(self) -> Turn:
        return self._turns.from_the_end(self._raw, self._behind)


class _Key(str):
    """A key that was looked at while it was decoded."""

    __slots__ = ()


def _members(raw: msgspec.Raw, where: str) -> Fields:
    """The members of an object; `where` is its path. A key that stands there twice is refused."""
    if len(raw) <= LARGE:
        return members.read(bytes(raw), where)
    if not opens_with(raw, b"{"):
        raise InvalidRequest(f"`{where}` must be an object.", param=where)
    return _members_of_large(raw, where)


def _members_of_large(raw: msgspec.Raw, where: str) -> Fields:
    """The same without a copy of all that is in it."""
    seen: set[str] = set()

    def look(_: type, key: str) -> _Key:
        if key in seen:
            message = f"In `{where}`: duplicate key {key!r} in one object; each key may appear once."
            raise InvalidJson(message, param=f"{where}.{key}")
        seen.add(key)
        if len(seen) > members.MEMBER_LIMIT:
            raise InvalidJson(f"`{where}` has more than {members.MEMBER_LIMIT} members.", param=where)
        return _Key(key)

    decoder = msgspec.json.Decoder(dict[_Key, msgspec.Raw], dec_hook=look)
    return {str(key): value for key, value in decoder.decode(raw).items()}


def opens_with(raw: msgspec.Raw, opener: bytes) -> bool:
    view = memoryview(raw)
    return view[0] == opener[0]


def text(fields: Fields, key: str, where: str) -> str | None:
    """A member that is a string, absent or null; of a very long one the beginning and the end."""
    raw = fields.get(key)
    if raw is None:
        return None
    if len(raw) > LONGEST_TEXT and opens_with(raw, b'"'):
        return _ends_of(raw)
    written = bytes(raw)
    if written.startswith(b'"'):
        return _text(written)
    if written == b"null":
        return None
    raise InvalidRequest(f"`{where}.{key}` must be a string.", param=f"{where}.{key}")


def _ends_of(raw: msgspec.Raw) -> str:
    """Beginning and end of a long text, cut where no escape and no character is."""
    inside = memoryview(raw)[1:-1]
    head = int(LONGEST_TEXT * HEAD_SHARE)
    tail = len(inside) - (LONGEST_TEXT - head)
    end = _MAY_BEGIN.search(inside, head - _SLACK, head)
    start = _MAY_BEGIN.search(inside, tail, tail + _SLACK)
    ends = (inside[: end.start() if end else 0], inside[start.start() if start else len(inside) :])
    return _MARK.join(_text(b'"%b"' % bytes(each)) for each in ends)


def named(fields: Fields, where: str) -> str:
    """The `role` of a message: the one member that every dialect insists on."""
    role = text(fields, "role", where)
    if role is None:
        where = f"{where}.role"
        raise InvalidRequest(f"`{where}` is missing; every message says who speaks.", param=where)
    return role


def parts(raw: msgspec.Raw | None, where: str) -> Iterator[tuple[str, Fields, str]]:
    """Content as parts: kind, members and path of each. Plain text is one part of kind `text`."""
    if raw is None or is_null(raw):
        return
    if opens_with(raw, b'"'):
        yield "text", {"text": raw}, where
        return
    if not opens_with(raw, b"["):
        raise InvalidRequest(f"`{where}` must be a string or a list.", param=where)
    for at, element in _some(Elements(raw, where).all()):
        place = f"{where}[{at}]"
        fields = _members(element, place)
        yield text(fields, "type", place) or "", fields, place


def _some(elements: list[msgspec.Raw]) -> Iterable[tuple[int, msgspec.Raw]]:
    """Parts and where they stand; of too many the first and the last."""
    if len(elements) <= MOST_PARTS:
        return enumerate(elements)
    head = int(MOST_PARTS * HEAD_SHARE)
    start = len(elements) - (MOST_PARTS - head)
    return chain(enumerate(elements[:head]), enumerate(elements[start:], start))


def texts_of(raw: msgspec.Raw | None, where: str) -> tuple[str, ...]:
    """The texts of content that is nothing but text: instructions."""
    found = (text(fields, "text", place) for _, fields, place in parts(raw, where))
    return tuple(each for each in found if each is not None)


def tool_names(raw: msgspec.Raw | None, where: str = "tools") -> tuple[str, ...]:
    """What the tools are called: their own name, a nested one, or their type when a provider brings them."""
    names = (
        _tool_name(_members(each, place := f"{where}[{at}]"), place)
        for at, each in enumerate(Elements(raw, where).all())
    )
    return tuple(name for name in names if name is not None)


def _tool_name(fields: Fields, where: str) -> str | None:
    kind = text(fields, "type", where)
    nested = fields.get(kind) if kind is not None else None
    if nested is not None and opens_with(nested, b"{"):
        within = f"{where}.{kind}"
        return text(_members(nested, within), "name", within)
    return text(fields, "name", where) or text(fields, "server_label", where) or kind
