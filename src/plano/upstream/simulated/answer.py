"""What a simulated model says: text cut into tokens, perhaps a tool call, and a count of both.

A token is up to four bytes of UTF-8 that do not cut a character. That is the usual rule of thumb
for English, so every usage here is an estimate, although an exact one of what is streamed.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Literal

from plano.upstream.simulated.asked import Asked

TOKEN_BYTES = 4
ECHO_CHARACTERS = 60
ARGUMENTS = "{}"
"""A simulated model calls every tool without arguments."""

_ABOUT = (
    "the gateway itself made this text up, so that clients, streams and tools can be tried without a key."
)
_FILLER = " These words only make the answer as long as the configuration wants it."


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer, in no dialect's words."""

    id: str
    """Begins with `sim-`; the same request gets the same."""
    tokens: tuple[str, ...]
    """The text, in the pieces that a stream sends one by one."""
    tool: str | None
    finish: Literal["stop", "length", "tool"]
    input_tokens: int
    output_tokens: int

    @property
    def text(self) -> str:
        return "".join(self.tokens)


def compose(asked: Asked, *, name: str, least_tokens: int = 0) -> Answer:
    """`name` is the model in full, as the mark of the simulation shows it. At least `least_tokens`
    long where the request asks neither for JSON nor for less."""
    tokens = cut(_text(asked, name))
    if least_tokens > len(tokens) and not asked.wants_json:
        tokens = _stretch(tokens, least_tokens)
    whole = asked.max_tokens is None or len(tokens) <= asked.max_tokens
    tool = asked.tool if whole else None
    spoken = tokens if whole else tokens[: asked.max_tokens]
    return Answer(
        id=f"sim-{asked.digest}",
        tokens=spoken,
        tool=tool,
        finish="tool" if tool else "stop" if whole else "length",
        input_tokens=-(-asked.body_bytes // TOKEN_BYTES),
        output_tokens=len(spoken) + (len(cut(tool)) + 1 if tool else 0),
    )


def cut(text: str) -> tuple[str, ...]:
    """The tokens of a text."""
    if text.isascii():
        return tuple(text[i : i + TOKEN_BYTES] for i in range(0, len(text), TOKEN_BYTES))
    tokens: list[str] = []
    token, size = "", 0
    for character in text:
        width = len(character.encode("utf-8", "replace"))
        if size + width > TOKEN_BYTES:
            tokens.append(token)
            token, size = "", 0
        token, size = token + character, size + width
    return (*tokens, token)


def _text(asked: Asked, name: str) -> str:
    echo = " ".join(asked.text[: ECHO_CHARACTERS * 4].split())
    if len(echo) > ECHO_CHARACTERS:
        echo = echo[: ECHO_CHARACTERS - 1] + "…"
    if asked.wants_json:
        return json.dumps({"simulated_by": "plano", "model": name, "you_said": echo}, ensure_ascii=False)
    if asked.tool:
        return f"[simulated by plano: {name}] You asked for a call of {asked.tool}."
    said = f"You said “{echo}”, but no model was asked" if echo else "No model was asked"
    return f"[simulated by plano: {name}] {said}: {_ABOUT}"


def _stretch(tokens: tuple[str, ...], length: int) -> tuple[str, ...]:
    filler = cut(_FILLER)
    rounds = -(-(length - len(tokens)) // len(filler))
    return (tokens + filler * rounds)[:length]
