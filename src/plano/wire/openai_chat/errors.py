"""Problems in the words of the chat dialect."""

from __future__ import annotations

from plano.errors import PlanoError
from plano.wire.openai_errors import body_of


def render(problem: PlanoError, _request_id: str) -> bytes:
    """The body; the request id travels in a header, the dialect has no member for it."""
    return body_of(problem)


def event(problem: PlanoError, _request_id: str) -> bytes:
    """The last event of a stream that cannot go on. No `[DONE]` follows: clients would take it for an end."""
    return b"data: " + body_of(problem) + b"\n\n"
