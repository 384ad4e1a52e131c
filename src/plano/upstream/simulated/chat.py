"""A simulated answer in the words of OpenAI's chat completions."""

from __future__ import annotations

from collections.abc import Iterator

from plano.upstream.simulated.answer import ARGUMENTS, Answer
from plano.upstream.simulated.asked import Asked
from plano.upstream.simulated.events import Document, Event, unnamed

CREATED = 1_767_225_600
"""2026-01-01: a constant, so that the same request gets the same bytes."""
FINGERPRINT = "sim-plano"

_FINISH = {"stop": "stop", "length": "length", "tool": "tool_calls"}


def document(asked: Asked, answer: Answer) -> Document:
    message: Document = {"role": "assistant", "content": answer.text, "refusal": None}
    if answer.tool:
        message["tool_calls"] = [_tool_call(answer, ARGUMENTS)]
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": _FINISH[answer.finish]}
    return _envelope("chat.completion", asked, answer) | {"choices": [choice], "usage": _usage(answer)}


def events(asked: Asked, answer: Answer) -> Iterator[Event]:
    """Role, one chunk a token, the tool call in two chunks, the finish reason, the usage if it
    was asked for, `[DONE]`."""
    envelope = _envelope("chat.completion.chunk", asked, answer)
    if asked.include_usage:
        envelope["usage"] = None

    def chunk(delta: Document, finish: str | None = None, tokens: int = 0) -> Event:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        return unnamed(envelope | {"choices": [choice]}, tokens=tokens)

    yield chunk({"role": "assistant", "content": "", "refusal": None})
    for token in answer.tokens:
        yield chunk({"content": token}, tokens=1)
    if answer.tool:
        yield chunk({"tool_calls": [{"index": 0, **_tool_call(answer, "")}]}, tokens=1)
        yield chunk({"tool_calls": [{"index": 0, "function": {"arguments": ARGUMENTS}}]}, tokens=1)
    yield chunk({}, finish=_FINISH[answer.finish])
    if asked.include_usage:
        yield unnamed(envelope | {"choices": [], "usage": _usage(answer)})
    yield Event(b"data: [DONE]\n\n")


def _envelope(kind: str, asked: Asked, answer: Answer) -> Document:
    return {
        "id": answer.id,
        "object": kind,
        "created": CREATED,
        "model": asked.model,
        "system_fingerprint": FINGERPRINT,
    }


def _tool_call(answer: Answer, arguments: str) -> Document:
    function = {"name": answer.tool, "arguments": arguments}
    return {"id": f"{answer.id}-call", "type": "function", "function": function}


def _usage(answer: Answer) -> Document:
    return {
        "prompt_tokens": answer.input_tokens,
        "completion_tokens": answer.output_tokens,
        "total_tokens": answer.input_tokens + answer.output_tokens,
        "prompt_tokens_details": {"cached_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 0},
    }
