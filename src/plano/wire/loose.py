"""Facts from what providers answer, whatever types they come in.

Answers are relayed, not judged: a count that is a string, a missing list, a name that is null
make a fact unknown (None, never zero) and nothing worse. Only what is no JSON object at all is
an invalid answer.
"""

from __future__ import annotations

from typing import TypeVar

import msgspec

from plano.errors import UpstreamInvalid

T = TypeVar("T")

UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What decoding foreign bytes may raise."""

NOTHING = msgspec.Raw(b"")
"""The value of an absent member."""

LARGEST_COUNT = 10**12
"""Of tokens, say. No answer has had a thousandth of it, and a number of hundreds of digits has no price: more
is a mistake of whoever counted."""

_EMPTY = (b"null", b'""', b"[]", b"{}")
_BRACKET = ord("[")
_LONGEST_NULL = 4
"""No object or text that says anything is shorter than this; null, {} and "" are not longer."""


def invalid(what: str) -> UpstreamInvalid:
    return UpstreamInvalid(f"{what} is not a JSON object.")


def strictly(decoder: msgspec.json.Decoder[T], data: bytes, what: str) -> T:
    """Decode an object all of whose members may be anything; `what` names it in the error."""
    try:
        return decoder.decode(data)
    except UNREADABLE as error:
        raise invalid(what) from error


def is_empty(raw: msgspec.Raw) -> bool:
    """Whether a member is there and there is nothing in it."""
    return len(raw) <= _LONGEST_NULL and bytes(raw) in _EMPTY


def value(raw: msgspec.Raw) -> object:
    """What a member holds; None when it is absent, null, empty or unreadable."""
    if len(raw) <= _LONGEST_NULL:
        return None
    try:
        found: object = msgspec.json.decode(raw)
    except UNREADABLE:
        return None
    return found


def text(raw: msgspec.Raw) -> str | None:
    """A member that is a text with something in it."""
    try:
        return msgspec.json.decode(raw, type=str) or None
    except UNREADABLE:
        return None


def document(data: bytes) -> object:
    """What a whole document holds; its text when it is unreadable."""
    try:
        found: object = msgspec.json.decode(data)
    except UNREADABLE:
        return data.decode("utf-8", "replace")
    return found


def at(found: object, *path: str) -> object:
    """What stands at the end of a path of keys; None where the path breaks off."""
    for key in path:
        if not isinstance(found, dict):
            return None
        found = found.get(key)
    return found


def text_at(found: object, *path: str) -> str | None:
    end = at(found, *path)
    return end if isinstance(end, str) and end else None


def fields(found: object) -> dict[str, object]:
    """The members of an object; none of anything else."""
    return found if isinstance(found, dict) else {}


def count(found: object) -> int | None:
    """A number of tokens: whole, not negative and not beyond all measure."""
    if type(found) is float and found.is_integer():
        found = int(found)
    return found if type(found) is int and 0 <= found <= LARGEST_COUNT else None


def is_list(raw: msgspec.Raw) -> bool:
    return len(raw) > 0 and memoryview(raw)[0] == _BRACKET
