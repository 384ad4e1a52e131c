"""A whole message, learnt from on its way past."""

from __future__ import annotations

import msgspec

from plano.wire import loose
from plano.wire.anthropic_messages.errors import complaint_of
from plano.wire.anthropic_messages.usage import counts_in, usage_of
from plano.wire.facts import ReplyFacts
from plano.wire.loose import NOTHING


class _Message(msgspec.Struct, gc=False):
    """The members that are learnt from, undecoded: whatever is in them, a message can be read."""

    type: msgspec.Raw = NOTHING
    id: msgspec.Raw = NOTHING
    model: msgspec.Raw = NOTHING
    stop_reason: msgspec.Raw = NOTHING
    usage: msgspec.Raw = NOTHING
    content: msgspec.Raw = NOTHING
    error: msgspec.Raw = NOTHING


_decoder = msgspec.json.Decoder(_Message)


def read(body: bytes) -> ReplyFacts:
    """Raises UpstreamInvalid for a body that is not a JSON object."""
    message = loose.strictly(_decoder, body, "The provider's answer")
    kind = loose.text(message.type)
    is_answer = kind == "message" or loose.is_list(message.content)
    failed = kind == "error" or (not is_answer and bool(loose.value(message.error)))
    return ReplyFacts(
        served=loose.text(message.model),
        usage=usage_of(counts_in(loose.value(message.usage))),
        finish_reason=loose.text(message.stop_reason),
        id=loose.text(message.id),
        error=complaint_of(loose.value(message.error)) if failed else None,
        is_answer=is_answer,
    )
