"""Providers that answer well most of the time, and else do what providers do: every fault of the table.

Each request carries a mark, and every answer to it carries the same: whoever reads another's mark has
been given another's answer.
"""

from __future__ import annotations

import random
import re
from collections import Counter
from dataclasses import dataclass, field, replace

from plano.chat.dialect import Dialect
from tests.fault.failing import FAULTS, Fault
from tests.wall.answers import CHAT_EVENTS, dialect_of, good
from tests.wall.framing import RawRequest
from tests.wall.script import EVENT_STREAM, Chunk, Head, LastChunk, Raw, Rst, Script, Step

PLACE = b"hello "
"""What the mark takes the place of in the wall's answers, with as many bytes: framing stays as it is."""
MARK = re.compile(rb"q[0-9a-z]{4} ")
DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
LONG = b"a long answer, please"
FLOOD = CHAT_EVENTS[1] * 256
FLOODS = 16


def mark(number: int) -> bytes:
    """Four letters and a space; they come round again after a million."""
    word = ""
    for _ in range(4):
        number, digit = divmod(number, len(DIGITS))
        word = DIGITS[digit] + word
    return f"q{word} ".encode()


@dataclass(slots=True)
class MixedUpstream:
    """What it does with each request."""

    chance: random.Random
    share: float
    """Of faults."""
    played: Counter[str] = field(default_factory=Counter)

    def answer(self, request: RawRequest) -> Script:
        found = MARK.search(request.body)
        assert found is not None, f"a request that no client has sent: {request.body[:200]!r}"
        dialect, stream = dialect_of(request.target), b'"stream": true' in request.body
        if LONG in request.body:
            self.played["a long answer"] += 1
            script: Script = [
                Head(200, EVENT_STREAM),
                *[Chunk(FLOOD)] * FLOODS,
                *map(Chunk, CHAT_EVENTS[1:]),
                LastChunk(),
            ]
        else:
            script = self._fault(dialect, stream) or good(dialect, stream=stream)
        return [_marked(step, found[0]) for step in script]

    def _fault(self, dialect: Dialect, stream: bool) -> Script | None:
        if self.chance.random() >= self.share:
            self.played["a good answer"] += 1
            return None
        fault = self.chance.choice([fault for fault in FAULTS if _can_happen(fault, dialect, stream)])
        self.played[fault.name] += 1
        return fault.play(dialect, stream) or [Rst()]


def _can_happen(fault: Fault, dialect: Dialect, stream: bool) -> bool:
    return dialect in fault.dialects and stream in fault.streams


def _marked(step: Step, mark: bytes) -> Step:
    match step:
        case Chunk() | Raw():
            return replace(step, data=step.data.replace(PLACE, mark))
        case _:
            return step
