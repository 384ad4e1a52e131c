"""Labelled conversations: one JSON object a line, read a line at a time, every fault with its place.

A line holds `messages` as a chat request does, and `route`: the name of the route that is right
for its latest turn, null where none is, or a list of both where several are as right. It may name
the `conversation` it is a turn of, and bring `routing_preferences` of its own; other members are
nobody's business here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import IO, Final

import msgspec

from plano.catalog.catalog import Route
from plano.catalog.names import RouteName
from plano.chat.conversation import Conversation
from plano.chat.dialect import Dialect
from plano.errors import PlanoError
from plano.evaluation.lines import TOO_LONG, Faults, LinesAtFault, in_words, numbered, shape
from plano.routing.route_set import RouteSet
from plano.routing.utterance import Utterance
from plano.wire.dialects import DIALECTS
from plano.wire.splice import Head

MOST_KEPT_ROUTE_SETS: Final = 256
"""Different route sets of lines that are kept: lines of one conversation bring the same again."""

Read = Callable[[Conversation], Sequence[Utterance]]
"""What a router may see of a conversation; may raise PlanoError."""

_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


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
    also: tuple[RouteName | None, ...] = ()
    """What is as right as the gold."""

    def said(self) -> tuple[Utterance, ...]:
        return self.utterances

    @property
    def ask(self) -> str:
        """The words that are to be routed."""
        return self.utterances[-1].text

    def right_for(self, predicted: RouteName | None) -> RouteName | None:
        """What a prediction is held against: itself where it is one of several right ones."""
        return predicted if predicted in self.also else self.gold


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
        faults = Faults(self._name)
        turns = without_route = own = 0
        for number, read in self._each():
            if isinstance(read, LabelledTurn):
                turns += 1
                without_route += read.gold is None
                own += read.routes is not self._configured
            else:
                faults.add(number, read)
        if not turns and not faults.count:
            raise LinesAtFault([f"{self._name}: expected labelled conversations, one a line; found none"], 0)
        faults.raise_any()
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
        for number, line in numbered(self._lines):
            yield number, TOO_LONG if line is None else self._turn(line, number)

    def _turn(self, line: bytes, number: int) -> LabelledTurn | str:
        try:
            _members(line)
            head = DIALECTS[Dialect.OPENAI_CHAT].read_request(line)
            routes = self._routes(head)
            utterances = self._utterances(head)
            gold, *also = _golds(head, routes)
            return LabelledTurn(number, _conversation(head, number), utterances, gold, routes, tuple(also))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            return in_words(error)
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
        raise _Fault(f"'routing_preferences': {shape(error)}") from error
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


def _golds(head: Head, routes: RouteSet) -> list[RouteName | None]:
    """At least one."""
    raw = head.raw("route")
    if raw is None:
        raise _Fault("expected the key 'route': a name, or null for none of them; found none")
    told = msgspec.json.decode(raw)
    golds = told if isinstance(told, list) else [told]
    if not golds:
        raise _Fault("'route': expected at least one name or null in the list; found none")
    return [_gold(each, raw, routes) for each in golds]


def _gold(told: object, raw: msgspec.Raw, routes: RouteSet) -> RouteName | None:
    if told is None:
        return None
    if not isinstance(told, str):
        shown = bytes(raw)[:40].decode(errors="replace")
        raise _Fault(f"'route': expected a name, null, or a list of these; found {shown}")
    if routes.named(told) is None:
        raise _Fault(f"'route': expected one of {_listed(routes)}; found {_shown(told)}")
    return RouteName(told)


def _conversation(head: Head, number: int) -> str:
    """Its name; a line without one is a conversation of its own, which no name can be equal to."""
    raw = head.raw("conversation")
    if raw is None or bytes(raw) == b"null":
        return f"line {number}"
    name = msgspec.json.decode(raw)
    if not isinstance(name, str | int) or isinstance(name, bool):
        raise _Fault("'conversation': expected text or a number; found something else")
    return f"named {name}"


def _listed(routes: RouteSet) -> str:
    names = [_shown(route.name) for route in routes]
    return ", ".join(names) if len(names) <= 8 else f"{', '.join(names[:8])} and {len(names) - 8} more"


def _shown(name: str) -> str:
    return repr(name if len(name) <= 60 else name[:60] + "…")
