"""Reads what a router model has answered, tolerantly, and never further than the routes it was asked about.

Accepted is one JSON object with `route`, a name or a list of names, also in single quotes, in a fence,
with words around it, or behind a model's thoughts. Everything else is no answer.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, Final

from plano.catalog.names import RouteName
from plano.routing.route_set import RouteSet
from plano.routing.verdict import Matched, NoneFits, Unable, Verdict

LONGEST_READ: Final = 4096
"""Characters behind the thoughts: an answer has fifty. What is longer is not one, and is not searched."""
MOST_OBJECTS: Final = 16
"""Places where an object may begin; a text with more of them is not one object with words around it."""
LONGEST_SHOWN: Final = 40
"""How much of a name that nobody has declared is repeated in a reason."""
NONE: Final = "other"
"""How Arch-Router says that no route fits."""

_THOUGHTS_END: Final = "</think>"
_THOUGHTS_BEGIN: Final = "<think>"
_OBJECT: Final = re.compile(r"\{(?=\s*(?:\\n\s*)*[\"'}])")
_FENCE: Final = re.compile(r"```[a-z]*\s*(.*?)\s*```", re.DOTALL)
_NEARLY_JSON: Final = re.compile(
    r"""("(?:[^"\\]|\\.|\\\Z)*+(?:"|\Z))|'((?:[^'\\]|\\.|\\\Z)*+)(?:'|\Z)|(\\n)|\b(None)\b""", re.DOTALL
)
"""A string without an end goes on to the end of the text, so that no letter is looked at twice."""
_DECODER: Final = json.JSONDecoder(object_pairs_hook=list)
_NOTHING: Final = frozenset(("", "[]", "null", '""', "''", NONE, f'"{NONE}"', f"'{NONE}'"))
"""Whole answers that are no object, but can mean one thing only."""

_Pairs = list[tuple[str, Any]]


def read_answer(text: str, routes: RouteSet) -> Verdict:
    """The verdict for the content of an answer. Never raises, and names no route outside of `routes`."""
    answer = text.rpartition(_THOUGHTS_END)[2].strip()
    if not answer:
        return Unable("its answer is empty")
    if answer.startswith(_THOUGHTS_BEGIN):
        return Unable("its answer ends before its thoughts do")
    if len(answer) > LONGEST_READ:
        return Unable(
            f"its answer has {len(answer)} characters, and a route's name is not looked for in that"
        )
    fenced = _FENCE.fullmatch(answer)
    bare = fenced[1] if fenced else answer
    if bare.lower() in _NOTHING:
        return NoneFits("it named no route")
    return _read_objects(answer, routes)


def _read_objects(answer: str, routes: RouteSet) -> Verdict:
    begins = [match.start() for match in _OBJECT.finditer(answer)]
    if len(begins) > MOST_OBJECTS:
        return Unable(f"its answer has {len(begins)} objects where one was asked for")
    objects = list(_objects(answer, begins))
    values = [value for pairs in objects for key, value in pairs if key == "route"]
    if not values:
        return Unable(_unusable(answer, found_objects=bool(objects)))
    said = [_names(value) for value in values]
    names = said[0]
    if names is None:
        return Unable("its answer holds something else than names under 'route'")
    if any(others != names for others in said):
        return Unable("its answer says more than one thing")
    return _pick(names, routes)


def _unusable(answer: str, *, found_objects: bool) -> str:
    # Described and not quoted: a model that misunderstands repeats the user's words.
    if found_objects:
        return "its answer is JSON without 'route'"
    kind = "incomplete JSON" if "{" in answer else "prose"
    return f"its answer is {kind} ({len(answer)} characters), not a JSON object with 'route'"


def _objects(answer: str, begins: list[int]) -> Iterator[_Pairs]:
    """Every object that can be read, as pairs, the inner ones of a read one left out."""
    end = 0
    for begin in begins:
        if begin < end:
            continue
        try:
            pairs, end = _DECODER.raw_decode(answer, begin)
        except (ValueError, RecursionError):
            pairs = _nearly(answer[begin:])
        if pairs is not None:
            yield pairs


def _nearly(text: str) -> _Pairs | None:
    """The object at the beginning, in the other quotes or with line ends written out."""
    try:
        pairs, _ = _DECODER.raw_decode(_NEARLY_JSON.sub(_as_json, text))
    except (ValueError, RecursionError):
        return None
    return pairs if isinstance(pairs, list) else None


def _as_json(token: re.Match[str]) -> str:
    if token[1] is not None:
        return token[1]
    if token[2] is not None:
        return '"' + token[2].replace("\\'", "'").replace('"', '\\"') + '"'
    return " " if token[3] else "null"


def _names(value: Any) -> tuple[str, ...] | None:
    """What stands under `route`, as names; None for what can hold none."""
    listed = value if isinstance(value, list) else [value]
    if not all(name is None or isinstance(name, str) for name in listed):
        return None
    return tuple(name for name in listed if name is not None)


def _pick(names: tuple[str, ...], routes: RouteSet) -> Verdict:
    known = next((route for name in names if (route := _named(name, routes)) is not None), None)
    if known is not None:
        return Matched(known)
    unknown = next((name for name in names if _loose(name) not in ("", NONE)), None)
    if unknown is not None:
        return NoneFits(f"it named {_shown(unknown)}, which is none of the routes")
    return NoneFits("it named no route")


def _named(name: str, routes: RouteSet) -> RouteName | None:
    """The route of exactly this name; else the only one that differs from it in case and spaces alone."""
    route = routes.named(name)
    if route is not None:
        return route.name
    loose = _loose(name)
    alike = [route.name for route in routes if _loose(route.name) == loose] if loose else []
    return alike[0] if len(alike) == 1 else None


def _loose(name: str) -> str:
    return " ".join(name.casefold().split())


def _shown(name: str) -> str:
    return repr(name if len(name) <= LONGEST_SHOWN else name[:LONGEST_SHOWN] + "…")
