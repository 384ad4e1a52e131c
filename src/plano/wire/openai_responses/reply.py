"""A whole response, learnt from on its way past."""

from __future__ import annotations

import msgspec

from plano.wire import loose
from plano.wire.facts import ReplyFacts
from plano.wire.openai_responses.response import Response, usage_of

_decoder = msgspec.json.Decoder(Response)


def read(body: bytes) -> ReplyFacts:
    """Raises UpstreamInvalid for a body that is not a JSON object."""
    response = loose.strictly(_decoder, body, "The provider's answer")
    return ReplyFacts(
        served=loose.text(response.model),
        usage=usage_of(response.usage),
        finish_reason=response.finish_reason(),
        id=loose.text(response.id),
        error=response.complaint(),
        is_answer=response.is_answer,
    )
