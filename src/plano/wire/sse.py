"""Server-sent events, cut anywhere: bytes in, whole events out, byte for byte.

Follows the event stream format of the HTML standard: lines end in CR LF, LF or CR, an empty
line ends an event. A CR that ends an empty line ends the event at once, without waiting for a
LF that may belong to it; that LF then reads as one more empty line, which means nothing.
"""

from __future__ import annotations

from collections.abc import Iterator

from plano.errors import UpstreamInvalid

EVENT_LIMIT_BYTES = 16 * 1024 * 1024
"""One event at most; the largest real ones carry a generated image of a few megabytes in base64."""
CARRIAGE_RETURN = 0x0D
"""Looked for as a number: for `bytes in bytes` CPython first raises and drops an exception."""


class Events:
    """Splits a stream into runs of whole events and keeps what is incomplete."""

    __slots__ = ("_kept", "_limit", "_seam", "pending")

    def __init__(self, limit_bytes: int = EVENT_LIMIT_BYTES) -> None:
        self._limit = limit_bytes
        self._kept: list[bytes] = []
        self._seam = b""
        """The last byte kept: the line end behind which an empty line may follow."""
        self.pending = 0
        """How many bytes are kept."""

    def feed(self, data: bytes) -> bytes:
        """The events that this data completes, or nothing; raises UpstreamInvalid for one over the limit."""
        if not self._kept:
            if data.endswith(b"\n\n"):
                return data
            end = _last_end(data)
            whole, rest = data[:end], data[end:]
        else:
            end = _last_end(self._seam + data) - len(self._seam)
            if end <= 0:
                self._keep(data)
                return b""
            whole, rest = b"".join((*self._kept, data[:end])), data[end:]
            self._kept.clear()
            self._seam = b""
            self.pending = 0
        if rest:
            self._keep(rest)
        return whole

    def rest(self) -> bytes:
        """What is kept when the stream ends, given up for good."""
        rest = b"".join(self._kept)
        self._kept.clear()
        self._seam = b""
        self.pending = 0
        return rest

    def _keep(self, data: bytes) -> None:
        self._kept.append(data)
        self._seam = data[-1:]
        self.pending += len(data)
        if self.pending > self._limit:
            raise UpstreamInvalid(f"One event of the provider's stream is larger than {self._limit} bytes.")


def events(whole: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Name (or nothing) and data of each event in a run of whole events; a last event without its
    empty line is read too. Comments, ids and events without name or data are passed over."""
    if CARRIAGE_RETURN in whole:
        whole = whole.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    for block in whole.split(b"\n\n"):
        first, _, rest = block.partition(b"\n")
        if not rest and first.startswith(b"data: "):
            yield b"", first[6:]
        elif first.startswith(b"event: ") and rest.startswith(b"data: ") and rest.find(b"\n") < 0:
            yield first[7:], rest[6:]
        elif block:
            event = _fields(block)
            if event is not None:
                yield event


def _fields(block: bytes) -> tuple[bytes, bytes] | None:
    name = b""
    data: list[bytes] = []
    for line in block.split(b"\n"):
        field, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if field == b"data":
            data.append(value)
        elif field == b"event":
            name = value
    return (name, b"\n".join(data)) if name or data else None


def _last_end(data: bytes) -> int:
    """Where the last whole event ends; 0 where none does."""
    end = data.rfind(b"\n\n") + 2
    if CARRIAGE_RETURN in data:
        end = max(end, _behind(data, b"\n\r"), _behind(data, b"\r\r"))
    return end if end > 1 else 0


def _behind(data: bytes, line_ends: bytes) -> int:
    at = data.rfind(line_ends)
    if at < 0:
        return 0
    return at + 3 if data.startswith(b"\n", at + 2) else at + 2
