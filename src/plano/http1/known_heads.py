"""Heads of requests that were read before, known again by their bytes.

A client sends the same head with every request of a connection, but for the digits of
`Content-Length`. Once the parser has read it, the same bytes around other digits mean the same:
neither it nor what was worked out from it is done twice. Only whole requests that came alone in
one read are taken this way; anything that differs by a byte goes to the parser, which then stands
where it stood, between two requests.
"""

from __future__ import annotations

import re
from collections.abc import MutableMapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from plano.http1.request import Request

LONGEST_KNOWN = 4096
"""Bytes of a head worth keeping; agents send 1 to 3 KiB."""
MOST_DIGITS = 8
"""Of a length: more is over any limit, or padded."""
NEVER_KNOWN = frozenset((b"transfer-encoding", b"expect", b"upgrade", b"trailer", b"te"))
"""Fields that change how a request is read: those are read each time."""

_LENGTH = re.compile(rb"\r\ncontent-length: ([1-9][0-9]{0,7})\r\n", re.IGNORECASE)


class KnownHead:
    """One head. What it says is shared by all requests that have it and must not be changed."""

    __slots__ = ("__weakref__", "_before", "_behind", "_fixed_size", "fields", "notes", "path", "query")

    def __init__(self, before: bytes, behind: bytes, request: Request) -> None:
        """`before` and `behind` the digits of the length."""
        self._before = before
        self._behind = behind
        self._fixed_size = len(before) + len(behind)
        self.path = request.path
        self.query = request.query
        self.fields = {name: value for name, value in request.fields.items() if name != b"content-length"}
        """Without the length: the body tells."""
        self.notes: object = None
        """What whoever answers has worked out from it, for the next request."""

    def body_of(self, data: bytes) -> bytes | None:
        """The body, if `data` is this head and nothing but the whole body behind it."""
        before = self._before
        if not data.startswith(before):
            return None
        at = len(before)
        end = data.find(b"\r", at, at + MOST_DIGITS + 1)
        digits = data[at:end]
        # Behind a head that is ours, so many digits begin a body of so many bytes.
        size = len(data) - self._fixed_size - len(digits)
        if end < 0 or size <= 0 or digits != b"%d" % size or not data.startswith(self._behind, end):
            return None
        return data[-size:]


KnownHeads = MutableMapping[bytes, KnownHead]
"""By what is around the digits; forgets a head when no connection knows it any more."""


def learn(data: bytes, request: Request, heads: KnownHeads) -> KnownHead | None:
    """The head of `request`, if the parser has read it, and it alone, from `data`."""
    fields = request.fields
    if request.method != "POST" or request.http_1_0 or request.repeated or not NEVER_KNOWN.isdisjoint(fields):
        return None
    if fields.get(b"connection", b"keep-alive").lower() != b"keep-alive" or not data.startswith(b"POST "):
        return None
    end = data.find(b"\r\n\r\n", 0, LONGEST_KNOWN) + 4
    length = _LENGTH.search(data, 0, end)
    if length is None or len(data) - end != len(request.body) or int(length[1]) != len(request.body):
        return None
    before, behind = data[: length.start(1)], data[length.end(1) : end]
    key = before + behind
    known = heads.get(key)
    if known is None:
        known = heads[key] = KnownHead(before, behind, request)
    return known
