"""The members of one JSON object: each value undecoded, and where in the bytes it stands.

msgspec finds the values quickly but keeps no offsets and silently lets the last of two equal
keys win. So the object is decoded to raw values, and then its length is added up as if it held
no white space; where that is not its length it is walked over once: each step matches a key and
compares a value. Values end by themselves (a number at what follows it, which no key or brace
can), so an equal prefix is an equal value and the offsets are exact. A walk that does not reach
the closing brace through as many values as there are keys has met a duplicate; whose it is only
matters then.
"""

from __future__ import annotations

import re
from collections.abc import Container
from typing import NoReturn

import msgspec

from plano.errors import InvalidJson, InvalidRequest
from plano.wire.malformed import position

MEMBER_LIMIT = 1000
"""Members of one object. The richest request of any dialect has about fifty; a body of millions
of keys would take thirty times its size in memory."""

_LARGE = 1 << 16
"""From here on members are counted while they are decoded, not afterwards."""

_KEY = re.compile(rb'[\s,]*"([^"\\]*(?:\\.[^"\\]*)*)"\s*:\s*', re.DOTALL)
_END = re.compile(rb"\s*\}\s*\Z")

_match_key = _KEY.match
_decode = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


Span = tuple[int, int, int]
"""Where one member stands: its key's opening quote, its value's first byte, and the byte behind the value.
A plain tuple, for it is made for every member of every request."""


class _Counted(str):
    """A key that was counted while it was decoded."""

    __slots__ = ()


def decode(body: bytes) -> dict[str, msgspec.Raw]:
    """The members of an object, in order. Raises msgspec's errors, and InvalidJson for too many."""
    if len(body) >= _LARGE:
        return _decode_counting(body)
    members = _decode(body)
    if len(members) > MEMBER_LIMIT:
        raise _too_many()
    return members


def walk(
    body: bytes, members: dict[str, msgspec.Raw], wanted: Container[str] | None = None
) -> dict[str, Span]:
    """Where each of the members that `decode` found in `body` stands, or those `wanted` of them; a duplicate
    key is refused."""
    # As if there were no white space, which is how most clients write. No way to write these members is
    # shorter, and an escaped key, a character of several bytes or a doubled key makes it longer: an
    # equal length is a proof.
    spans: dict[str, Span] = {}
    at = 1
    for key, raw in members.items():
        start = at + len(key) + 3
        end = start + len(raw)
        if wanted is None or key in wanted:
            spans[key] = (at, start, end)
        at = end + 1
    return spans if at == len(body) else _walked(body, members)


def _walked(body: bytes, members: dict[str, msgspec.Raw]) -> dict[str, Span]:
    """Where they all stand, found key by key."""
    at = body.index(b"{") + 1
    spans: dict[str, Span] = {}
    for key, raw in members.items():
        found = _match_key(body, at)
        if found is None:
            _refuse(body, at, spans)
        at = found.start(1) - 1
        start = found.end()
        if not body.startswith(raw, start):
            _refuse(body, at, spans)
        end = start + len(raw)
        spans[key] = (at, start, end)
        at = end
    if body[at:] != b"}" and _END.match(body, at) is None:
        _refuse(body, at, spans)
    return spans


def read(text: bytes, where: str) -> dict[str, msgspec.Raw]:
    """The members of an object inside a document that is known to be valid; `where` is its path in it."""
    if not text.startswith(b"{"):
        raise InvalidRequest(f"`{where}` must be an object.", param=where)
    members = decode(text)
    try:
        walk(text, members, ())
    except InvalidJson as error:
        raise InvalidJson(f"In `{where}`: {error.message}", param=f"{where}.{error.param}") from None
    return members


def _decode_counting(body: bytes) -> dict[str, msgspec.Raw]:
    left = MEMBER_LIMIT

    def counted(_: type, key: str) -> _Counted:
        nonlocal left
        left -= 1
        if left < 0:
            raise _too_many()
        return _Counted(key)

    decoder = msgspec.json.Decoder(dict[_Counted, msgspec.Raw], dec_hook=counted)
    return decoder.decode(body)  # type: ignore[return-value]  # a _Counted is a str


def _unescaped(name: bytes) -> str:
    return msgspec.json.decode(b'"' + name + b'"', type=str)


def _refuse(body: bytes, at: int, spans: dict[str, Span]) -> NoReturn:
    """Name the duplicate: a key that was passed twice, or the one whose first value is not its last."""
    places = [key for key, _, _ in spans.values()]
    if _match_key(body, at) is not None:
        places.append(at)
    name = ""
    seen: set[str] = set()
    for place in places:
        found = _match_key(body, place)
        assert found is not None
        at, name = found.start(1) - 1, _unescaped(found[1])
        if name in seen:
            break
        seen.add(name)
    raise InvalidJson(
        f"Duplicate key {name!r} in one object, {position(body, at)}; each key may appear once.", param=name
    )


def _too_many() -> InvalidJson:
    return InvalidJson(f"An object has more than {MEMBER_LIMIT} members.")
