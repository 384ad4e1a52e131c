"""The routes that a request brings in `routing_preferences`, read and linked as configured ones are.

Everything that is wrong with them is told in one message, each with its place. What a request
asks is answered within milliseconds, so there is a limit to everything that can be many.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final, Literal, TypeVar

import msgspec

from plano.catalog import linking
from plano.catalog.allowance import Allowance
from plano.catalog.catalog import Catalog, Found, Route
from plano.catalog.names import RouteName
from plano.catalog.near import Names
from plano.errors import InvalidRequest

KEY: Final = "routing_preferences"
"""The member of a request's body."""

LARGEST_BYTES: Final = 64 * 1024
"""Of all routes of a request: twice the text that a router model reads in all (8192 tokens)."""
MOST_ROUTES: Final = 64
"""Each is embedded when it is first seen, at a millisecond or two. Published evaluations of routing by
preference use 12 to 30."""
MOST_MODELS: Final = 32
"""Of one route. No more than three are ever tried for a request."""
MOST_EXAMPLES: Final = 64
"""Of one route; more than a handful changes little."""
LONGEST_NAME: Final = 256
"""Characters. The name goes into a header field, where a character may take twelve bytes."""
LONGEST_DESCRIPTION: Final = 4096
"""Characters; an encoder reads some two thousand of them at most."""
LONGEST_EXAMPLE: Final = 2048
"""Characters; as above."""
MOST_TOLD: Final = 10
"""Problems of one message. Looking for near names takes half a millisecond for each."""
LONGEST_SHOWN: Final = 60
"""Of a wrong value in a message."""

Prefer = Literal["cheapest", "fastest", "none"]

_KEYS: Final = ("name", "description", "models", "selection_policy", "examples")
_NEAR_KEYS: Final = Names(_KEYS)
_POLICY_KEYS: Final = ("prefer",)
_PREFER: Final[dict[str | None, Prefer]] = {
    "cheapest": "cheapest",
    "fastest": "fastest",
    "none": "none",
    "": "none",
    None: "none",
}

T = TypeVar("T")
Members = dict[str, msgspec.Raw]


def inline_routes(
    raw: bytes | msgspec.Raw, names: Catalog, allowance: Allowance | None = None
) -> tuple[Route, ...]:
    """The routes in the value of `routing_preferences`, a list; `names` is a catalog without the catch-all
    (`linking.declared`). Raises InvalidRequest, with every problem up to `MOST_TOLD`, and without names that
    are not in `allowance`."""
    refuse_too_large(raw)
    reading = _Reading(names, allowance)
    try:
        routes = reading.routes(raw)
    except _Enough:
        routes = []
    if reading.problems:
        raise InvalidRequest(_in_words(reading.problems), param=reading.problems[0][0])
    return tuple(routes)


def refuse_too_large(raw: bytes | msgspec.Raw) -> None:
    """Raises InvalidRequest for more bytes than routes may take."""
    if len(raw) > LARGEST_BYTES:
        message = f"{KEY}: expected at most {LARGEST_BYTES} bytes; got {len(raw)}"
        raise InvalidRequest(message, param=KEY)


class _Enough(Exception):
    """As many problems were found as are told."""


class _Key(str):
    """A key that was looked at while it was decoded, which is the only time a second equal one shows."""

    __slots__ = ()


class _Reading:
    """One run over the routes of a request."""

    def __init__(self, names: Catalog, allowance: Allowance | None) -> None:
        self._names = names
        self._allowance = allowance
        self.problems: list[tuple[str, str]] = []
        """Place and what is wrong there, in the order in which they were found."""

    def routes(self, raw: bytes | msgspec.Raw) -> list[Route]:
        elements = self._list(raw, KEY, MOST_ROUTES)
        routes: list[Route] = []
        places: dict[str, str] = {}
        for at, element in enumerate(elements):
            place = f"{KEY}[{at}]"
            route = self._route(element, place)
            if route is None:
                continue
            first = places.setdefault(route.name, place)
            if first is not place:
                message = f"{_shown(route.name)} is the name of {first} too; names are unique"
                self._wrong(f"{place}.name", message)
            routes.append(route)
        return routes

    def _route(self, raw: msgspec.Raw, place: str) -> Route | None:
        members = self._object(raw, place, _KEYS)
        if members is None:
            return None
        before = len(self.problems)
        name = self._name(members, place)
        description = self._text(members.get("description"), f"{place}.description", LONGEST_DESCRIPTION)
        candidates = self._candidates(members, f"{place}.models")
        prefer = self._prefer(members.get("selection_policy"), f"{place}.selection_policy")
        examples = self._examples(members.get("examples"), f"{place}.examples")
        if len(self.problems) > before or name is None or description is None:
            return None
        return Route(RouteName(name), description, candidates, prefer, examples)

    def _name(self, members: Members, place: str) -> str | None:
        name = self._text(members.get("name"), f"{place}.name", LONGEST_NAME, least=1)
        if name is not None and not name.isprintable():
            self._wrong(f"{place}.name", f"expected no control characters; got {_shown(name)}")
        return name

    def _candidates(self, members: Members, place: str) -> tuple[Found, ...]:
        if "models" not in members:
            self._wrong(place, "expected a list of at least one model; got nothing")
            return ()
        elements = self._list(members["models"], place, MOST_MODELS, least=1)
        return linking.distinct(self._linked(elements, place))

    def _linked(self, elements: list[msgspec.Raw], place: str) -> Iterator[Found]:
        for at, element in enumerate(elements):
            within = f"{place}[{at}]"
            name = self._typed(element, str, within, "a model's name")
            if name is None:
                continue
            found = linking.link(self._names, name, self._allowance)
            if isinstance(found, Found):
                yield found
            else:
                self._wrong(within, found)

    def _prefer(self, raw: msgspec.Raw | None, place: str) -> Prefer:
        """Nothing, null and an empty text mean the order as written, as the original has it."""
        if raw is None or _is_null(raw):
            return "none"
        members = self._object(raw, place, _POLICY_KEYS)
        written = members.get("prefer") if members is not None else None
        if written is None or _is_null(written):
            return "none"
        expected = "'cheapest', 'fastest' or 'none'"
        word = self._typed(written, str, f"{place}.prefer", expected)
        if word is not None and word not in _PREFER:
            self._wrong(f"{place}.prefer", f"expected {expected}; got {_shown(word)}")
        return _PREFER.get(word, "none")

    def _examples(self, raw: msgspec.Raw | None, place: str) -> tuple[str, ...]:
        if raw is None or _is_null(raw):
            return ()
        elements = self._list(raw, place, MOST_EXAMPLES)
        texts = [
            self._text(each, f"{place}[{at}]", LONGEST_EXAMPLE, least=1) for at, each in enumerate(elements)
        ]
        return tuple(text for text in texts if text is not None)

    # --- values ---

    def _text(self, raw: msgspec.Raw | None, place: str, longest: int, *, least: int = 0) -> str | None:
        if raw is None:
            self._wrong(place, "expected a text; got nothing")
            return None
        text = self._typed(raw, str, place, "a text")
        if text is not None and not least <= len(text) <= longest:
            what = "an empty one" if not text else f"{len(text)}"
            self._wrong(place, f"expected a text of {least} to {longest} characters; got {what}")
        return text

    def _list(self, raw: bytes | msgspec.Raw, place: str, most: int, *, least: int = 0) -> list[msgspec.Raw]:
        elements = self._typed(raw, list[msgspec.Raw], place, "a list")
        if elements is None:
            return []
        if not least <= len(elements) <= most:
            self._wrong(place, f"expected {least} to {most} entries; got {len(elements)}")
        return elements[:most]

    def _object(self, raw: msgspec.Raw, place: str, keys: tuple[str, ...]) -> Members | None:
        """The members of an object; what it has beside `keys`, and what it has twice, is wrong."""
        counts: dict[str, int] = {}
        decoder = msgspec.json.Decoder(dict[_Key, msgspec.Raw], dec_hook=_counting(counts))
        members = self._decoded(decoder.decode, raw, place, "an object")
        if members is None:
            return None
        for key, count in counts.items():
            if key not in keys:
                near = _NEAR_KEYS.like(key) if keys is _KEYS else ()
                hint = f" (did you mean {near[0]!r}?)" if near else f": expected {', '.join(keys)}"
                self._wrong(place, f"unknown key {_shown(key)}{hint}")
            elif count > 1:
                self._wrong(f"{place}.{key}", f"expected the key once; got it {count} times")
        return {str(key): value for key, value in members.items()}

    def _typed(self, raw: bytes | msgspec.Raw, kind: type[T], place: str, expected: str) -> T | None:
        return self._decoded(lambda text: msgspec.json.decode(text, type=kind), raw, place, expected)

    def _decoded(
        self,
        decode: Callable[[bytes | msgspec.Raw], T],
        raw: bytes | msgspec.Raw,
        place: str,
        expected: str,
    ) -> T | None:
        try:
            return decode(raw)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            shown = bytes(raw)[:LONGEST_SHOWN].decode("utf-8", "replace")
            self._wrong(place, f"expected {expected}; got {_shown(shown)}")
            return None

    def _wrong(self, place: str, message: str) -> None:
        self.problems.append((place, message))
        if len(self.problems) >= MOST_TOLD:
            raise _Enough


def _counting(counts: dict[str, int]) -> Callable[[type, object], _Key]:
    def count(_: type, key: object) -> _Key:
        assert isinstance(key, str)
        counts[key] = counts.get(key, 0) + 1
        return _Key(key)

    return count


def _is_null(raw: msgspec.Raw) -> bool:
    return bytes(raw) == b"null"


def _shown(text: str) -> str:
    return repr(text if len(text) <= LONGEST_SHOWN else text[:LONGEST_SHOWN] + "…")


def _in_words(problems: list[tuple[str, str]]) -> str:
    told = "; ".join(f"{place}: {message}" for place, message in problems)
    more = "; there may be more" if len(problems) >= MOST_TOLD else ""
    return f"{told}{more}"
