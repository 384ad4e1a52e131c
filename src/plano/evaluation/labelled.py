"""Labelled conversations: one JSON object a line, read a line at a time, every fault with its place.

A line holds `messages` as a chat request does, and `route`: the name of the route that is right
for its latest turn, or null where none is. It may name the `conversation` it is a turn of, and
bring `routing_preferences` of its own; other members are nobody's business here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import IO, Final

import msgspec

from plano.catalog.catalog import Route
from plano.catalog.names import RouteName
from plano.chat.conversation import Conversation
from plano.chat.dialect import Dialect
from plano.errors import PlanoError
from plano.routing.route_set import RouteSet
from plano.routing.utterance import Utterance
from plano.wire.dialects import DIALECTS
from plano.wire.splice import Head

LONGEST_LINE_BYTES: Final = 8 * 1024 * 1024
"""A conversation of two million tokens; what is longer is not a line but a file without line ends."""
MOST_TOLD: Final = 20
"""Faults that are told one by one: who wrote a file with a program makes one mistake a thousand times."""
MOST_KEPT_ROUTE_SETS: Final = 256
"""Different route sets of lines that are kept: lines of one conversation bring the same again."""

Read = Callable[[Conversation], Sequence[Utterance]]
"""What a router may see of a conversation; may raise PlanoError."""

_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_MALFORMED = re.compile(r"JSON is malformed: (.*) \(byte (\d+)\)")


@dataclass(frozen=True, slots=True)
class LabelledTurn:
    """One line that is sound."""

    line: int
    conversation: str
    """Equal for the lines of one dialogue, different for all others."""
    utterances: tuple[Utterance, ...]
    gold: RouteName | None
    routes: RouteSet
    """Its own, or the configured ones."""

    def said(self) -> tuple[Utterance, ...]:
        return self.utterances

    @property
    def ask(self) -> str:
        """The words that are to be routed."""
        return self.utterances[-1].text


class LinesAtFault(Exception):
    """Lines that are not what they should be; the text is `file:line: expected …; found …` a line."""

    def __init__(self, told: Sequence[str], more: int) -> None:
        lines = [*told, *([f"and {more} more"] if more else [])]
        super().__init__("\n".join(lines))


@dataclass(frozen=True, slots=True)
class Contents:
    """What a sound file holds."""

    turns: int
    without_route: int
    """Turns whose gold is null."""
    own_routes: int
    """Turns that bring routes of their own."""


class LabelledFile:
    """Lines of a seekable file. Nothing of it is held but the line being read and the last route sets."""

    def __init__(self, name: str, lines: IO[bytes], configured: RouteSet, read: Read) -> None:
        self._name = name
        self._lines = lines
        self._configured = configured
        self._read = read
        self._route_sets: dict[bytes, RouteSet] = {}

    def check(self) -> Contents:
        """Reads every line. Raises LinesAtFault with what is wrong in all of them."""
        told: list[str] = []
        faults = turns = without_route = own = 0
        for number, read in self._each():
            if isinstance(read, LabelledTurn):
                turns += 1
                without_route += read.gold is None
                own += read.routes is not self._configured
                continue
            faults += 1
            if len(told) < MOST_TOLD:
                told.append(f"{self._name}:{number}: {read}")
        if not turns and not faults:
            told, faults = [f"{self._name}: expected labelled conversations, one a line; found none"], 1
        if faults:
            raise LinesAtFault(told, faults - len(told))
        return Contents(turns, without_route, own)

    def turns(self) -> Iterator[LabelledTurn]:
        """The lines of a file that `check` found sound; raises LinesAtFault when it has changed since."""
        for number, read in self._each():
            if isinstance(read, str):
                raise LinesAtFault([f"{self._name}:{number}: {read}"], 0)
            yield read

    def _each(self) -> Iterator[tuple[int, LabelledTurn | str]]:
        """Each line that is not blank: its number, and what it holds or what is wrong with it."""
        self._lines.seek(0)
        number = 0
        while line := self._lines.readline(LONGEST_LINE_BYTES + 1):
            number += 1
            if len(line) > LONGEST_LINE_BYTES:
                self._skip_rest(line)
                yield number, f"expected a line of at most {LONGEST_LINE_BYTES} bytes; found a longer one"
                continue
            line = line.removeprefix(b"\xef\xbb\xbf").strip() if number == 1 else line.strip()
            if line:
                yield number, self._turn(line, number)

    def _skip_rest(self, line: bytes) -> None:
        while line and not line.endswith(b"\n"):
            line = self._lines.readline(LONGEST_LINE_BYTES)

    def _turn(self, line: bytes, number: int) -> LabelledTurn | str:
        try:
            _members(line)
            head = DIALECTS[Dialect.OPENAI_CHAT].read_request(line)
            routes = self._routes(head)
            utterances = self._utterances(head)
            return LabelledTurn(number, _conversation(head, number), utterances, _gold(head, routes), routes)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            return _in_words(error)
        except PlanoError as error:
            return error.message
        except _Fault as fault:
            return str(fault)

    def _utterances(self, head: Head) -> tuple[Utterance, ...]:
        if head.raw("messages") is None:
            raise _Fault("expected the key 'messages', as a chat request has it; found none")
        utterances = tuple(self._read(DIALECTS[Dialect.OPENAI_CHAT].conversation(head)))
        if not utterances:
            raise _Fault("expected words of the user in 'messages'; found none")
        return utterances

    def _routes(self, head: Head) -> RouteSet:
        raw = head.raw("routing_preferences")
        if raw is None or bytes(raw) == b"null":
            if not len(self._configured):
                raise _Fault(
                    "expected 'routing_preferences' in the line, as the configuration has none; found none"
                )
            return self._configured
        key = bytes(raw)
        known = self._route_sets.get(key)
        if known is None:
            if len(self._route_sets) >= MOST_KEPT_ROUTE_SETS:
                self._route_sets.clear()
            known = self._route_sets[key] = _read_routes(key)
        return known


class _Fault(Exception):
    """What is wrong with one line: `expected …; found …`."""


class _Preference(msgspec.Struct):
    """A route as a line brings it. Its models are not asked here, so they need not be declared."""

    name: str
    description: str
    examples: list[str] = []
    models: list[str] = []


def _read_routes(raw: bytes) -> RouteSet:
    try:
        preferences = msgspec.json.decode(raw, type=list[_Preference])
    except msgspec.ValidationError as error:
        raise _Fault(f"'routing_preferences': {_shape(error)}") from error
    names = [preference.name for preference in preferences]
    if not names or not all(names):
        raise _Fault("'routing_preferences': expected at least one route, each with a name; found less")
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise _Fault(f"'routing_preferences': expected each name once; found {_shown(twice)} again")
    return RouteSet(
        [
            Route(RouteName(each.name), each.description, (), examples=tuple(each.examples))
            for each in preferences
        ]
    )


def _gold(head: Head, routes: RouteSet) -> RouteName | None:
    raw = head.raw("route")
    if raw is None:
        raise _Fault("expected the key 'route': a name, or null for none of them; found none")
    gold = msgspec.json.decode(raw)
    if gold is None:
        return None
    if not isinstance(gold, str):
        raise _Fault(f"'route': expected a name or null; found {bytes(raw)[:40].decode(errors='replace')}")
    if routes.named(gold) is None:
        raise _Fault(f"'route': expected one of {_listed(routes)}; found {_shown(gold)}")
    return RouteName(gold)


def _conversation(head: Head, number: int) -> str:
    """Its name; a line without one is a conversation of its own, which no name can be equal to."""
    raw = head.raw("conversation")
    if raw is None or bytes(raw) == b"null":
        return f"line {number}"
    name = msgspec.json.decode(raw)
    if not isinstance(name, str | int) or isinstance(name, bool):
        raise _Fault("'conversation': expected text or a number; found something else")
    return f"named {name}"


def _in_words(error: Exception) -> str:
    if isinstance(error, msgspec.ValidationError):
        return f"expected a JSON object; {_shape(error).partition('; ')[2]}"
    if isinstance(error, UnicodeDecodeError):
        return f"expected UTF-8; found byte 0x{error.object[error.start]:02x} at byte {error.start}"
    if isinstance(error, RecursionError):
        return "expected a JSON object; found one nested too deeply"
    malformed = _MALFORMED.match(str(error))
    found = f"{malformed[1]} at byte {malformed[2]}" if malformed else "one that ends too early"
    return f"expected a JSON object on one line; found {found}"


_SHAPE = re.compile(r"Expected `(\w+)`, got `(\w+)`(?: - at `\$(.*)`)?")
_MISSING = re.compile(r"Object missing required field `(\w+)`(?: - at `\$(.*)`)?")
_KINDS = {"array": "a list", "object": "an object", "str": "text", "int": "a number", "float": "a number"}


def _shape(error: msgspec.ValidationError) -> str:
    """msgspec's words in ours: `[0].name: expected text; found a number`."""
    shape, missing = _SHAPE.match(str(error)), _MISSING.match(str(error))
    if shape:
        place = f"{shape[3]}: " if shape[3] else ""
        return f"{place}expected {_KINDS.get(shape[1], shape[1])}; found {_KINDS.get(shape[2], shape[2])}"
    if missing:
        place = f"{missing[2]}: " if missing[2] else ""
        return f"{place}expected the key {missing[1]!r}; found none"
    return str(error)


def _listed(routes: RouteSet) -> str:
    names = [_shown(route.name) for route in routes]
    return ", ".join(names) if len(names) <= 8 else f"{', '.join(names[:8])} and {len(names) - 8} more"


def _shown(name: str) -> str:
    return repr(name if len(name) <= 60 else name[:60] + "…")
