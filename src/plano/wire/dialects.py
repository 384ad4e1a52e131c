"""The table of the three dialects: where each is spoken, and who reads and writes it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType

from plano.chat.conversation import Conversation
from plano.chat.dialect import Dialect
from plano.chat.needs import Needs
from plano.errors import PlanoError, UpstreamError
from plano.wire import error_shapes, needs, openai_errors, splice
from plano.wire.anthropic_messages import errors as messages_errors
from plano.wire.anthropic_messages import reply as messages_reply
from plano.wire.anthropic_messages import request as messages_request
from plano.wire.anthropic_messages import stream as messages_stream
from plano.wire.facts import Complaint, ReplyFacts
from plano.wire.openai_chat import errors as chat_errors
from plano.wire.openai_chat import reply as chat_reply
from plano.wire.openai_chat import request as chat_request
from plano.wire.openai_chat import stream as chat_stream
from plano.wire.openai_responses import errors as responses_errors
from plano.wire.openai_responses import reply as responses_reply
from plano.wire.openai_responses import request as responses_request
from plano.wire.openai_responses import stream as responses_stream
from plano.wire.splice import Head
from plano.wire.stream import StreamReader

__all__ = ["DECISIONS", "DIALECTS", "Codec", "Complaint", "Head", "ReplyFacts", "StreamReader", "dialect_of"]


@dataclass(frozen=True, slots=True)
class Codec:
    """One dialect's readers and writers. What reads requests raises InvalidJson or InvalidRequest,
    what reads answers UpstreamInvalid."""

    path: str
    read_request: Callable[[bytes], Head]
    conversation: Callable[[Head], Conversation]
    """What routing reads of a request."""
    needs: Callable[[Head, bool, int], Needs]
    """What it needs of a model: whether to look for images, and up to how many tokens to count."""
    stream_reader: Callable[[int, int], StreamReader]
    """Given the number of choices asked for and the most bytes of one event."""
    read_reply: Callable[[bytes], ReplyFacts]
    render_error: Callable[[PlanoError, str], bytes]
    """The body for a problem and a request id."""
    error_event: Callable[[PlanoError, str], bytes]
    """The last event of a stream that has begun and cannot go on."""
    error_of: Callable[[Complaint], UpstreamError]
    """The problem that an error inside a 200 is."""
    is_error: Callable[[bytes], bool]
    """Whether the body of a 4xx or 5xx is something that the dialect's clients can read, in its shape."""


DIALECTS: Mapping[Dialect, Codec] = MappingProxyType(
    {
        Dialect.OPENAI_CHAT: Codec(
            path="/v1/chat/completions",
            read_request=partial(splice.read, dialect=Dialect.OPENAI_CHAT),
            conversation=chat_request.conversation,
            needs=partial(needs.read, places=chat_request.PLACES),
            stream_reader=chat_stream.StreamReader,
            read_reply=chat_reply.read,
            render_error=chat_errors.render,
            error_event=chat_errors.event,
            error_of=openai_errors.error_of,
            is_error=error_shapes.is_openais,
        ),
        Dialect.ANTHROPIC_MESSAGES: Codec(
            path="/v1/messages",
            read_request=partial(splice.read, dialect=Dialect.ANTHROPIC_MESSAGES),
            conversation=messages_request.conversation,
            needs=partial(needs.read, places=messages_request.PLACES),
            stream_reader=messages_stream.StreamReader,
            read_reply=messages_reply.read,
            render_error=messages_errors.render,
            error_event=messages_errors.event,
            error_of=messages_errors.error_of,
            is_error=error_shapes.is_anthropics,
        ),
        Dialect.OPENAI_RESPONSES: Codec(
            path="/v1/responses",
            read_request=partial(splice.read, dialect=Dialect.OPENAI_RESPONSES),
            conversation=responses_request.conversation,
            needs=partial(needs.read, places=responses_request.PLACES),
            stream_reader=responses_stream.StreamReader,
            read_reply=responses_reply.read,
            render_error=responses_errors.render,
            error_event=responses_errors.event,
            error_of=openai_errors.error_of,
            is_error=error_shapes.is_openais,
        ),
    }
)

_BY_PATH: Mapping[str, Dialect] = MappingProxyType(
    {codec.path: dialect for dialect, codec in DIALECTS.items()}
)
DECISIONS = "/routing"
"""Before the path of a dialect: the same request, of which only the decision is wanted."""


def dialect_of(path: str) -> Dialect | None:
    """The dialect spoken on a path, also on its decision endpoint; None elsewhere."""
    return _BY_PATH.get(path.removeprefix(DECISIONS))
