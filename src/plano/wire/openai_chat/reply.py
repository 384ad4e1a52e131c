"""A whole chat completion, learnt from on its way past."""

from __future__ import annotations

import msgspec

from plano.wire import loose
from plano.wire.facts import ReplyFacts
from plano.wire.openai_chat.chunk import Chunk, choices_of, usage_of
from plano.wire.openai_errors import complaint_of

_decoder = msgspec.json.Decoder(Chunk)


def read(body: bytes) -> ReplyFacts:
    """Raises UpstreamInvalid for a body that is not a JSON object."""
    reply = loose.strictly(_decoder, body, "The provider's answer")
    reasons = (choice.finish_reason for choice in choices_of(reply.choices) if choice.finish_reason)
    return ReplyFacts(
        served=loose.text(reply.model),
        usage=usage_of(reply.usage),
        finish_reason=next(reasons, None),
        id=loose.text(reply.id),
        error=complaint_of(loose.value(reply.error)),
    )
