"""Good answers in the three dialects, plain and streaming, in the shape that providers send.

They hold what a relay could damage: spacing, escapes, non-ASCII text, fields nobody has heard of,
numbers that no float can hold. The words are `hello wörld 🌍` everywhere.
"""

from __future__ import annotations

from plano.chat.dialect import Dialect
from tests.wall.script import EVENT_STREAM, JSON, Head, Raw, Script, chunked, sized

TEXT = "hello wörld 🌍"

CHAT = """{"id": "chatcmpl-wall1", "object":"chat.completion","created": 1760000000,
  "model":"wall-chat-2026-01-01", "choices": [ {"index":0,"message":{"role":"assistant",
  "content":"hello w\\u00f6rld 🌍","refusal":null,"annotations":[]},"logprobs":null,"finish_reason":"stop"} ],
  "usage":{"prompt_tokens":11,"completion_tokens":5,"total_tokens":16,
  "prompt_tokens_details":{"cached_tokens":4},"completion_tokens_details":{"reasoning_tokens":2}},
  "service_tier":"default","x_wall":{"seed":123456789012345678901234567890,"e":1.0e2}}
""".encode()

_CHAT_USAGE = (
    '{"prompt_tokens":11,"completion_tokens":5,"total_tokens":16,'
    '"prompt_tokens_details":{"cached_tokens":4},"completion_tokens_details":{"reasoning_tokens":2}}'
)

CHAT_EVENTS = [
    f'data: {{"id":"chatcmpl-wall2","object":"chat.completion.chunk","created":1760000000,'
    f'"model":"wall-chat-2026-01-01","x_wall":"kept",{rest}}}\n\n'.encode()
    for rest in (
        '"choices":[{"index":0,"delta":{"role":"assistant","content":"","refusal":null},"finish_reason":null}],"usage":null',
        '"choices":[{"index":0,"delta":{"content":"hello "},"finish_reason":null}],"usage":null',
        '"choices": [{"index":0,"delta":{"content":"w\\u00f6rld"},"finish_reason":null}],"usage":null',
        '"choices":[{"index":0,"delta":{"content":" 🌍"},"finish_reason":null}],"usage":null',
        '"choices":[{"index":0,"delta":{},"finish_reason":"stop"}],"usage":null',
        '"choices":[],"usage":' + _CHAT_USAGE,
    )
] + [b"data: [DONE]\n\n"]

MESSAGES = """{"id":"msg_wall1","type":"message","role":"assistant","model":"wall-messages-1",
 "content":[{"type":"text","text":"hello w\\u00f6rld 🌍"}],"stop_reason":"end_turn","stop_sequence":null,
 "usage":{"input_tokens":7,"cache_creation_input_tokens":3,"cache_read_input_tokens":4,"output_tokens":5,
 "service_tier":"standard"}, "x_wall":[1,2.50,-0]}
""".encode()

_STARTED = (
    '{"id":"msg_wall2","type":"message","role":"assistant","model":"wall-messages-1",'
    '"content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":7,'
    '"cache_creation_input_tokens":3,"cache_read_input_tokens":4,"output_tokens":1}}'
)

MESSAGES_EVENTS = [
    f"event: {name}\ndata: {data}\n\n".encode()
    for name, data in (
        (
            "message_start",
            '{"type":"message_start","message":' + _STARTED + "}",
        ),
        (
            "content_block_start",
            '{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}    }',
        ),
        ("ping", '{"type": "ping"}'),
        (
            "content_block_delta",
            '{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"hello "} }',
        ),
        (
            "content_block_delta",
            '{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"w\\u00f6rld 🌍"} }',
        ),
        ("content_block_stop", '{"type":"content_block_stop","index":0}'),
        (
            "message_delta",
            '{"type":"message_delta","delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":{"output_tokens":5}}',
        ),
        ("message_stop", '{"type":"message_stop"  }'),
    )
]

_PART = '{"type":"output_text","text":"hello w\\u00f6rld 🌍","annotations":[],"logprobs":[]}'
_ITEM = f'{{"id":"item_wall","type":"message","status":"completed","role":"assistant","content":[{_PART}]}}'


def _response(status: str, output: str, usage: str) -> str:
    return (
        f'{{"id":"resp_wall","object":"response","created_at":1760000000,"status":"{status}","error":null,'
        '"incomplete_details":null,"instructions":null,"max_output_tokens":null,"model":"wall-responses-1",'
        f'"output":[{output}],"parallel_tool_calls":true,"previous_response_id":null,"temperature":1.0,'
        f'"tool_choice":"auto","tools":[],"top_p":1.0,"usage":{usage},"metadata":{{}}, "x_wall":1.50}}'
    )


_USAGE = (
    '{"input_tokens":11,"input_tokens_details":{"cached_tokens":4},"output_tokens":5,'
    '"output_tokens_details":{"reasoning_tokens":2},"total_tokens":16}'
)

RESPONSES = _response("completed", _ITEM, _USAGE).encode()

_WITHIN = '"item_id":"item_wall","output_index":0,"content_index":0'
_DELTA = f'{_WITHIN},"logprobs":[],"delta"'

_BEGUN = '{"id":"item_wall","type":"message","status":"in_progress","role":"assistant","content":[]}'

RESPONSES_EVENTS = [
    f'event: {name}\ndata: {{"type":"{name}","sequence_number":{number},{rest}}}\n\n'.encode()
    for number, (name, rest) in enumerate(
        (
            ("response.created", f'"response":{_response("in_progress", "", "null")}'),
            ("response.in_progress", f'"response":{_response("in_progress", "", "null")}'),
            (
                "response.output_item.added",
                '"output_index":0,"item":' + _BEGUN,
            ),
            (
                "response.content_part.added",
                f'{_WITHIN},"part":{{"type":"output_text","text":"","annotations":[],"logprobs":[]}}',
            ),
            ("response.output_text.delta", f'{_DELTA}:"hello ","obfuscation":"q7"'),
            ("response.output_text.delta", f'{_DELTA}:"w\\u00f6rld 🌍","obfuscation":"x"'),
            ("response.output_text.done", f'{_WITHIN},"logprobs":[],"text":"hello w\\u00f6rld 🌍"'),
            ("response.content_part.done", f'{_WITHIN},"part":{_PART}'),
            ("response.output_item.done", f'"output_index":0,"item":{_ITEM}'),
            ("response.completed", f'"response":{_response("completed", _ITEM, _USAGE)}'),
        )
    )
]

PLAIN = {
    Dialect.OPENAI_CHAT: CHAT,
    Dialect.ANTHROPIC_MESSAGES: MESSAGES,
    Dialect.OPENAI_RESPONSES: RESPONSES,
}
EVENTS = {
    Dialect.OPENAI_CHAT: CHAT_EVENTS,
    Dialect.ANTHROPIC_MESSAGES: MESSAGES_EVENTS,
    Dialect.OPENAI_RESPONSES: RESPONSES_EVENTS,
}

_ENDINGS = {
    "/chat/completions": Dialect.OPENAI_CHAT,
    "/messages": Dialect.ANTHROPIC_MESSAGES,
    "/responses": Dialect.OPENAI_RESPONSES,
}


def dialect_of(target: str) -> Dialect:
    """The dialect that a request's path belongs to."""
    path = target.partition("?")[0]
    for ending, dialect in _ENDINGS.items():
        if path.endswith(ending):
            return dialect
    raise AssertionError(f"expected the path of a dialect; got {target!r}")


def good(dialect: Dialect, *, stream: bool) -> Script:
    """A whole, good answer."""
    return chunked(EVENTS[dialect]) if stream else sized(PLAIN[dialect])


def cut_stream(dialect: Dialect, length: int) -> Script:
    """The head and the first `length` bytes of the good stream in one chunk: an ending follows."""
    data = b"".join(EVENTS[dialect])[:length]
    return [Head(200, EVENT_STREAM), Raw(b"%x\r\n%b\r\n" % (len(data), data) if data else b"")]


def refusal(
    status: int,
    dialect: Dialect,
    *,
    message: str = "the wall says no",
    headers: tuple[tuple[str, str], ...] = (),
) -> Script:
    """An error as a provider of the dialect words it."""
    if dialect is Dialect.ANTHROPIC_MESSAGES:
        error = f'{{"type":"wall_error","message":"{message}"}}'
        body = f'{{"type":"error","error":{error},"request_id":"req_wall"}}'
    else:
        body = f'{{"error":{{"message":"{message}","type":"wall_error","param":null,"code":"wall"}}}}'
    return sized(body.encode(), status=status, headers=[*JSON, *headers])
