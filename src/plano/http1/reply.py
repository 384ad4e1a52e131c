"""One answer on its way to the client: head, body, and an end that is either clean or loud.

Bytes are collected and written when the owner says `flush`, so that what arrived together
leaves together. After the client has gone every call does nothing.
"""

from __future__ import annotations

from collections.abc import Coroutine
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

if TYPE_CHECKING:
    from plano.http1.connection import Connection

STATUS_LINES = {
    status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode() for status in HTTPStatus
}
JSON = b"content-type: application/json\r\n"
BODILESS = frozenset((204, 304))
TOKEN = b"!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
"""What a field name may consist of (RFC 9110 §5.6.2)."""
CONTROL = bytes(byte for byte in (*range(0x20), 0x7F) if byte != 0x09)
"""What no field value may hold (RFC 9110 §5.5): strict clients refuse the whole answer for one of these."""


class InvalidField(ValueError):
    """A field name or value that may not stand in a head."""


class WrongLength(RuntimeError):
    """An answer was ended with more or fewer body bytes than its head announced."""


class Flow(Protocol):
    """Where an answer comes from: told to wait while the client does not keep up."""

    def pause(self) -> None: ...

    def resume(self) -> None: ...


def field_line(name: bytes, value: bytes) -> bytes:
    """One header line. Refuses the bytes that would forge another, or that clients refuse."""
    if not name or name.translate(None, TOKEN):
        raise InvalidField(f"{name!r} is no field name; expected letters, digits and !#$%&'*+-.^_`|~")
    if len(value.translate(None, CONTROL)) != len(value):
        raise InvalidField(
            f"the value of {name.decode('ascii')!r} holds a control byte (CR, LF, NUL or another)"
        )
    return b"%b: %b\r\n" % (name, value)


def status_line(status: int) -> bytes:
    return STATUS_LINES.get(status) or b"HTTP/1.1 %d Unknown\r\n" % status


class Reply(msgspec.Struct, eq=False):
    """The answer to one request. `start`, `write`*, then `end` or `end_loudly`; or `send` for all at once."""

    _connection: Connection | None
    keep_alive: bool
    """Whether the connection stays open after this answer."""
    flow: Flow | None = None
    started: bool = False
    ended: bool = False
    status: int | None = None
    bytes_out: int = 0
    """Body bytes handed to the connection."""
    _out: list[bytes] = []
    _chunked: bool = False
    _until_close: bool = False
    """Whether nothing but the connection's end says where the body ends."""
    _mute: bool = False
    """Whether the answer has no body on the wire, whatever is written."""
    _length: int | None = None

    @property
    def gone(self) -> bool:
        """Whether the client has left."""
        return self._connection is None

    def attach(self, flow: Flow | None) -> None:
        """Where the answer comes from: paused and resumed as the client reads. None: nowhere any more."""
        self.flow = flow
        if flow is not None and self._connection is not None and self._connection.stalled:
            flow.pause()

    def send(self, status: int, fields: bytes, body: bytes) -> None:
        """A whole answer in one write. `fields` are ready lines, without `content-length`."""
        connection = self._connection
        if connection is None:
            return
        if connection.bodiless or status in BODILESS:
            self.start(status, fields, len(body))
            self.write(body)
            self.end()
            return
        server = connection.server
        self.started = self.ended = True
        self.status = status
        self.bytes_out = len(body)
        self.keep_alive = self.keep_alive and not server.draining
        persistence = b"\r\n" if self.keep_alive else b"connection: close\r\n\r\n"
        framing = b"content-length: %d\r\n" % len(body)
        connection.write(b"".join((status_line(status), server.date(), fields, framing, persistence, body)))

    def start(self, status: int, fields: bytes, length: int | None) -> None:
        """Render the head. Without a length the body is chunked (HTTP/1.0: ended by closing)."""
        connection = self._connection
        if connection is None:
            return
        self.started = True
        self.status = status
        self._mute = connection.bodiless
        if status != 200 and status in BODILESS:
            framing, self._mute = b"", True
        elif length is not None:
            framing, self._length = b"content-length: %d\r\n" % length, length
        elif connection.http_1_0:
            framing, self.keep_alive, self._until_close = b"", False, not self._mute
        else:
            framing, self._chunked = b"transfer-encoding: chunked\r\n", not self._mute
        self.keep_alive = self.keep_alive and not connection.server.draining
        persistence = b"" if self.keep_alive else b"connection: close\r\n"
        self._out.append(
            b"%b%b%b%b%b\r\n" % (status_line(status), connection.server.date(), fields, framing, persistence)
        )

    def write(self, data: bytes) -> None:
        """Body bytes; they leave with the next `flush`."""
        if self._connection is None or self.ended or not data:
            return
        self.bytes_out += len(data)
        if self._mute:
            return
        if self._chunked:
            self._out.append(b"%x\r\n%b\r\n" % (len(data), data))
        else:
            self._out.append(data)

    def flush(self) -> None:
        out = self._out
        if not out:
            return
        self._out = []
        if self._connection is not None:
            self._connection.write(out[0] if len(out) == 1 else b"".join(out))

    def end(self) -> None:
        """The answer is whole: the last chunk, and the connection is free for the next request. Raises
        WrongLength when the head said otherwise; the answer can then only be ended loudly."""
        if self.ended or self._connection is None:
            return
        if self._length is not None and self.bytes_out != self._length and not self._mute:
            raise WrongLength(f"the head announced {self._length} bytes and {self.bytes_out} were written")
        self.ended = True
        if self._chunked:
            self._out.append(b"0\r\n\r\n")
        self.flush()

    def end_loudly(self) -> None:
        """The answer is not whole: write what is held, then FIN without the last chunk, so that no
        client can take it for complete. Never RST, which could discard the bytes unread; but where
        a FIN is what completes a body (HTTP/1.0), nothing else is left."""
        if self.ended or self._connection is None:
            return
        self.ended = True
        self.keep_alive = False
        self.flush()
        if self._until_close:
            self._connection.break_off()
        else:
            self._connection.hang_up()

    def done(self) -> None:
        """What the handler has begun is over."""
        if self._connection is not None:
            self._connection.done()

    def carry_on(self, work: Coroutine[Any, Any, None]) -> None:
        """What the handler has begun goes on in a task."""
        if self._connection is None:
            work.close()
        else:
            self._connection.carry_on(work)

    def detach(self) -> None:
        """The connection is gone or has moved on: nothing more is written."""
        self._connection = None
        self._out = []
