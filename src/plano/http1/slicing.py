"""A request in the pieces that it is written in."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from plano.http1.limits import KIB
from plano.http1.sink import Buffer

JOINED_BYTES = 64 * KIB
"""A request up to this size is one buffer and one system call: a copy is cheaper than a second call."""
WRITTEN_BYTES = 256 * KIB
"""Larger bodies are written in slices of this size, each when the last has left: so little is held
twice, and an upstream that stops reading is noticed."""


def slices(head: bytes, body: Sequence[Buffer]) -> Iterator[Buffer]:
    """The request in pieces worth a system call each: small neighbours joined, large ones cut."""
    small: list[Buffer] = [head]
    size = len(head)
    for piece in body:
        if size + len(piece) > JOINED_BYTES and small:
            yield b"".join(small)
            small, size = [], 0
        if len(piece) > JOINED_BYTES:
            view = memoryview(piece)
            for start in range(0, len(view), WRITTEN_BYTES):
                yield view[start : start + WRITTEN_BYTES]
        else:
            small.append(piece)
            size += len(piece)
    if small:
        yield b"".join(small)
