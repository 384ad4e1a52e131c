"""Problems in the words of the responses dialect."""

from __future__ import annotations

import msgspec

from plano.errors import PlanoError
from plano.wire.openai_errors import body_of, error_object

_encode = msgspec.json.Encoder().encode


def render(problem: PlanoError, _request_id: str) -> bytes:
    """The body; the request id travels in a header, the dialect has no member for it."""
    return body_of(problem)


def event(problem: PlanoError, _request_id: str) -> bytes:
    """The last event of a stream that cannot go on.

    OpenAI documents an `error` event with its members at the top and sends one with them inside
    `error`. The official clients raise only at the second, others read only the first: this is
    both. The sequence number is not that of the stream, which is not followed.
    """
    found = error_object(problem)
    document = {
        "type": "error",
        "sequence_number": 0,
        "code": found["code"],
        "message": found["message"],
        "param": found["param"],
        "error": found,
    }
    return b"event: error\ndata: " + _encode(document) + b"\n\n"
