"""Mutations of JSON that stays JSON: few changes of bytes get past a decoder, to what reads the document."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from random import Random
from typing import Any

ODD: tuple[object, ...] = (
    None, True, False, 0, -1, 1, 2**53, 2**64, 1e300, 0.5, "", "x", "user", "tool", "text", "x" * 300, "\n",
    "\u00ff", "<system-reminder>", [], {}, [None], [[]], [{}], {"type": "text", "text": "a"}, {"": None},
)  # fmt: skip
_BEGIN = re.compile(r"[{\[]")
_KEY = re.compile(rb'"([a-z_]+)":')
_DECODER = json.JSONDecoder()
Place = tuple[Any, Any]
"""An object or a list, and a key or a place in it."""


def keys_in(words: Sequence[bytes]) -> tuple[str, ...]:
    """The members that a target's words name."""
    return tuple(dict.fromkeys(found.decode() for word in words for found in _KEY.findall(word)))


def mutated(data: bytes, keys: Sequence[str], chance: Random) -> bytes | None:
    """The same with one to three changes in one of the documents in it; None where there is none."""
    text = data.decode("utf-8", "surrogateescape")
    begins = [found.start() for found in _BEGIN.finditer(text)]
    for _ in range(min(4, len(begins))):
        begin = chance.choice(begins[:8])
        try:
            document, end = _DECODER.raw_decode(text, begin)
        except (ValueError, RecursionError):
            continue
        whole = [document]
        for _ in range(chance.randint(1, 3)):
            _change(whole, keys, chance)
        before, behind = (part.encode("utf-8", "surrogateescape") for part in (text[:begin], text[end:]))
        return before + _written(whole[0], is_ascii=chance.random() < 0.5) + behind
    return None


def _written(document: Any, *, is_ascii: bool) -> bytes:
    if not is_ascii:
        try:
            return json.dumps(document, ensure_ascii=False).encode("utf-8", "surrogateescape")
        except UnicodeEncodeError:
            pass  # Half of a surrogate pair, which has no bytes.
    return json.dumps(document, separators=(",", ":")).encode()


def _change(whole: list[Any], keys: Sequence[str], chance: Random) -> None:
    places = _places(whole)
    container, at = chance.choice(places)
    kind = chance.randrange(6)
    if kind < 2:
        container[at] = _copied(chance.choice(ODD))
        return
    source, key = chance.choice(places)
    other = _copied(source[key])
    if kind == 2:
        container[at] = other
    elif kind == 3 and container is not whole:
        del container[at]
    elif kind == 4 and isinstance(container, dict):
        container[chance.choice((*keys, *container))] = other
    elif kind == 4 and container is not whole:
        container.insert(at, other)
    else:
        container[at] = [_copied(container[at])]


def _places(whole: list[Any]) -> list[Place]:
    """Where everything in the document stands."""
    found: list[Place] = []
    left: list[Any] = [whole]
    while left:
        match left.pop():
            case dict() as members:
                found += [(members, key) for key in members]
                left += members.values()
            case list() as elements:
                found += [(elements, at) for at in range(len(elements))]
                left += elements
            case _:
                pass
    return found


def _copied(value: Any) -> Any:
    """So that no document holds itself."""
    return json.loads(json.dumps(value))
