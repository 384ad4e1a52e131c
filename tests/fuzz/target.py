"""One thing that reads what others wrote, and what must hold whatever they write.

A target's `check` is a pure function of bytes, so that guided fuzzing, hypothesis and the replay of the
kept corpus all run the very same. It raises on a defect only: an exception that is not one of ours, or
a property that does not hold.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

CUTS = 3
"""Places in which an input of `cut` is cut at most; each is one byte of it."""
EVERYWHERE = 0xFF
"""The first byte that says: byte by byte, or in this many equal pieces."""
PIECES = 64


@dataclass(frozen=True, slots=True)
class Target:
    """What is fuzzed, and what fuzzing begins with."""

    name: str
    check: Callable[[bytes], None]
    seeds: tuple[bytes, ...]
    """Sound inputs, mostly: what mutation begins with."""
    words: tuple[bytes, ...] = ()
    """What mutation may put in whole."""
    longest: int = 400
    """Bytes of an input, as a rule: runs cost in proportion."""
    holds_json: bool = False
    """Mutations of documents in it are worth trying, beside those of bytes."""
    hand_runs: int = 1_000_000
    """How many runs are asked for by hand; fewer where one takes milliseconds."""


def cut(data: bytes) -> tuple[bytes, list[bytes]]:
    """A text, and the same in pieces: the first byte says how many, as many more say where."""
    places = data[0] % (CUTS + 1) if data else 0
    text = data[1 + places :]
    if data[:1] == bytes([EVERYWHERE]):
        step = len(text) // PIECES + 1
        return text, [text[at : at + step] for at in range(0, len(text), step)]
    where = sorted(place * len(text) // 256 for place in data[1 : 1 + places])
    pieces = [text[start:end] for start, end in pairwise([0, *where, len(text)])]
    return text, [piece for piece in pieces if piece]


def uncut(*texts: bytes) -> tuple[bytes, ...]:
    """Inputs of which `cut` makes these texts: each in two pieces, and in single bytes."""
    return tuple(start + text for text in texts for start in (b"\x01\x80", bytes([EVERYWHERE]) + b"\x80" * 3))
