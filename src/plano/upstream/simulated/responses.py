"""A simulated answer in the words of OpenAI's responses."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

from plano.upstream.simulated.answer import ARGUMENTS, Answer
from plano.upstream.simulated.asked import Asked
from plano.upstream.simulated.chat import CREATED
from plano.upstream.simulated.events import Document, Event, named

_Step = tuple[str, Document, int]
"""The name of an event, its fields, how many tokens it brings."""


def document(asked: Asked, answer: Answer) -> Document:
    output = [_message(answer)]
    if answer.tool:
        output.append(_function_call(answer))
    return _response(asked, answer) | {
        "status": "incomplete" if answer.finish == "length" else "completed",
        "incomplete_details": {"reason": "max_output_tokens"} if answer.finish == "length" else None,
        "output": output,
        "usage": _usage(answer),
    }


def events(asked: Asked, answer: Answer) -> Iterator[Event]:
    """Every event of the dialect's own order, numbered; ends with `response.completed`, or
    `response.incomplete` when the tokens ran out."""
    started: Document = {"response": _response(asked, answer)}
    whole = document(asked, answer)
    steps: Iterator[_Step] = chain(
        [("response.created", started, 0), ("response.in_progress", started, 0)],
        _message_steps(answer),
        _function_steps(answer) if answer.tool else (),
        [(f"response.{whole['status']}", {"response": whole}, 0)],
    )
    for number, (name, fields, tokens) in enumerate(steps):
        yield named(name, {"sequence_number": number, **fields}, tokens=tokens)


def _message_steps(answer: Answer) -> Iterator[_Step]:
    whole = _message(answer)
    place: Document = {"output_index": 0}
    within: Document = {"item_id": whole["id"], "output_index": 0, "content_index": 0}
    begun = {"item": whole | {"status": "in_progress", "content": []}}
    yield "response.output_item.added", place | begun, 0
    yield "response.content_part.added", within | {"part": _part("")}, 0
    for token in answer.tokens:
        yield "response.output_text.delta", within | {"delta": token, "logprobs": []}, 1
    yield "response.output_text.done", within | {"text": answer.text, "logprobs": []}, 0
    yield "response.content_part.done", within | {"part": _part(answer.text)}, 0
    yield "response.output_item.done", place | {"item": whole}, 0


def _function_steps(answer: Answer) -> Iterator[_Step]:
    whole = _function_call(answer)
    place: Document = {"output_index": 1}
    within: Document = {"item_id": whole["id"], "output_index": 1}
    begun = {"item": whole | {"status": "in_progress", "arguments": ""}}
    yield "response.output_item.added", place | begun, 1
    yield "response.function_call_arguments.delta", within | {"delta": ARGUMENTS}, 1
    done: Document = {"name": answer.tool, "arguments": ARGUMENTS}
    yield "response.function_call_arguments.done", within | done, 0
    yield "response.output_item.done", place | {"item": whole}, 0


def _response(asked: Asked, answer: Answer) -> Document:
    return {
        "id": answer.id,
        "object": "response",
        "created_at": CREATED,
        "status": "in_progress",
        "error": None,
        "incomplete_details": None,
        "instructions": None,
        "max_output_tokens": asked.max_tokens,
        "metadata": {"simulated_by": "plano"},
        "model": asked.model,
        "output": [],
        "parallel_tool_calls": True,
        "previous_response_id": None,
        "store": False,
        "temperature": 1.0,
        "tool_choice": "auto",
        "tools": [],
        "top_p": 1.0,
        "truncation": "disabled",
        "usage": None,
    }


def _message(answer: Answer) -> Document:
    return {
        "id": f"{answer.id}-message",
        "type": "message",
        "status": "incomplete" if answer.finish == "length" else "completed",
        "role": "assistant",
        "content": [_part(answer.text)],
    }


def _part(text: str) -> Document:
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def _function_call(answer: Answer) -> Document:
    return {
        "id": f"{answer.id}-function",
        "type": "function_call",
        "status": "completed",
        "call_id": f"{answer.id}-call",
        "name": answer.tool,
        "arguments": ARGUMENTS,
    }


def _usage(answer: Answer) -> Document:
    return {
        "input_tokens": answer.input_tokens,
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": answer.output_tokens,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": answer.input_tokens + answer.output_tokens,
    }
