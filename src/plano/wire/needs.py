"""What a request needs, read from the bytes it came in.

Read for requests that more than one model could answer, and only as far as one of them is known not to do
everything. Whatever is not plainly written is not needed: the worst that follows is a refusal by the
provider, which says it best.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Final

import msgspec

from plano.chat.dialect import Dialect
from plano.chat.needs import Needs
from plano.errors import PlanoError
from plano.wire import loose
from plano.wire.elements import Elements
from plano.wire.splice import Head
from plano.wire.turns import opens_with

MOST_COUNTED: Final = 4 * 1024 * 1024
"""Bytes in which words are counted, which takes some 6 ms; a prompt with more has at least those."""
_WINDOW: Final = 64 * 1024
"""Bytes that are counted at once."""
MOST_PARTS: Final = 4000
"""Messages and parts of messages in which an image is looked for, the newest first; some 5 ms."""
_DEEPEST: Final = 2
"""Lists inside of messages: their content, and in it the result of a tool."""

_LETTERS: Final = bytes(
    ord("a") if code >= 0x80 or chr(code).isalnum() else ord(" ") if code == ord(" ") else ord(".")
    for code in range(256)
)
_WORD: Final = b" a"
_UNCOUNTED: Final = (b'"thinking"', b'"reasoning"', b'"reasoning_content"')
"""Of earlier turns, providers leave them out of the prompt: how long that is is not known then."""
_SHORTENED_BY: Final = ("context_management", "truncation", "transforms")
"""Members by which a provider is asked to leave out what is too long."""


@dataclass(frozen=True, slots=True)
class Places:
    """Where a dialect writes what is looked for."""

    dialect: Dialect
    prompt: tuple[str, ...]
    """The members with the words of the prompt; the first is the list of messages."""
    tools: tuple[str, ...]
    formats: tuple[tuple[str, ...], ...]
    """Paths to an object whose `type` may be `json_schema`."""
    image: str
    """The `type` of a part that is an image."""


class _Part(msgspec.Struct, gc=False):
    """A message, or a part of one."""

    type: msgspec.Raw = loose.NOTHING
    content: msgspec.Raw = loose.NOTHING
    output: msgspec.Raw = loose.NOTHING


class _Format(msgspec.Struct, gc=False):
    """The form of an answer, or what it stands in."""

    type: msgspec.Raw = loose.NOTHING
    format: msgspec.Raw = loose.NOTHING


_part = msgspec.json.Decoder(_Part).decode
_format = msgspec.json.Decoder(_Format).decode


def read(head: Head, images: bool, tokens: int, *, places: Places) -> Needs:
    """What the request needs. `images`: whether it is worth looking for any; `tokens`: up to how many it is
    worth counting."""
    return Needs(
        places.dialect,
        any(_has_elements(head.raw(member)) for member in places.tools),
        any(_is_schema(head, *path) for path in places.formats),
        images and _has_image(head, places),
        _words(head, places.prompt, tokens) if tokens else 0,
    )


def _has_elements(raw: msgspec.Raw | None) -> bool:
    if raw is None or not opens_with(raw, b"["):
        return False
    return len(raw) > _WINDOW or bool(bytes(raw)[1:-1].strip())


def _is_schema(head: Head, member: str, *path: str) -> bool:
    raw = head.raw(member)
    try:
        for _ in path:
            raw = None if raw is None else _format(raw).format
        return raw is not None and loose.text(_format(raw).type) == "json_schema"
    except loose.UNREADABLE:
        return False


# --- images ---


def _has_image(head: Head, places: Places) -> bool:
    """Whether a message has a part that is an image, or the result of a tool that holds one."""
    raw = head.raw(places.prompt[0])
    if raw is None or b'"%b"' % places.image.encode() not in head.body:
        return False
    try:
        return any(
            loose.text(part.type) == places.image for part in islice(_parts(raw, _DEEPEST), MOST_PARTS)
        )
    except (*loose.UNREADABLE, PlanoError):
        return False


def _parts(raw: msgspec.Raw, deepest: int) -> Iterator[_Part]:
    """Every element of a list, the last first, and after each one what it holds."""
    if len(raw) == 0 or not opens_with(raw, b"["):
        return
    for element in Elements(raw, "content").newest_first():
        part = _part(element)
        yield part
        if deepest > 0:
            yield from _parts(part.content, deepest - 1)
            yield from _parts(part.output, deepest - 1)


# --- the least that the prompt is long ---


def _words(head: Head, members: tuple[str, ...], up_to: int) -> int:
    """At least how many tokens the prompt has, as soon as they are more than `up_to`.

    A word is at least one token: tokenizers split text into words before they look for tokens. Counted
    are only those that begin behind a space, which neither a key nor the data of an attachment does.
    English has about three of them for every four tokens; text that is written without spaces has
    next to none, and is never found too long.
    """
    if any(_is_given(head.raw(member)) for member in _SHORTENED_BY):
        return 0
    if len(head.body) // len(_WORD) <= up_to or any(mark in head.body for mark in _UNCOUNTED):
        return 0
    found, left = 0, MOST_COUNTED
    for member in members:
        raw = head.raw(member)
        for window in _windows(raw, left) if raw is not None else ():
            left -= len(window)
            found += window.translate(_LETTERS).count(_WORD)
            if found > up_to:
                return found
    return found


def _windows(raw: msgspec.Raw, most: int) -> Iterator[bytes]:
    view = memoryview(raw)[:most]
    for at in range(0, len(view), _WINDOW):
        yield bytes(view[at : at + _WINDOW])


def _is_given(raw: msgspec.Raw | None) -> bool:
    return raw is not None and bytes(raw) not in (b"null", b'"disabled"', b"[]")
