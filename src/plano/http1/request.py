"""A request as it came over the wire, complete."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

RefusalKind = Literal[
    "malformed",
    "headers_too_large",
    "target_too_long",
    "body_too_large",
    "unsupported_encoding",
    "timeout",
    "overloaded",
]


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a request was not read to its end. The connection closes with the answer."""

    kind: RefusalKind
    message: str
    path: str = ""
    """The path when it was already known: it tells which dialect to answer in."""
    started: float = 0.0


class Request:
    """Method, target, fields and the whole body. Fields were checked by the parser: no control bytes."""

    __slots__ = ("body", "client", "fields", "http_1_0", "method", "path", "query", "read", "repeated", "started")

    def __init__(self, started: float) -> None:
        self.started = started
        """When its first byte came, by the server's clock."""
        self.read = started
        """When its last byte came."""
        self.method = ""
        self.path = ""
        """The path as sent, without the query; ASCII, undecoded."""
        self.query = ""
        """What follows the first `?`, undecoded; empty without one."""
        self.fields: dict[bytes, bytes] = {}
        """Header fields by lower-case name; repeated ones joined by a comma (RFC 9110 §5.3)."""
        self.repeated: tuple[bytes, ...] = ()
        """Names that came more than once, for fields that must not."""
        self.body = b""
        self.http_1_0 = False
        self.client: str | None = None
        """The peer's address, without the port."""
