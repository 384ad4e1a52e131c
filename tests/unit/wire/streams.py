"""Streams as the three providers send them, and ways to cut them."""

from __future__ import annotations

import json
from collections.abc import Iterable

from plano.wire.stream import StreamReader


def data(document: object) -> bytes:
    return b"data: " + json.dumps(document).encode() + b"\n\n"


def named(document: dict[str, object]) -> bytes:
    return f"event: {document['type']}\n".encode() + data(document)


def chunk(
    delta: dict[str, object] | None = None, finish: str | None = None, index: int = 0, **beside: object
) -> bytes:
    choice = {"index": index, "delta": delta or {}, "logprobs": None, "finish_reason": finish}
    document = {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "gpt-4o-2024-08-06",
    }
    return data({**document, "choices": [choice], "usage": None, **beside})


ROLE = chunk({"role": "assistant", "content": "", "refusal": None})
DONE = b"data: [DONE]\n\n"
COUNTS = {
    "prompt_tokens": 20,
    "completion_tokens": 9,
    "total_tokens": 29,
    "prompt_tokens_details": {"cached_tokens": 12, "audio_tokens": 0},
    "completion_tokens_details": {"reasoning_tokens": 4},
}
CHAT = [
    ROLE,
    chunk({"content": "Hel"}),
    b": keep-alive\n\n",
    chunk({"content": "lo"}),
    chunk({}, "stop"),
    data({"id": "chatcmpl-1", "model": "gpt-4o-2024-08-06", "choices": [], "usage": COUNTS}),
    DONE,
]

MESSAGES = [
    named(
        {
            "type": "message_start",
            "message": {
                "id": "msg_1",
                "type": "message",
                "role": "assistant",
                "model": "claude-sonnet-4-5-20250929",
                "content": [],
                "stop_reason": None,
                "usage": {
                    "input_tokens": 5,
                    "cache_read_input_tokens": 100,
                    "cache_creation_input_tokens": 10,
                    "output_tokens": 1,
                },
            },
        }
    ),
    named({"type": "ping"}),
    named({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}),
    named({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hello"}}),
    named({"type": "content_block_stop", "index": 0}),
    named(
        {
            "type": "message_delta",
            "delta": {"stop_reason": "end_turn", "stop_sequence": None},
            "usage": {"output_tokens": 12, "output_tokens_details": {"thinking_tokens": 3}},
        }
    ),
    named({"type": "message_stop"}),
]

_RESPONSE: dict[str, object] = {
    "id": "resp_1",
    "object": "response",
    "model": "gpt-5-2025-08-07",
    "error": None,
    "output": [],
}


def response(kind: str, status: str, **beside: object) -> bytes:
    return named({"type": kind, "sequence_number": 0, "response": {**_RESPONSE, "status": status, **beside}})


COUNTED = {
    "input_tokens": 20,
    "input_tokens_details": {"cached_tokens": 12},
    "output_tokens": 9,
    "output_tokens_details": {"reasoning_tokens": 4},
    "total_tokens": 29,
}
RESPONSES = [
    response("response.created", "in_progress", usage=None),
    response("response.in_progress", "in_progress", usage=None),
    named({"type": "response.output_item.added", "output_index": 0, "item": {"type": "message"}}),
    named({"type": "response.output_text.delta", "output_index": 0, "delta": "Hello", "sequence_number": 4}),
    response("response.completed", "completed", usage=COUNTED),
]


def relayed(reader: StreamReader, pieces: Iterable[bytes]) -> bytes:
    """All that a reader lets through of a stream that comes in these pieces and then ends."""
    return b"".join([*(reader.feed(piece) for piece in pieces), reader.finish()])


def facts(reader: StreamReader) -> tuple[object, ...]:
    return (
        reader.ended,
        reader.content,
        reader.error,
        reader.served,
        reader.finish_reason,
        reader.usage,
        reader.id,
    )
