"""A response's events, learnt from as they pass.

Of the many kinds only those that carry the response itself are looked into, and before there was content
those that open something, which may be empty. A stream is whole when the response is completed,
incomplete or failed; an `error` event ends nothing.
"""

from __future__ import annotations

import msgspec

from plano.chat.usage import Usage
from plano.wire import loose
from plano.wire.loose import NOTHING
from plano.wire.openai_errors import complaint_of
from plano.wire.openai_responses.response import Response, usage_of
from plano.wire.sse import EVENT_LIMIT_BYTES
from plano.wire.stream import StreamReader as Reader

_PRELUDE = frozenset(("response.created", "response.in_progress", "response.queued"))
_TERMINAL = frozenset(("response.completed", "response.incomplete", "response.failed"))
_LOOKED_INTO = _PRELUDE | _TERMINAL
_SILENT = frozenset(("error", "keepalive", "ping", ""))
"""Kinds that carry nothing of the answer."""
_ITEM_ADDED = "response.output_item.added"
_PARTS_ADDED = frozenset(("response.content_part.added", "response.reasoning_summary_part.added"))
_DELTA = ".delta"
_ITEMS_MAY_BE_EMPTY = frozenset((b'"message"', b'"reasoning"'))
_OF_AN_ITEM = ("content", "summary", "encrypted_content")
_PARTS_MAY_BE_EMPTY = frozenset((b'"output_text"', b'"refusal"', b'"reasoning_text"', b'"summary_text"'))
"""Items and parts that say something only by what is in them. Any other does by its type: a call, say."""
_SAYS_SOMETHING = 4
"""Longer than null, {} and the empty string."""
_WHAT = "An event of the provider's stream"


class _Event(msgspec.Struct, gc=False):
    type: str = ""
    error: msgspec.Raw = NOTHING


class _Odd(msgspec.Struct, gc=False):
    """An event whose type is no text."""

    error: msgspec.Raw = NOTHING


class _Piece(msgspec.Struct, gc=False):
    """Something that begins, or more of it."""

    item: dict[str, msgspec.Raw] | None = None
    part: dict[str, msgspec.Raw] | None = None
    delta: msgspec.Raw = NOTHING


class _Carrier(msgspec.Struct, gc=False):
    response: msgspec.Raw = NOTHING


_decode_event = msgspec.json.Decoder(_Event).decode
_odd = msgspec.json.Decoder(_Odd)
_decode_piece = msgspec.json.Decoder(_Piece).decode
_carrier = msgspec.json.Decoder(_Carrier)
_decode_response = msgspec.json.Decoder(Response).decode


class StreamReader(Reader):
    """Reads one responses stream."""

    __slots__ = ("_usage",)

    def __init__(self, choices: int = 1, limit_bytes: int = EVENT_LIMIT_BYTES) -> None:
        """`choices` is always one here."""
        super().__init__(limit_bytes)
        self._usage = NOTHING

    @property
    def usage(self) -> Usage | None:
        return usage_of(self._usage)

    def _learn(self, name: bytes, data: bytes) -> None:
        if not data:
            return
        if data == b"[DONE]":
            self.closed = self.ended
            return
        try:
            event = _decode_event(data)
        except loose.UNREADABLE:
            event = _Event(error=loose.strictly(_odd, data, _WHAT).error)
        kind = event.type or name.decode("utf-8", "replace")
        if len(event.error) > _SAYS_SOMETHING:
            # The official client raises at any event with an error in it, whatever its type.
            self._note_error(loose.value(event.error))
        if kind in _LOOKED_INTO:
            self._learn_response(kind, data)
        elif kind == "error":
            self._note_error(loose.document(data))
        elif not self.content and not self.has_failed and kind not in _SILENT:
            self.content = _says_something(kind, data)

    def _learn_response(self, kind: str, data: bytes) -> None:
        ends = kind in _TERMINAL
        if not ends and self.id is not None:
            return
        response = self._response_in(data)
        self.id = self.id or loose.text(response.id)
        self.served = loose.text(response.model) or self.served
        if not ends:
            return
        self.ended = True
        self._usage = response.usage
        self.finish_reason = response.finish_reason() or kind.removeprefix("response.")
        if self.error is None:
            self.error = response.complaint()

    @staticmethod
    def _response_in(data: bytes) -> Response:
        try:
            return _decode_response(loose.strictly(_carrier, data, _WHAT).response)
        except loose.UNREADABLE:
            return Response()

    def _note_error(self, found: object) -> None:
        """The documented shape has its members at the top of the event, the one OpenAI sends in `error`."""
        if self.error is None:
            self.error = complaint_of(loose.at(found, "error") or found)


def _says_something(kind: str, data: bytes) -> bool:
    try:
        piece = _decode_piece(data)
    except loose.UNREADABLE:
        return True
    if kind.endswith(_DELTA):
        return not loose.is_empty(piece.delta)
    item, part = piece.item or {}, piece.part or {}
    if kind == _ITEM_ADDED and _type_of(item) in _ITEMS_MAY_BE_EMPTY:
        return any(key in item and not loose.is_empty(item[key]) for key in _OF_AN_ITEM)
    if kind in _PARTS_ADDED and _type_of(part) in _PARTS_MAY_BE_EMPTY:
        return any(key != "type" and not loose.is_empty(value) for key, value in part.items())
    return True


def _type_of(found: dict[str, msgspec.Raw]) -> bytes:
    return bytes(found.get("type", NOTHING))
