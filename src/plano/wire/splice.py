"""Read the few members that a request is routed by, and put another model into the same bytes.

The body is read once, its members stay undecoded, and nothing but the model's value and
`routing_preferences` is ever changed: prompt caches, signatures and fields nobody here has
heard of arrive as they were sent.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType

import msgspec

from plano.chat.dialect import Dialect
from plano.errors import InvalidRequest
from plano.wire import malformed, members, nesting
from plano.wire.members import Span

Piece = bytes | memoryview

_COPIED = 64 * 1024
"""Up to here a copy of a piece is cheaper than a view of it."""

_LIST = b"[n", "a list"
_TEXT = b'"n', "a string"
_TEXT_OR_LIST = b'"[n', "a string or a list"
_EVERYWHERE = {
    "model": _TEXT,
    "stream": (b"tfn", "a boolean"),
    "tools": _LIST,
    "routing_preferences": _LIST,
}

_SHAPES: Mapping[Dialect, Mapping[str, tuple[bytes, str]]] = MappingProxyType(
    {
        Dialect.OPENAI_CHAT: {**_EVERYWHERE, "messages": _LIST, "n": (b"-0123456789n", "an integer")},
        Dialect.ANTHROPIC_MESSAGES: {**_EVERYWHERE, "messages": _LIST, "system": _TEXT_OR_LIST},
        Dialect.OPENAI_RESPONSES: {**_EVERYWHERE, "input": _TEXT_OR_LIST, "instructions": _TEXT},
    }
)
"""Per dialect and member: the bytes its value may begin with (null counts as absent), and that in words.
An absent member is the provider's business."""

_INTEGER = re.compile(rb"-?[0-9]{1,9}\Z")
BACKSLASH = ord("\\")
"""Looked for as a number: for `bytes in bytes` CPython first raises and drops an exception."""
_COMMA = re.compile(rb"\s*,")

_encode = msgspec.json.Encoder().encode


class Head:
    """What one pass over a request body found: the model asked for, and where everything stands."""

    __slots__ = ("_members", "_spans", "body", "choices", "model", "stream")

    def __init__(
        self, body: bytes, found: dict[str, msgspec.Raw], spans: dict[str, Span], model: str | None
    ) -> None:
        """`spans`: where at least the members stand that are read here."""
        self.body = body
        self.model = model
        """As written; None when absent or null."""
        self.stream = False
        self.choices = 1
        """How many answers were asked for (chat's `n`); what a stream must bring to be whole."""
        self._members = found
        self._spans = spans

    def raw(self, key: str) -> msgspec.Raw | None:
        """A top-level member as it stands in the body, undecoded; None when absent."""
        return self._members.get(key)

    def routed_to(self, upstream_model: str) -> tuple[list[Piece], int]:
        """The body with this model and without `routing_preferences`, in pieces, and its length in bytes."""
        model, cut = self._spans.get("model"), self._spans.get("routing_preferences")
        if cut is None and model is not None:
            if self.model == upstream_model:
                return [self.body], len(self.body)
            return _edited(self.body, [(model[1], model[2], _encode(upstream_model))])
        edits: list[tuple[int, int, bytes]] = []
        if model is None:
            edits.append(self._insertion(upstream_model, others=len(self._members) - (cut is not None)))
        elif self.model != upstream_model:
            edits.append((model[1], model[2], _encode(upstream_model)))
        if cut is not None:
            edits.append(self._removal(cut, is_only=len(self._members) == 1))
        return _edited(self.body, sorted(edits))

    def _insertion(self, upstream_model: str, others: int) -> tuple[int, int, bytes]:
        at = self.body.index(b"{") + 1
        return at, at, b'"model":' + _encode(upstream_model) + (b"," if others else b"")

    def _removal(self, member: Span, *, is_only: bool) -> tuple[int, int, bytes]:
        """Key, value and one comma: the one behind, or before it when it is the last."""
        key, _, end = member
        behind = _COMMA.match(self.body, end)
        if behind is not None:
            return key, behind.end(), b""
        if is_only:
            return key, end, b""
        return self.body.rindex(b",", 0, key), end, b""


def read(body: bytes, dialect: Dialect) -> Head:
    """Refuses with InvalidJson or InvalidRequest what is not this dialect's request at the level read."""
    malformed.refuse_unless_utf8(body)
    try:
        found = members.decode(body)
    except (msgspec.DecodeError, RecursionError) as error:
        raise malformed.explained(body, error) from error
    if nesting.deeper_than(malformed.NESTING_LIMIT, body, found.values()):
        raise malformed.too_deep()
    shapes = _SHAPES[dialect]
    spans = members.walk(body, found, shapes)
    for key, span in spans.items():
        if key in shapes and body[span[1]] not in shapes[key][0]:
            _refuse_kind(body, span, key, shapes[key][1])
    head = Head(body, found, spans, _model(body, spans))
    stream = spans.get("stream")
    if stream is not None:
        head.stream = body.startswith(b"true", stream[1])
    if dialect is Dialect.OPENAI_CHAT and "n" in spans:
        head.choices = _choices(body, spans["n"])
    return head


def _model(body: bytes, spans: dict[str, Span]) -> str | None:
    span = spans.get("model")
    if span is None:
        return None
    text = body[span[1] : span[2]]
    if text == b"null":
        return None
    if BACKSLASH in text:
        return msgspec.json.decode(text, type=str)
    return text[1:-1].decode()


def _choices(body: bytes, span: Span) -> int:
    text = body[span[1] : span[2]]
    if text == b"null":
        return 1
    if _INTEGER.match(text) is None:
        raise InvalidRequest(f"`n` must be an integer; got {text[:40].decode()}.", param="n")
    return max(1, int(text))


def _refuse_kind(body: bytes, span: Span, key: str, expected: str) -> None:
    found = malformed.kind_at(body, span[1])
    place = malformed.position(body, span[1])
    raise InvalidRequest(f"`{key}` must be {expected}; got {found} {place}.", param=key)


def _edited(body: bytes, edits: list[tuple[int, int, bytes]]) -> tuple[list[Piece], int]:
    """The body with some spans replaced; `edits` are in order and do not overlap."""
    if not edits:
        return [body], len(body)
    source: Piece = body if len(body) <= _COPIED else memoryview(body)
    pieces: list[Piece] = []
    at = 0
    size = len(body)
    for start, end, replacement in edits:
        pieces += (source[at:start], replacement)
        size += len(replacement) - (end - start)
        at = end
    pieces.append(source[at:])
    return pieces, size
