"""What to say about bytes that are not the JSON they should be.

Everything here but `refuse_unless_utf8` runs only once a document has been refused, so it may
look at the bytes again to find the place and the reason that the decoder does not tell.
"""

from __future__ import annotations

import codecs
import re
from itertools import islice

import msgspec

from plano.errors import InvalidJson, InvalidRequest

NESTING_LIMIT = 64
"""Levels of lists and objects in a request; deeper ones have crashed parsers behind gateways."""

_WINDOW = 1 << 14
"""How many bytes are decoded at once: a whole body of wide characters would take four times its size,
and a window that stays in the processor's cache is checked three times as fast."""

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_REASON = re.compile(r"JSON is malformed: (.*) \(byte (\d+)\)")
_FOUND = re.compile(r"got `(\w+)`")
_NOT_A_NUMBER = re.compile(rb"-?(?:NaN|nan|-?Inf)")
_HIGH_ALONE = re.compile(rb"\\u[dD][89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F][0-9a-fA-F]{2})")
_LOOKED_AT = 1000
"""How many suspicious escapes, and how many backslashes before one, are looked at for a better message."""

_KINDS = {"array": "a list", "str": "a string", "int": "a number", "float": "a number", "bool": "a boolean"}


def refuse_unless_utf8(body: bytes) -> None:
    """The decoder does not look at the strings it skips, and what it skips is passed on."""
    if body.isascii():
        return
    at = 0
    try:
        if len(body) <= _WINDOW:
            body.decode()
            return
        view = memoryview(body)
        while at < len(body):
            window = view[at : at + _WINDOW]
            _, used = codecs.utf_8_decode(window, "strict", at + _WINDOW >= len(body))
            at += used
    except UnicodeDecodeError as error:
        place = position(body, at + error.start)
        raise InvalidJson(f"The body is not UTF-8: {error.reason} {place}. Send JSON in UTF-8.") from error


def position(body: bytes, at: int) -> str:
    """A byte offset as a person can find it."""
    line = body.count(b"\n", 0, at) + 1
    column = at - body.rfind(b"\n", 0, at)
    return f"at byte {at} (line {line}, column {column})"


def kind_at(body: bytes, at: int) -> str:
    """What kind of JSON value begins here, in words."""
    match body[at : at + 1]:
        case b'"':
            return "a string"
        case b"[":
            return "a list"
        case b"{":
            return "an object"
        case b"t" | b"f":
            return "a boolean"
        case b"n":
            return "null"
    return "a number"


def too_deep() -> InvalidJson:
    return InvalidJson(
        f"The body is nested too deeply: at most {NESTING_LIMIT} levels of lists and objects are accepted."
    )


def explained(body: bytes, error: Exception) -> InvalidJson | InvalidRequest:
    """The refusal for a top level that `msgspec` could not read as an object."""
    if isinstance(error, RecursionError):
        return too_deep()
    if isinstance(error, msgspec.ValidationError):
        found = _FOUND.search(str(error))
        kind = _KINDS.get(found[1], found[1]) if found else "something else"
        return InvalidRequest(f"The body must be a JSON object; got {kind}.")
    if not body.strip():
        return InvalidJson("The body is empty; a JSON object is expected.")
    if body.startswith(_BYTE_ORDER_MARK):
        return InvalidJson("The body starts with a byte order mark; send JSON in UTF-8 without one.")
    return InvalidJson(f"The body is not valid JSON: {_reason(body, str(error))}.")


def _reason(body: bytes, text: str) -> str:
    told = _REASON.match(text)
    if told is None:
        # A high surrogate without its low one reads to the decoder as an end of input.
        lone = _lone_surrogate(body)
        if lone is None:
            return f"it ends too early, {position(body, len(body))}"
        return f"a lone surrogate escape {position(body, lone)}"
    at = int(told[2])
    reason = told[1]
    if _NOT_A_NUMBER.match(body, at):
        reason = "NaN and Infinity are not JSON numbers,"
    elif "surrogate" in reason:
        reason = "a lone surrogate escape"
    return f"{reason} {position(body, at)}"


def _lone_surrogate(body: bytes) -> int | None:
    for found in islice(_HIGH_ALONE.finditer(body), _LOOKED_AT):
        at = found.start()
        before = body[max(0, at - _LOOKED_AT) : at]
        if (len(before) - len(before.rstrip(b"\\"))) % 2 == 0:
            return at
    return None
