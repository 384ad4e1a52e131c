"""One document by GET, whole or not at all: how sources that live on the network are read.

A source is optional, so nothing here is tried hard: no redirect is followed, no compression taken, and
time and size are bounded. What a source answered goes into no log, nor do a URL's user and password.
"""

from __future__ import annotations

from base64 import b64encode
from typing import Any, Protocol
from urllib.parse import SplitResult, quote, unquote, urlsplit

from plano import __version__
from plano.http1.origin import Origin
from plano.http1.pool import Pool
from plano.http1.sink import Flow

LARGEST_BYTES = 16 * 1024 * 1024
"""The largest known answer, models.dev's, has about 3 MiB."""
FETCH_S = 30.0
"""From connecting to the last byte: enough for some MiB over a thin line, and nobody waits for it."""

_PATH = "/%:@!$&'()*+,;=~-._"
_QUERY = _PATH + "?"


class SourceFailed(Exception):
    """A source could not be read. The text says what was found and what was expected, for the log."""


class Fetch(Protocol):
    """Reads documents."""

    async def get(self, url: str) -> bytes:
        """The body of a 200. Raises SourceFailed for anything else."""


class PoolFetch:
    """Over connections of our own, so that proxies, authorities and limits are the configured ones."""

    def __init__(self, pool: Pool, *, within_s: float = FETCH_S, largest_bytes: int = LARGEST_BYTES) -> None:
        """`pool`: one whose sinks are told of failures as they are."""
        self._pool = pool
        self._within_s = within_s
        self._largest_bytes = largest_bytes

    async def get(self, url: str) -> bytes:
        origin, head = _request(url)
        document = _Document(origin.authority, self._largest_bytes)
        deadline = self._pool.loop.time() + self._within_s
        await self._pool.send(origin, head, (), document, first_byte_s=self._within_s, deadline=deadline)
        return document.whole()


class _Document:
    """Takes one answer; raises, which closes the connection, as soon as it can be of no use."""

    def __init__(self, where: str, largest_bytes: int) -> None:
        self.flow: Flow | None = None
        self._where = where
        self._largest_bytes = largest_bytes
        self._pieces: list[bytes] = []
        self._size = 0
        self._trouble = ""

    def head(self, status: int, headers: list[tuple[bytes, bytes]]) -> None:
        if 300 <= status < 400:
            raise SourceFailed(f"{self._where} answered {status}; expected 200: redirects are not followed")
        if status != 200:
            raise SourceFailed(f"{self._where} answered {status}; expected 200")
        for name, value in headers:
            if name == b"content-encoding" and value.lower() not in (b"", b"identity"):
                raise SourceFailed(f"{self._where} compressed its answer; expected it plain, as asked for")

    def body(self, data: bytes) -> None:
        self._size += len(data)
        if self._size > self._largest_bytes:
            limit = self._largest_bytes
            raise SourceFailed(f"{self._where} answered with more than {limit} bytes; expected at most those")
        self._pieces.append(data)

    def end(self) -> None: ...

    def broke(self, error: Any) -> None:
        self._trouble = str(error) or type(error).__name__

    def flush(self) -> None: ...

    def whole(self) -> bytes:
        if self._trouble:
            raise SourceFailed(self._trouble)
        return b"".join(self._pieces)


def with_query(url: str, name: str, value: str) -> str:
    """`url` with one more parameter."""
    bare, _, query = url.partition("#")[0].partition("?")
    return f"{bare}?{query}{'&' if query else ''}{name}={quote(value, safe='')}"


def _request(url: str) -> tuple[Origin, bytes]:
    """Where to connect, and the head of the request."""
    try:
        split = urlsplit(url)
        port = split.port
    except ValueError as error:
        raise SourceFailed("the url is not an address; expected http:// or https://") from error
    if split.scheme not in ("http", "https") or not split.hostname:
        raise SourceFailed("the url is not an address; expected http:// or https://")
    origin = Origin(
        "https" if split.scheme == "https" else "http",
        split.hostname,
        port or (443 if split.scheme == "https" else 80),
    )
    try:
        host = origin.host_field
    except UnicodeError as error:
        raise SourceFailed("the url's host is not a name; expected http:// or https://") from error
    return origin, _head(split, host)


def _head(url: SplitResult, host: bytes) -> bytes:
    query = f"?{quote(url.query, safe=_QUERY)}" if url.query else ""
    target = f"{quote(url.path, safe=_PATH) or '/'}{query}"
    return b"GET %b HTTP/1.1\r\nhost: %b\r\n%b%b\r\n" % (
        target.encode("ascii"),
        host,
        b"accept: application/json\r\naccept-encoding: identity\r\nconnection: close\r\n"
        b"user-agent: plano/%b\r\n" % __version__.encode("ascii"),
        _credential(url),
    )


def _credential(url: SplitResult) -> bytes:
    """A user and a password in the URL, as HTTP sends them (RFC 7617)."""
    if url.username is None and url.password is None:
        return b""
    pair = f"{unquote(url.username or '')}:{unquote(url.password or '')}"
    return b"authorization: Basic %b\r\n" % b64encode(pair.encode("utf-8"))
