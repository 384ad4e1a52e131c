"""The pieces of a simulated stream, before any pace is given to them."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

Document = dict[str, object]

encode = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class Event:
    """One server-sent event as bytes."""

    data: bytes
    tokens: int = 0
    """How many tokens it brings; what brings none is sent without waiting."""


def named(name: str, document: Document, *, tokens: int = 0) -> Event:
    """An event with a name, which the document repeats as its `type`."""
    head = f"event: {name}\ndata: ".encode()
    return Event(head + encode({"type": name, **document}) + b"\n\n", tokens)


def unnamed(document: Document, *, tokens: int = 0) -> Event:
    return Event(b"data: " + encode(document) + b"\n\n", tokens)
