"""What an upstream does with one request, as data: a list of steps, played in order.

    [Head(200, EVENT_STREAM), Chunk(b"data: a\n\n"), Rst()]

A script that ends without `Fin`, `Rst` or `Stall` leaves the connection open for the next request.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

Headers = Sequence[tuple[str, str]]

JSON: Headers = (("content-type", "application/json"),)
EVENT_STREAM: Headers = (("content-type", "text/event-stream; charset=utf-8"), ("cache-control", "no-cache"))


@dataclass(frozen=True, slots=True)
class Head:
    """Status line and headers. Says `transfer-encoding: chunked` unless the headers frame the body
    themselves or `framed` is False (then the body ends where the connection does)."""

    status: int = 200
    headers: Headers = JSON
    framed: bool = True

    def wire(self) -> bytes:
        named = {name.lower() for name, _ in self.headers}
        lines = [f"HTTP/1.1 {self.status} Scripted", *(f"{name}: {value}" for name, value in self.headers)]
        if self.framed and not named & {"content-length", "transfer-encoding"}:
            lines.append("transfer-encoding: chunked")
        return "\r\n".join([*lines, "", ""]).encode("latin-1")


@dataclass(frozen=True, slots=True)
class Chunk:
    """Data in one chunk of the chunked coding."""

    data: bytes

    def wire(self) -> bytes:
        return b"%x\r\n%b\r\n" % (len(self.data), self.data)


@dataclass(frozen=True, slots=True)
class LastChunk:
    """The end of a chunked body."""

    def wire(self) -> bytes:
        return b"0\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Raw:
    """Bytes as they are."""

    data: bytes

    def wire(self) -> bytes:
        return self.data


@dataclass(frozen=True, slots=True)
class Pause:
    """Wait for `release()`; each pause needs its own."""


@dataclass(frozen=True, slots=True)
class Stall:
    """Say nothing more, and keep the connection open until the peer or the test ends it."""


@dataclass(frozen=True, slots=True)
class Fin:
    """Close after everything written has been handed to the kernel."""


@dataclass(frozen=True, slots=True)
class Rst:
    """Reset the connection after everything written has been handed to the kernel."""


Step = Head | Chunk | LastChunk | Raw | Pause | Stall | Fin | Rst
Script = Sequence[Step]


def sized(body: bytes, *, status: int = 200, headers: Headers = JSON) -> Script:
    """A whole answer with its length announced."""
    return [Head(status, [*headers, ("content-length", str(len(body)))]), Raw(body)]


def chunked(pieces: Sequence[bytes], *, headers: Headers = EVENT_STREAM) -> Script:
    """A whole answer, a chunk a piece."""
    return [Head(200, headers), *(Chunk(piece) for piece in pieces), LastChunk()]


def close_delimited(body: bytes, *, status: int = 200, headers: Headers = JSON) -> Script:
    """A whole answer that ends with the connection."""
    return [Head(status, headers, framed=False), Raw(body), Fin()]
