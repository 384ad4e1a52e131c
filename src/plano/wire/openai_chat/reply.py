"""A whole chat completion, learnt from on its way past.

Nearly every answer has the documented types and is read in one typed pass; one that has not is
read member by member, and what is odd in it is unknown.
"""

from __future__ import annotations

from typing import Annotated

import msgspec

from plano.chat.usage import Usage
from plano.wire import loose
from plano.wire.facts import ReplyFacts
from plano.wire.loose import NOTHING
from plano.wire.openai_chat.chunk import Chunk, choices_of, usage_of
from plano.wire.openai_errors import complaint_of

Count = Annotated[int, msgspec.Meta(ge=0, le=loose.LARGEST_COUNT)] | None


class _PromptDetails(msgspec.Struct, gc=False):
    cached_tokens: Count = None
    cache_write_tokens: Count = None


class _CompletionDetails(msgspec.Struct, gc=False):
    reasoning_tokens: Count = None


_NO_PROMPT_DETAILS = _PromptDetails()
_NO_COMPLETION_DETAILS = _CompletionDetails()


class _Counts(msgspec.Struct, gc=False):
    prompt_tokens: Count = None
    completion_tokens: Count = None
    prompt_tokens_details: _PromptDetails | None = None
    completion_tokens_details: _CompletionDetails | None = None
    prompt_cache_hit_tokens: Count = None

    def usage(self) -> Usage | None:
        prompt = self.prompt_tokens_details or _NO_PROMPT_DETAILS
        completion = self.completion_tokens_details or _NO_COMPLETION_DETAILS
        cached = prompt.cached_tokens
        usage = Usage(
            self.prompt_tokens,
            self.completion_tokens,
            self.prompt_cache_hit_tokens if cached is None else cached,
            prompt.cache_write_tokens,
            completion.reasoning_tokens,
        )
        return None if usage == _UNKNOWN else usage


class _End(msgspec.Struct, gc=False):
    finish_reason: str | None = None


class _Documented(msgspec.Struct, gc=False):
    """The members with the types that the API's reference gives them."""

    id: str | None = None
    model: str | None = None
    choices: list[_End] | None = None
    usage: _Counts | None = None
    error: msgspec.Raw = NOTHING


_UNKNOWN = Usage()

_decode = msgspec.json.Decoder(_Documented).decode
_loose = msgspec.json.Decoder(Chunk)


def read(body: bytes) -> ReplyFacts:
    """Raises UpstreamInvalid for a body that is not a JSON object."""
    try:
        reply = _decode(body)
    except loose.UNREADABLE:
        return _read_odd(body)
    reason = None
    for choice in reply.choices or ():
        if choice.finish_reason:
            reason = choice.finish_reason
            break
    return ReplyFacts(
        reply.model or None,
        None if reply.usage is None else reply.usage.usage(),
        reason,
        reply.id or None,
        complaint_of(loose.value(reply.error)) if len(reply.error) else None,
        reply.choices is not None,
    )


def _read_odd(body: bytes) -> ReplyFacts:
    reply = loose.strictly(_loose, body, "The provider's answer")
    reasons = (choice.finish_reason for choice in choices_of(reply.choices) if choice.finish_reason)
    return ReplyFacts(
        served=loose.text(reply.model),
        usage=usage_of(reply.usage),
        finish_reason=next(reasons, None),
        id=loose.text(reply.id),
        error=complaint_of(loose.value(reply.error)),
        is_answer=loose.is_list(reply.choices),
    )
