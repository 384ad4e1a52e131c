"""Is a valid JSON document nested more deeply than allowed? Exact, and cheap where it can be.

A value cannot be deeper than it has opening brackets, wherever they stand: few of them settle
it at the speed of a byte search. Where there are many (mostly inside strings: code, quoted
JSON), only containers with enough of them are opened, a level at a time, undecoded. A document
made to be dear (millions of tiny lists, level upon level) is instead reduced to its brackets and
measured in blocks, at a fixed cost a byte.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Collection

import msgspec

_LEVELS = 4
"""How many levels are opened one by one before the rest is reduced to brackets."""

_ELEMENTS = 4096
"""How many elements of one container are looked at one by one."""

_LARGE = 2 << 20
"""From here on, elements are estimated by their commas before they are made into objects."""

_BYTES_AN_ELEMENT = 32
"""An undecoded element takes 64 bytes; at one in 32 bytes a container takes twice its size."""

_SHORT = 4096
"""Up to here counting all openers is cheaper than stopping early."""

_COPIED = 1 << 16
"""Up to here a value is copied to be searched; decoding it costs more than the copy."""

_COMMA, _SPACE = b", "

_BRACKETS = bytes(ord("[") if c == ord("{") else ord("]") if c == ord("}") else c for c in range(256))
_NOT_STRUCTURE = bytes(c for c in range(256) if c not in b'[]{}"')
_NOT_OPENERS = bytes(c for c in range(256) if c not in b"[{")
_STRING = re.compile(rb'"[^"]*"')

_native = struct.Struct("=Q")
"""Brackets are measured in words of eight: no more than 256 of them differ."""
_list = msgspec.json.Decoder(list[msgspec.Raw]).decode
_object = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


def deeper_than(limit: int, body: bytes, values: Collection[msgspec.Raw]) -> bool:
    """`body` is a valid JSON list or object, `values` are the values in it."""
    if not _many_openers(body, limit):
        return False
    if len(values) > _ELEMENTS:
        return _depth_exceeds(limit, _skeleton(body))
    return _any_deeper(limit - 1, values, _LEVELS)


def _any_deeper(limit: int, values: Collection[msgspec.Raw], levels: int) -> bool:
    room = 2 * limit
    for value in values:
        size = len(value)
        if size <= room:
            continue
        if size < _COPIED:
            text = bytes(value)
            if limit and text.find(b"{", 1) < 0 and text.find(b"[", 1) < 0:
                continue  # flat, as nearly every message is; two searches cost a tenth of two counts
            if size < _SHORT and not _many_openers(text, limit):
                continue
        if _opened_deeper(limit, value, levels):
            return True
    return False


def _opened_deeper(limit: int, value: msgspec.Raw, levels: int) -> bool:
    view = memoryview(value)
    opener = view[0]
    if opener not in b"[{":
        return False
    if limit == 0:
        return True
    if levels == 0 or _is_dear(view):
        return _depth_exceeds(limit, _skeleton(bytes(view)))
    inner = _list(view) if opener == ord("[") else _object(view).values()
    if len(inner) > _ELEMENTS:
        return _depth_exceeds(limit, _skeleton(bytes(view)))
    return _any_deeper(limit - 1, inner, levels - 1)


def _many_openers(text: bytes, limit: int) -> bool:
    if len(text) < _SHORT:
        return len(text.translate(None, _NOT_OPENERS)) > limit
    find = text.find
    left, siblings = limit, _ELEMENTS
    for opener in (b"{", b"["):
        at = find(opener)
        while at >= 0:
            if _takes_a_place(text, at):
                siblings -= 1
            else:
                left -= 1
            if left < 0 or siblings < 0:
                return True
            at = find(opener, at + 1)
    return False


def _takes_a_place(text: bytes, at: int) -> bool:
    """Whether the opener at `at` directly follows a closer and a comma, as one message follows another.
    With no quote between them both are structure or both are text: either way they add no level."""
    if text[at - 1] == _SPACE:
        at -= 1
    return text[at - 1] == _COMMA and text[at - 2] in b"}]"


def _is_dear(view: memoryview) -> bool:
    return len(view) > _LARGE and bytes(view).count(b",") > len(view) // _BYTES_AN_ELEMENT


def _skeleton(text: bytes) -> bytes:
    """The brackets outside of strings, all square, in order."""
    if b"\\" in text:
        # Backslashes pair from the left of a run; what is left of one escapes the next character.
        text = text.replace(b"\\\\", b"").replace(b'\\"', b"")
    brackets = text.translate(_BRACKETS, _NOT_STRUCTURE).replace(b'""', b"")
    return _STRING.sub(b"", brackets) if b'"' in brackets else brackets


def _depth_exceeds(limit: int, brackets: bytes) -> bool:
    # Closing brackets fill the last word: they cannot raise the peak.
    words = memoryview(brackets + b"]" * (-len(brackets) % _native.size)).cast("Q")
    profiles: dict[int, tuple[int, int]] = {}
    depth = 0
    for word in words:
        if word not in profiles:
            profiles[word] = _profile(_native.pack(word))
        climb, change = profiles[word]
        if depth + climb > limit:
            return True
        depth += change
    return False


def _profile(brackets: bytes) -> tuple[int, int]:
    """How far these climb at most, and where they end, counted from where they begin."""
    depth = peak = 0
    for bracket in brackets:
        depth += 1 if bracket == ord("[") else -1
        peak = max(peak, depth)
    return peak, depth
