"""Messages read into turns one at a time, and the parts that all dialects share in them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import overload

import msgspec

from plano.chat.conversation import Turn
from plano.errors import InvalidRequest
from plano.wire import members

Fields = dict[str, msgspec.Raw]

_list = msgspec.json.Decoder(list[msgspec.Raw]).decode


class Turns(Sequence[Turn]):
    """A list of messages, each read (and refused, if it must be) when it is first looked at."""

    __slots__ = ("_messages", "_read", "_turns", "_where")

    def __init__(self, raw: msgspec.Raw | None, where: str, read: Callable[[Fields, str], Turn]) -> None:
        """`where` is the name of the list in the request; `read` is given one message and its path."""
        self._messages = elements(raw)
        self._where = where
        self._read = read
        self._turns: dict[int, Turn] = {}

    def __len__(self) -> int:
        return len(self._messages)

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
            turn = self._read(members.read(bytes(self._messages[at]), where), where)
            self._turns[at] = turn
        return turn


def elements(raw: msgspec.Raw | None) -> list[msgspec.Raw]:
    """The elements of a list that may be absent or null."""
    return [] if raw is None or is_null(raw) else _list(raw)


def is_null(raw: msgspec.Raw) -> bool:
    return bytes(raw) == b"null"


def opens_with(raw: msgspec.Raw, opener: bytes) -> bool:
    view = memoryview(raw)
    return view[0] == opener[0]


def text(fields: Fields, key: str, where: str) -> str | None:
    """A member that is a string, absent or null."""
    raw = fields.get(key)
    if raw is None or is_null(raw):
        return None
    if not opens_with(raw, b'"'):
        raise InvalidRequest(f"`{where}.{key}` must be a string.", param=f"{where}.{key}")
    return msgspec.json.decode(raw, type=str)


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
    for at, element in enumerate(_list(raw)):
        place = f"{where}[{at}]"
        fields = members.read(bytes(element), place)
        yield text(fields, "type", place) or "", fields, place


def texts_of(raw: msgspec.Raw | None, where: str) -> tuple[str, ...]:
    """The texts of content that is nothing but text: instructions."""
    found = (text(fields, "text", place) for _, fields, place in parts(raw, where))
    return tuple(each for each in found if each is not None)


def tool_names(raw: msgspec.Raw | None, where: str = "tools") -> tuple[str, ...]:
    """What the tools are called: their own name, a nested one, or their type when a provider brings them."""
    names = (
        _tool_name(members.read(bytes(each), place := f"{where}[{at}]"), place)
        for at, each in enumerate(elements(raw))
    )
    return tuple(name for name in names if name is not None)


def _tool_name(fields: Fields, where: str) -> str | None:
    kind = text(fields, "type", where)
    nested = fields.get(kind) if kind is not None else None
    if nested is not None and opens_with(nested, b"{"):
        within = f"{where}.{kind}"
        return text(members.read(bytes(nested), within), "name", within)
    return text(fields, "name", where) or text(fields, "server_label", where) or kind
