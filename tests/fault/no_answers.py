"""Faults that are answers of a kind, as data: pages, nothing, too much, refusals of every status.

The list in `failing` is the usual one; here is what else a provider, or what stands before it, may send.
"""

from __future__ import annotations

import gzip
from functools import partial

from plano.chat.dialect import Dialect
from plano.exchange.relaying import HELD_PRELUDE_BYTES
from tests.fault.cuts import STREAMS
from tests.fault.failing import WAITS, Fault
from tests.wall.answers import PLAIN, refusal
from tests.wall.script import (
    EVENT_STREAM,
    JSON,
    Chunk,
    Head,
    Headers,
    Pause,
    Raw,
    Rst,
    Script,
    Stall,
    chunked,
    sized,
)

HTML = b"<!doctype html>\n<title>Bad day</title>\n"
AS_HTML: Headers = (("content-type", "text/html"),)
AS_GZIP = ("content-encoding", "gzip")
BOMB = gzip.compress(b'{"x": "' + b" " * 64 * 1024 * 1024 + b'"}', mtime=0)
"""64 MiB in 64 KiB."""
SMALL = (("reply_bytes", "64KiB"),)
"""A limit that can be passed in a test."""
MUCH = b"x" * 70_000


def _headers(stream: bool) -> Headers:
    return EVENT_STREAM if stream else JSON


def _page(headers: Headers | None, dialect: Dialect, stream: bool) -> Script:
    return sized(HTML, headers=_headers(stream) if headers is None else headers)


def _nothing(status: int, dialect: Dialect, stream: bool) -> Script:
    if status == 204:
        return [Head(204, framed=False)]
    return sized(b"", status=status, headers=_headers(stream))


def _not_json(dialect: Dialect, stream: bool) -> Script:
    if stream:
        return chunked([b'data: {"choices": [}\n\n'])
    return sized(b'{"choices": [}')


def _document(body: bytes, dialect: Dialect, stream: bool) -> Script:
    return sized(body)


def _broken_text(dialect: Dialect, stream: bool) -> Script:
    """Good but for one byte, where nobody looks for it."""
    return sized(PLAIN[dialect].rstrip().removesuffix(b"}") + b',"x":"\xff"}')


def _announced(dialect: Dialect, stream: bool) -> Script:
    """Nothing but a length."""
    return [Head(200, [*JSON, ("content-length", "99999999999")]), Raw(b"{"), Stall()]


def _oversized(dialect: Dialect, stream: bool) -> Script:
    if stream:
        return [Head(200, EVENT_STREAM), Chunk(b"data: " + MUCH), Stall()]
    return [Head(), Chunk(b'{"x": "'), Chunk(MUCH), Stall()]


def _bomb(dialect: Dialect, stream: bool) -> Script:
    return [Head(200, [*_headers(stream), AS_GZIP]), Chunk(BOMB), Stall()]


def _half_packed(dialect: Dialect, stream: bool) -> Script:
    """Cut where nothing of it can be read yet."""
    packed = gzip.compress(STREAMS[dialect] if stream else PLAIN[dialect], mtime=0)
    return sized(packed[:20], headers=[*_headers(stream), AS_GZIP])


def _coding(dialect: Dialect, stream: bool) -> Script:
    return [Head(200, [*_headers(stream), ("content-encoding", "br")]), Stall()]


def _elsewhere(status: int, dialect: Dialect, stream: bool) -> Script:
    """With a body that would pass for an answer (a 304 has none)."""
    location = ("location", "/v1/elsewhere")
    if status == 304:
        return [Head(status, [location], framed=False)]
    body = STREAMS[dialect] if stream else PLAIN[dialect]
    return sized(body, status=status, headers=[*_headers(stream), location])


def _not_http(dialect: Dialect, stream: bool) -> Script:
    return [Raw(b"220 smtp.example.invalid ESMTP\r\n"), Stall()]


def _two_framings(dialect: Dialect, stream: bool) -> Script:
    return [Raw(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n"), Stall()]


def _error_page(status: int, dialect: Dialect, stream: bool) -> Script:
    return sized(HTML, status=status, headers=AS_HTML)


def _refused(status: int, dialect: Dialect, stream: bool) -> Script:
    return refusal(status, dialect)


def _trickle(dialect: Dialect, stream: bool) -> Script:
    """Comments, again and again, long before any silence limit."""
    again: Script = [Pause(), Chunk(b": here\n\n")]
    return [Head(200, EVENT_STREAM), *list(again) * 500]


def _long_prelude(length: int, dialect: Dialect) -> Script:
    """Comments in front of everything, and no content."""
    comment = b": %b\n\n" % (b"x" * 1020)
    return [Head(200, EVENT_STREAM), *[Chunk(comment)] * (length // len(comment))]


def _short_of_the_cap(dialect: Dialect, stream: bool) -> Script:
    return [*_long_prelude(HELD_PRELUDE_BYTES - 2048, dialect), Rst()]


NO_ANSWERS = [
    Fault("HTML", partial(_page, AS_HTML), breaks_off=False),
    Fault("HTML that says it is an answer", partial(_page, None), breaks_off=False),
    Fault("an empty 200", partial(_nothing, 200), breaks_off=False),
    Fault("204", partial(_nothing, 204), breaks_off=False),
    Fault("not JSON", _not_json, breaks_off=False),
    Fault("an empty document", partial(_document, b"{}"), breaks_off=False),
    Fault("an error that says nothing", partial(_document, b'{"error":{}}'), breaks_off=False),
    Fault("not UTF-8", _broken_text, streams=(False,), breaks_off=False),
    Fault("announced as too large", _announced),
    Fault("oversized", _oversized, limits=SMALL),
    Fault("a bomb", _bomb),
    Fault("half of what was packed", _half_packed, breaks_off=False),
    Fault("a coding that nobody knows", _coding),
    Fault("not HTTP", _not_http),
    Fault("two framings", _two_framings),
    *[
        Fault(f"{status}", partial(_elsewhere, status), breaks_off=False)
        for status in (300, 301, 302, 303, 304, 307, 308)
    ],
    *[
        Fault(f"{status}", partial(_refused, status), breaks_off=False)
        for status in (403, 408, 502, 503, 504, 599)
    ],
    *[
        Fault(f"{status} as a page", partial(_error_page, status), breaks_off=False)
        for status in (401, 429, 500, 502, 503, 504)
    ],
    *[
        Fault(
            f"{status} of the request",
            partial(_refused, status),
            told="the refusal",
            code="upstream_error",
            status=status,
            breaks_off=False,
        )
        for status in (400, 402, 404, 409, 413, 422)
    ],
    Fault("a trickle of comments", _trickle, limits=WAITS, streams=(True,)),
    Fault("a reset within the cap of the prelude", _short_of_the_cap, streams=(True,)),
]
