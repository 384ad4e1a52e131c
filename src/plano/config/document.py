"""YAML as data that remembers where it stood in the file.

Stricter than YAML where YAML is treacherous: a key that comes twice, a key that is not text, tags
and aliases that contain themselves are problems. Anchors and merge keys work. Bounded in depth and
size, so that a small file cannot become a large one. What the keys mean is the schema's business.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final, Literal

import yaml
from yaml.constructor import SafeConstructor
from yaml.events import (
    AliasEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)
from yaml.resolver import Resolver

from plano.config.environment import Filled
from plano.config.problems import KeyPath, Place

DEEPEST: Final = 32
"""Levels of nesting; what the schema knows needs seven."""
MOST_VALUES: Final = 50_000
"""Values after aliases are filled in: about a thousand times a large configuration."""
SHORTEST_SECRET: Final = 4
"""Less guards nothing, and would be found in every sentence."""
SHORTEST_BEGINNING: Final = 12
"""Of a value that a message cuts off: less of it may stand in any sentence, as `https://api` does."""

_ENDS_OF_QUOTATIONS: Final = ("'", '"', "…")
_TAG: Final = "tag:yaml.org,2002:"
_LOADER: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_RESOLVER: Final = Resolver()
_CONSTRUCTOR: Final = SafeConstructor()

Scalar = str | int | float | bool | None
Value = Scalar | list[Any] | dict[str, Any]
Substitute = Callable[[str], Filled]
"""Fills in variables."""


class Unreadable(Exception):
    """Not YAML, or not YAML that is accepted here; nothing can be said about the rest."""

    def __init__(self, place: Place, message: str) -> None:
        super().__init__(message)
        self.place = place
        self.message = message


@dataclass(slots=True, eq=False)
class _Node:
    kind: Literal["scalar", "list", "mapping"]
    place: Place
    tag: str | None
    text: str = ""
    quoted: bool = False
    items: list[_Node] = field(default_factory=list)
    entries: list[tuple[_Node, _Node]] = field(default_factory=list)


@dataclass(slots=True)
class Document:
    """A file's data, and for each path in it where that stands."""

    data: Value = None
    places: dict[KeyPath, Place] = field(default_factory=dict)
    """Where each value begins."""
    key_places: dict[KeyPath, Place] = field(default_factory=dict)
    """Where each key begins."""
    problems: list[tuple[Place, KeyPath, str]] = field(default_factory=list)
    substituted: dict[KeyPath, tuple[str, str]] = field(default_factory=dict)
    """Values that came, wholly or in part, from a variable: as written, and filled in."""
    variables: dict[str, str] = field(default_factory=dict)
    """Those variables: as written, and their values."""

    def conceal(self, message: str) -> str:
        """`message` with what came from variables, which may be secret, as it was written: whole values of
        the file, and where only a part of one is told the variables in it, quoted or cut off."""
        for written, filled in (*self.substituted.values(), *self.variables.items()):
            for shown in (filled, repr(filled)[1:-1]):
                if len(shown) >= SHORTEST_SECRET:
                    message = message.replace(shown, written)
        for written, value in self.variables.items():
            message = _without_beginning(message, repr(value)[1:-1], written)
        return message

    def place_of(self, path: KeyPath) -> Place:
        """Where the value at `path` stands, or the nearest thing around it."""
        while path and path not in self.places:
            path = path[:-1]
        return self.places.get(path, Place())

    def place_of_key(self, path: KeyPath) -> Place:
        return self.key_places.get(path) or self.place_of(path)


def read_document(text: str, substitute: Substitute) -> Document:
    """Raises Unreadable when it is not YAML at all; everything else becomes a problem."""
    root = _compose(text)
    return _Expansion(substitute).expand(root) if root is not None else Document()


def _compose(text: str) -> _Node | None:
    try:
        return _Composition(text).root()
    except yaml.reader.ReaderError as error:
        before = text[: error.position] if isinstance(error.position, int) else ""
        place = Place(before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1)
        raise Unreadable(place, "expected text; got a control character that YAML forbids") from error
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = Place(mark.line + 1, mark.column + 1) if mark else Place()
        doing = f" {error.context}" if error.context else ""
        raise Unreadable(place, f"not valid YAML{doing}: {error.problem}") from error
    except yaml.YAMLError as error:
        raise Unreadable(Place(), "not valid YAML") from error


class _Composition:
    """Events into nodes, without recursion that a file could make as deep as it likes."""

    def __init__(self, text: str) -> None:
        self._events: Iterator[Event] = yaml.parse(text, Loader=_LOADER)
        self._anchors: dict[str, _Node] = {}

    def root(self) -> _Node | None:
        root: _Node | None = None
        for event in self._events:
            if isinstance(event, ScalarEvent | SequenceStartEvent | MappingStartEvent | AliasEvent):
                if root is not None:
                    raise Unreadable(_place(event), "expected one YAML document; got a second one")
                root = self._node(event, 0)
        return root

    def _node(self, event: Event, depth: int) -> _Node:
        if depth > DEEPEST:
            raise Unreadable(_place(event), f"nested more than {DEEPEST} levels deep")
        if isinstance(event, AliasEvent):
            if event.anchor not in self._anchors:
                raise Unreadable(_place(event), "an alias (*name) of an anchor (&name) that does not exist")
            return self._anchors[event.anchor]
        node = self._new(event)
        match node.kind:
            case "list":
                while not isinstance(event := next(self._events), SequenceEndEvent):
                    node.items.append(self._node(event, depth + 1))
            case "mapping":
                while not isinstance(event := next(self._events), MappingEndEvent):
                    key = self._node(event, depth + 1)
                    node.entries.append((key, self._node(next(self._events), depth + 1)))
            case "scalar":
                pass
        return node

    def _new(self, event: Event) -> _Node:
        if isinstance(event, ScalarEvent):
            quoted = not event.implicit[0] and event.tag is None
            node = _Node("scalar", _place(event), event.tag, event.value, quoted)
        elif isinstance(event, SequenceStartEvent):
            node = _Node("list", _place(event), event.tag)
        else:
            assert isinstance(event, MappingStartEvent)
            node = _Node("mapping", _place(event), event.tag)
        if event.anchor is not None:
            self._anchors[event.anchor] = node
        return node


class _Expansion:
    """Nodes into data: aliases and merge keys filled in, variables substituted, places noted."""

    def __init__(self, substitute: Substitute) -> None:
        self._substitute = substitute
        self._document = Document()
        self._open: list[_Node] = []
        self._values = 0

    def expand(self, root: _Node) -> Document:
        self._document.data = self._value(root, ())
        return self._document

    def _value(self, node: _Node, path: KeyPath) -> Value:
        self._values += 1
        if self._values > MOST_VALUES:
            raise Unreadable(node.place, f"more than {MOST_VALUES} values once its aliases are filled in")
        if node in self._open:
            raise Unreadable(node.place, "an anchor (&name) that contains an alias of itself")
        if len(self._open) > DEEPEST:
            raise Unreadable(node.place, f"nested more than {DEEPEST} levels deep")
        self._document.places[path] = node.place
        self._open.append(node)
        try:
            match node.kind:
                case "scalar":
                    return self._scalar(node, path)
                case "list":
                    self._refuse_tag(node, path, "seq")
                    return [self._value(item, (*path, index)) for index, item in enumerate(node.items)]
                case "mapping":
                    self._refuse_tag(node, path, "map")
                    return self._mapping(node, path)
        finally:
            self._open.pop()

    def _mapping(self, node: _Node, path: KeyPath) -> dict[str, Any]:
        data: dict[str, Any] = {}
        merged: list[_Node] = []
        for key, value in node.entries:
            name = self._key(key, path)
            if name is None:
                continue
            if name == "<<" and not key.quoted:
                merged += value.items if value.kind == "list" else [value]
            elif name in data:
                first = self._document.key_places[(*path, name)]
                self._problem(key.place, path, f"duplicate key {name!r} (first on line {first.line})")
            else:
                self._document.key_places[(*path, name)] = key.place
                data[name] = self._value(value, (*path, name))
        for source in merged:
            self._merge(source, data, path)
        return data

    def _merge(self, source: _Node, data: dict[str, Any], path: KeyPath) -> None:
        """What the mapping says itself stays; what it does not say comes from `source`."""
        if source.kind != "mapping":
            self._problem(source.place, path, "expected a mapping, or a list of mappings, after '<<'")
            return
        if source in self._open:
            raise Unreadable(source.place, "an anchor (&name) that contains an alias of itself")
        before = set(data)
        self._open.append(source)
        theirs = _Node("mapping", source.place, None, entries=_without(source.entries, before))
        data |= {key: value for key, value in self._mapping(theirs, path).items() if key not in before}
        self._open.pop()

    def _key(self, key: _Node, path: KeyPath) -> str | None:
        if key.kind == "scalar":
            value = key.text if key.text == "<<" else _resolve(key)
            if isinstance(value, str):
                return value
        self._problem(key.place, path, f"expected a key that is text; got {_describe_key(key)}: quote it")
        return None

    def _scalar(self, node: _Node, path: KeyPath) -> Scalar:
        if node.tag not in (None, "!", *(_TAG + kind for kind in ("str", "int", "float", "bool", "null"))):
            self._problem(node.place, path, "expected plain data; got a YAML tag that is not known here")
            return node.text
        value = _resolve(node)
        if isinstance(value, str) and "$" in value:
            written, filled = value, self._substitute(value)
            value = filled.text
            self._document.substituted[path] = (written, value)
            self._document.variables.update(filled.values)
            if filled.problem is not None:
                self._problem(node.place, path, filled.problem)
        return value

    def _refuse_tag(self, node: _Node, path: KeyPath, kind: str) -> None:
        if node.tag not in (None, "!", _TAG + kind):
            self._problem(node.place, path, "expected plain data; got a YAML tag that is not known here")

    def _problem(self, place: Place, path: KeyPath, message: str) -> None:
        self._document.problems.append((place, path, message))


def _describe_key(key: _Node) -> str:
    match key.kind:
        case "scalar":
            return describe(_resolve(key))
        case "list":
            return "a list"
        case "mapping":
            return "a mapping"


def describe(value: object) -> str:
    """The kind of a value, without the value."""
    match value:
        case None:
            return "nothing"
        case bool():
            return "true" if value else "false"
        case int() | float():
            return "a number"
        case str():
            return "text" if value else "empty text"
        case list():
            return "a list"
        case _:
            return "a mapping"


def _resolve(node: _Node) -> Scalar:
    """YAML 1.1, as the Python loaders read it; dates stay text."""
    if node.quoted or node.tag in ("!", _TAG + "str"):
        return node.text
    tag = node.tag or str(_RESOLVER.resolve(yaml.ScalarNode, node.text, (True, False)))  # type: ignore[no-untyped-call]  # its stubs leave it open
    scalar = yaml.ScalarNode(tag, node.text)
    try:
        if tag == _TAG + "int":
            return int(_CONSTRUCTOR.construct_yaml_int(scalar))
        if tag == _TAG + "float":
            return float(_CONSTRUCTOR.construct_yaml_float(scalar))
        if tag == _TAG + "bool":
            return bool(_CONSTRUCTOR.construct_yaml_bool(scalar))
    except (ValueError, OverflowError, KeyError, IndexError):
        return node.text
    return None if tag == _TAG + "null" else node.text


def _without(entries: list[tuple[_Node, _Node]], names: set[str]) -> list[tuple[_Node, _Node]]:
    return [(key, value) for key, value in entries if key.text not in names or key.kind != "scalar"]


def _place(event: Event) -> Place:
    mark = event.start_mark
    return Place(mark.line + 1, mark.column + 1) if mark else Place()


def _without_beginning(message: str, secret: str, written: str) -> str:
    """`message` without the longest beginning of a secret that stands at the end of a quotation."""
    for end in range(len(secret) - 1, SHORTEST_BEGINNING - 1, -1):
        for mark in _ENDS_OF_QUOTATIONS:
            if secret[:end] + mark in message:
                return message.replace(secret[:end] + mark, written + mark)
    return message
