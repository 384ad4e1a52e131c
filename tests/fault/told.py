"""What a client was told, read from the bytes by hand: how an answer ends is what is asked here."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Literal

from plano.chat.dialect import Dialect


@dataclass(frozen=True, slots=True)
class Told:
    """The only answer of a connection that has ended."""

    status: int
    headers: dict[str, str]
    """Names in lower case."""
    body: bytes
    """Without the chunked framing."""
    whole: bool
    """Whether the framing says that nothing is missing; a whole answer is not followed by anything."""
    ended: Literal["fin", "rst"]

    @property
    def loud(self) -> bool:
        """Ended as a truncation has to: FIN, and no last chunk."""
        return not self.whole and self.ended == "fin"

    def error(self, dialect: Dialect) -> dict[str, Any]:
        """The error object of a body that is one, in the dialect's own shape."""
        return error_in(dialect, self.body)


def told(wire: bytes, ended: Literal["fin", "rst"]) -> Told:
    head, blank, rest = wire.partition(b"\r\n\r\n")
    assert blank, f"expected a whole head before the end ({ended}); got {wire[:200]!r}"
    status_line, *lines = head.decode("latin-1").split("\r\n")
    headers: dict[str, str] = {}
    for line in lines:
        name, _, value = line.partition(":")
        assert name.lower() not in headers, f"{name} came twice"
        headers[name.lower()] = value.strip()
    if headers.get("transfer-encoding") == "chunked":
        body, whole = _dechunked(rest)
    else:
        body, whole = rest, len(rest) == int(headers.get("content-length", 0))
    return Told(int(status_line.split(" ")[1]), headers, body, whole, ended)


def _dechunked(rest: bytes) -> tuple[bytes, bool]:
    body: list[bytes] = []
    while rest:
        size, line_end, behind = rest.partition(b"\r\n")
        length = int(size, 16)
        assert line_end, f"expected a chunk's size; got {rest[:80]!r}"
        assert behind[length : length + 2] == b"\r\n", f"expected a whole chunk; got {rest[:80]!r}"
        if length == 0:
            assert behind == b"\r\n", f"expected nothing after the last chunk; got {behind[2:][:80]!r}"
            return b"".join(body), True
        body.append(behind[:length])
        rest = behind[length + 2 :]
    return b"".join(body), False


def events_in(body: bytes) -> list[bytes]:
    """The events of a stream, each with its empty line; what is left over comes last."""
    return [piece + b"\n\n" for piece in body.split(b"\n\n")[:-1]] + (
        [body.rpartition(b"\n\n")[2]] if not body.endswith(b"\n\n") else []
    )


def error_in(dialect: Dialect, body: bytes) -> dict[str, Any]:
    """The error object of an error's body."""
    found = json.loads(body)
    if dialect is Dialect.ANTHROPIC_MESSAGES:
        assert (found["type"], set(found)) == ("error", {"type", "error", "request_id"})
        assert set(found["error"]) == {"type", "message"}
    else:
        assert set(found["error"]) == {"message", "type", "param", "code"}
    error: dict[str, Any] = found["error"]
    return error


def error_in_event(dialect: Dialect, event: bytes) -> dict[str, Any]:
    """The error object of a stream's last event."""
    lines = event.removesuffix(b"\n\n").split(b"\n")
    data = lines[-1].removeprefix(b"data: ")
    assert event.endswith(b"\n\n")
    if dialect is Dialect.OPENAI_CHAT:
        assert lines == [b"data: " + data]
        return error_in(dialect, data)
    assert lines == [b"event: error", b"data: " + data]
    found = json.loads(data)
    assert found["type"] == "error"
    if dialect is Dialect.ANTHROPIC_MESSAGES:
        return error_in(dialect, data)
    error: dict[str, Any] = found["error"]
    assert (found["code"], found["message"]) == (error["code"], error["message"])
    return error
