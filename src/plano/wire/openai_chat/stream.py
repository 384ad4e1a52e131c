"""A chat completion's chunks, learnt from as they pass.

A stream is whole when every choice has its finish reason: every one that was asked for, or,
when `[DONE]` says that no more will come, every one that was begun (some providers give one
answer however many are asked for). `[DONE]` alone proves nothing: gateways append it to streams
that broke. What may follow the last finish reason are the counts; more of the answer means that it
was not the last (`goes_on`). A finish reason counts as content: an empty answer is an answer. Not so
beside an error, which some gateways give one.
"""

from __future__ import annotations

import msgspec

from plano.chat.usage import Usage
from plano.wire import loose
from plano.wire.loose import NOTHING
from plano.wire.openai_chat.chunk import Choice, Chunk, Index, choices_of, usage_of
from plano.wire.openai_errors import complaint_of
from plano.wire.sse import EVENT_LIMIT_BYTES
from plano.wire.stream import StreamReader as Reader

_DONE = b"[DONE]"
_SAYS_SOMETHING = 4
"""Longer than null, {} and the empty string."""
_WHAT = "An event of the provider's stream"


class _End(msgspec.Struct, gc=False):
    """What still matters of a choice once content was seen."""

    index: Index = 0
    finish_reason: str | None = None


class _Later(msgspec.Struct, gc=False):
    choices: list[_End] = []
    usage: msgspec.Raw = NOTHING
    error: msgspec.Raw = NOTHING


class _Opening(msgspec.Struct, gc=False):
    """A chunk with the types that the API's reference gives it."""

    id: str | None = None
    model: str | None = None
    choices: list[Choice] = []
    usage: msgspec.Raw = NOTHING
    error: msgspec.Raw = NOTHING


_chunk = msgspec.json.Decoder(Chunk)
_decode_opening = msgspec.json.Decoder(_Opening).decode
_decode_later = msgspec.json.Decoder(_Later).decode


class StreamReader(Reader):
    """Reads one chat stream."""

    __slots__ = ("_begun", "_choices", "_finished", "_usage")

    counts_behind = True

    def __init__(self, choices: int = 1, limit_bytes: int = EVENT_LIMIT_BYTES) -> None:
        """`choices` is the request's `n`."""
        super().__init__(limit_bytes)
        self._choices = choices
        self._begun: set[int] = set()
        self._finished: set[int] = set()
        self._usage = NOTHING

    @property
    def usage(self) -> Usage | None:
        return usage_of(self._usage)

    def _learn(self, name: bytes, data: bytes) -> None:
        if not data:
            return
        if data.startswith(_DONE):
            self.ended = self.closed = bool(self._finished) and self._begun <= self._finished
            return
        if self.content:
            try:
                later = _decode_later(data)
            except loose.UNREADABLE:
                self._learn_odd(data)
                return
            if not self._note_beside(later.usage, later.error):
                for end in later.choices:
                    self._note(end.index, end.finish_reason)
        else:
            self._learn_opening(data)

    def _learn_opening(self, data: bytes) -> None:
        """A chunk before any content: the first byte that the client waits for is in one of these."""
        try:
            opening = _decode_opening(data)
        except loose.UNREADABLE:
            self._learn_odd(data)
            return
        self.id = self.id or opening.id or None
        self.served = self.served or opening.model or None
        if not self._note_beside(opening.usage, opening.error):
            self._note_choices(opening.choices)

    def _learn_odd(self, data: bytes) -> None:
        """A chunk with odd types in it."""
        chunk = loose.strictly(_chunk, data, _WHAT)
        self.id = self.id or loose.text(chunk.id)
        self.served = self.served or loose.text(chunk.model)
        if not self._note_beside(chunk.usage, chunk.error):
            self._note_choices(choices_of(chunk.choices))

    def _note_choices(self, choices: list[Choice]) -> None:
        for choice in choices:
            self.content = self.content or _has_content(choice)
            self._note(choice.index or 0, choice.finish_reason)

    def _note(self, index: int, finish_reason: str | None) -> None:
        self.goes_on = self.ended  # some give every piece a finish reason, or more choices than asked for
        if finish_reason:
            self._finished.add(index)
            self.finish_reason = self.finish_reason or finish_reason
        elif index in self._begun:
            return
        self._begun.add(index)
        self.ended = self._begun <= self._finished and len(self._finished) >= self._choices

    def _note_beside(self, usage: msgspec.Raw, error: msgspec.Raw) -> bool:
        """Whether there was an error."""
        if len(usage) > _SAYS_SOMETHING:
            self._usage = usage
        if self.error is None and len(error) > _SAYS_SOMETHING:
            self.error = complaint_of(loose.value(error))
        return self.error is not None


def _has_content(choice: Choice) -> bool:
    """A finish reason, or anything in the delta but the role that opens it."""
    if choice.finish_reason:
        return True
    delta = choice.delta or {}
    return any(key != "role" and not loose.is_empty(value) for key, value in delta.items())
