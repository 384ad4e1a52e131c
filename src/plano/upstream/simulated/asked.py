"""What a simulated model reads of a request: enough to answer in a way that depends on it.

One reader for the three dialects. It is as strict as a provider about the fields it reads and
knows nothing of the others.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b

import msgspec

from plano.chat.dialect import Dialect


class UnreadableError(ValueError):
    """A request that a provider would answer with 400; the text is the reason."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One request, in no dialect's words."""

    model: str
    """The body's `model`, which an answer repeats."""
    stream: bool
    include_usage: bool
    """`stream_options.include_usage` of the chat dialect."""
    text: str
    """What the user said last."""
    tool: str | None
    """The tool that the user has just asked for in the words `call <name>`."""
    wants_json: bool
    max_tokens: int | None
    digest: str
    """24 hex digits that depend on every byte of the body."""
    body_bytes: int


class _Part(msgspec.Struct):
    type: str | None = None
    text: str | None = None


class _Turn(msgspec.Struct):
    type: str | None = None
    role: str | None = None
    content: str | list[_Part] | None = None

    def words(self) -> str:
        if isinstance(self.content, str):
            return self.content
        return "\n".join(part.text for part in self.content or () if part.text)

    def brings_results(self) -> bool:
        parts = self.content if isinstance(self.content, list) else ()
        return any(part.type == "tool_result" for part in parts)


class _Named(msgspec.Struct):
    name: str | None = None


class _Tool(msgspec.Struct):
    name: str | None = None
    function: _Named | None = None

    def called(self) -> str | None:
        return self.function.name if self.function else self.name


class _Format(msgspec.Struct):
    type: str | None = None


class _Text(msgspec.Struct):
    format: _Format | None = None


class _StreamOptions(msgspec.Struct):
    include_usage: bool | None = None


class _Body(msgspec.Struct):
    model: str | None = None
    messages: list[_Turn] | None = None
    input: str | list[_Turn] | None = None
    stream: bool | None = None
    stream_options: _StreamOptions | None = None
    tools: list[_Tool] | None = None
    response_format: _Format | None = None
    text: _Text | None = None
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    max_output_tokens: int | None = None


_BODY = msgspec.json.Decoder(_Body)


def read_asked(dialect: Dialect, body: bytes) -> Asked:
    """Raises UnreadableError when the body is not what the dialect says."""
    try:
        read = _BODY.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise UnreadableError(f"the body cannot be read: {error}") from error
    turns = _turns(dialect, read)
    formats = (read.response_format, read.text.format if read.text else None)
    return Asked(
        model=read.model or "",
        stream=bool(read.stream),
        include_usage=bool(read.stream_options and read.stream_options.include_usage),
        text=next((turn.words() for turn in reversed(turns) if turn.role == "user" and turn.words()), ""),
        tool=_tool(turns[-1], read.tools or ()),
        wants_json=any(a and a.type in ("json_object", "json_schema") for a in formats),
        max_tokens=_max_tokens(dialect, read),
        digest=blake2b(body, digest_size=12).hexdigest(),
        body_bytes=len(body),
    )


def _turns(dialect: Dialect, read: _Body) -> list[_Turn]:
    field = "input" if dialect is Dialect.OPENAI_RESPONSES else "messages"
    turns = read.input if dialect is Dialect.OPENAI_RESPONSES else read.messages
    if isinstance(turns, str):
        return [_Turn(role="user", content=turns)]
    if not turns:
        raise UnreadableError(f"{field}: expected at least one message; got none")
    return turns


def _tool(last: _Turn, tools: list[_Tool] | tuple[()]) -> str | None:
    """Only the very last turn can ask, and not one that brings a result: an agent that loops
    until no tool is called must come to an end."""
    if last.role != "user" or last.brings_results():
        return None
    words = last.words()
    names = (name for tool in tools if (name := tool.called()) and f"call {name}" in words)
    return max(names, key=len, default=None)


def _max_tokens(dialect: Dialect, read: _Body) -> int | None:
    if dialect is Dialect.OPENAI_RESPONSES:
        most = read.max_output_tokens
    elif dialect is Dialect.OPENAI_CHAT and read.max_completion_tokens is not None:
        most = read.max_completion_tokens
    else:
        most = read.max_tokens
    if most is not None and most < 1:
        raise UnreadableError(f"the most tokens to write: expected at least 1; got {most}")
    return most
