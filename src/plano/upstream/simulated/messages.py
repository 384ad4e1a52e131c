"""A simulated answer in the words of Anthropic's messages."""

from __future__ import annotations

from collections.abc import Iterator

from plano.upstream.simulated.answer import ARGUMENTS, Answer
from plano.upstream.simulated.asked import Asked
from plano.upstream.simulated.events import Document, Event, named

_STOP = {"stop": "end_turn", "length": "max_tokens", "tool": "tool_use"}


def document(asked: Asked, answer: Answer) -> Document:
    content: list[Document] = [{"type": "text", "text": answer.text}]
    if answer.tool:
        content.append(_tool_use(answer))
    return _message(asked, answer, output_tokens=answer.output_tokens) | {
        "content": content,
        "stop_reason": _STOP[answer.finish],
    }


def events(asked: Asked, answer: Answer) -> Iterator[Event]:
    """`message_start`, a text block with a ping, perhaps a tool block, `message_delta` with the
    reason and the usage, `message_stop`."""
    yield named("message_start", {"message": _message(asked, answer, output_tokens=1)})
    yield named("content_block_start", {"index": 0, "content_block": {"type": "text", "text": ""}})
    yield named("ping", {})
    for token in answer.tokens:
        yield _delta(0, {"type": "text_delta", "text": token})
    yield named("content_block_stop", {"index": 0})
    if answer.tool:
        yield named("content_block_start", {"index": 1, "content_block": _tool_use(answer)}, tokens=1)
        yield _delta(1, {"type": "input_json_delta", "partial_json": ARGUMENTS})
        yield named("content_block_stop", {"index": 1})
    reason = {"stop_reason": _STOP[answer.finish], "stop_sequence": None}
    yield named("message_delta", {"delta": reason, "usage": _usage(answer, answer.output_tokens)})
    yield named("message_stop", {})


def _message(asked: Asked, answer: Answer, *, output_tokens: int) -> Document:
    return {
        "id": answer.id,
        "type": "message",
        "role": "assistant",
        "model": asked.model,
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": _usage(answer, output_tokens),
    }


def _delta(index: int, delta: Document) -> Event:
    return named("content_block_delta", {"index": index, "delta": delta}, tokens=1)


def _tool_use(answer: Answer) -> Document:
    return {"type": "tool_use", "id": f"{answer.id}-call", "name": answer.tool, "input": {}}


def _usage(answer: Answer, output_tokens: int) -> Document:
    return {
        "input_tokens": answer.input_tokens,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": 0,
        "output_tokens": output_tokens,
    }
