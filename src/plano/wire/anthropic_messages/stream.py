"""A message's events, learnt from as they pass.

Deltas are checked to be JSON and, once there was content, otherwise left alone. A block that is opened
empty is no content yet: many a provider sends one and is overloaded then. A stream is whole at
`message_stop`.
"""

from __future__ import annotations

import msgspec

from plano.chat.usage import Usage
from plano.wire import loose
from plano.wire.anthropic_messages.errors import complaint_of
from plano.wire.anthropic_messages.usage import Counts, counts_in, usage_of
from plano.wire.sse import EVENT_LIMIT_BYTES
from plano.wire.stream import StreamReader as Reader

_WHAT = "An event of the provider's stream"
_MAY_BE_EMPTY = frozenset(
    (
        b'"text"',
        b'"thinking"',
        b'"redacted_thinking"',
        b'"text_delta"',
        b'"thinking_delta"',
        b'"signature_delta"',
        b'"input_json_delta"',
        b'"citations_delta"',
    )
)
"""Blocks and deltas that say something only by what is in them. Any other one does by its type: a call of a
tool, its result, and what nobody here has heard of."""


class _Event(msgspec.Struct, gc=False):
    type: str = ""


class _Piece(msgspec.Struct, gc=False):
    """A block that begins, or more of one."""

    content_block: dict[str, msgspec.Raw] | None = None
    delta: dict[str, msgspec.Raw] | None = None


class _Untyped(msgspec.Struct, gc=False):
    """An event whose type is no text."""


_decode_event = msgspec.json.Decoder(_Event).decode
_decode_piece = msgspec.json.Decoder(_Piece).decode
_untyped = msgspec.json.Decoder(_Untyped)


class StreamReader(Reader):
    """Reads one messages stream."""

    __slots__ = ("_counts",)

    def __init__(self, choices: int = 1, limit_bytes: int = EVENT_LIMIT_BYTES) -> None:
        """`choices` is always one here."""
        super().__init__(limit_bytes)
        self._counts: Counts = {}

    @property
    def usage(self) -> Usage | None:
        return usage_of(self._counts)

    def _learn(self, name: bytes, data: bytes) -> None:
        if name == b"error":
            # The official client raises at the name, whatever the data is.
            self._note_error(data)
            return
        if not data:
            return
        match self._kind(data):
            case "content_block_delta" | "content_block_start":
                self.content = self.content or _says_something(data)
            case "content_block_stop":
                pass
            case "message_start":
                self._learn_start(data)
            case "message_delta":
                self._learn_delta(data)
            case "message_stop":
                self.content = self.ended = True
            case "error":
                self._note_error(data)
            case "ping" | "":
                pass
            case _:
                self.content = True

    @staticmethod
    def _kind(data: bytes) -> str:
        try:
            return _decode_event(data).type
        except loose.UNREADABLE:
            loose.strictly(_untyped, data, _WHAT)
            return ""

    def _learn_start(self, data: bytes) -> None:
        message = loose.at(loose.document(data), "message")
        self.id = loose.text_at(message, "id")
        self.served = loose.text_at(message, "model")
        self._counts = counts_in(loose.at(message, "usage"))

    def _learn_delta(self, data: bytes) -> None:
        self.content = True
        event = loose.document(data)
        self.finish_reason = loose.text_at(event, "delta", "stop_reason") or self.finish_reason
        self._counts |= counts_in(loose.at(event, "usage"))

    def _note_error(self, data: bytes) -> None:
        if self.error is None:
            found = loose.document(data)
            self.error = complaint_of(loose.at(found, "error") or found)


def _says_something(data: bytes) -> bool:
    try:
        piece = _decode_piece(data)
    except loose.UNREADABLE:
        return True
    found = piece.delta or piece.content_block or {}
    if bytes(found.get("type", loose.NOTHING)) not in _MAY_BE_EMPTY:
        return True
    return any(key != "type" and not loose.is_empty(value) for key, value in found.items())
