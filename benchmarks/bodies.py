"""The requests that are sent: conversations of an exact size, and streams that say how to be answered."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

KIB = 1024
SIZES = {"1 KB": KIB, "20 KB": 20 * KIB, "1 MB": KIB * KIB, "8 MB": 8 * KIB * KIB}
TURN = 4 * KIB
"""Bytes of one message in a long conversation: about what a coding agent's tool results have."""
PROSE = 'Look at the function "parse" in src/café.py:\n\tif it fails on \\ or on 你好, say why.\n'


def conversation(model: str, size: int, script: str = "") -> bytes:
    """A chat request of exactly `size` bytes; `script` is what `native/upstream.c` reads."""
    pair = [turn_of("user"), turn_of("assistant")]
    messages = [{"role": "system", "content": f"You are terse. {script}"}]
    request = {"model": model, "temperature": 0.2, "messages": messages}
    room = size - len(encoded(request)) - TURN
    messages += pair * max(0, room // (len(encoded(pair)) - 1))
    last = {"role": "user", "content": ""}
    messages.append(last)
    room = size - len(encoded(request))
    last["content"] = PROSE * (room // (len(encoded(PROSE)) - 2))
    last["content"] += "." * (size - len(encoded(request)))
    return encoded(request)


def turn_of(role: str) -> dict[str, str]:
    return {"role": role, "content": PROSE * (TURN // len(PROSE))}


def stream(model: str, script: str) -> bytes:
    """A small streamed chat request."""
    prompt = {"role": "user", "content": f"You are terse. Go on. {script}"}
    return encoded({"model": model, "stream": True, "messages": [prompt]})


def encoded(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


class Bodies:
    """Request bodies as files, which is how `native/load.c` takes them; each is written once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def sized(self, model: str, size: str, script: str = "") -> Path:
        return self._file(f"{model} {size} {script}", lambda: conversation(model, SIZES[size], script))

    def streamed(self, model: str, script: str) -> Path:
        return self._file(f"{model} stream {script}", lambda: stream(model, script))

    def _file(self, name: str, body: Callable[[], bytes]) -> Path:
        path = self._folder / "".join(letter if letter.isalnum() else "-" for letter in name)
        if not path.exists():
            path.write_bytes(body())
        return path
