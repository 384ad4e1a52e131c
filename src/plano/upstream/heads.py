"""The head of an upstream request: built from a list, most of it once per model and dialect."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from plano import __version__
from plano.catalog.catalog import Endpoint, Model
from plano.chat.dialect import Dialect
from plano.http1.origin import Origin
from plano.http1.reply import field_line
from plano.upstream.credentials import credential_line


class Template:
    """All of a head that does not depend on the request."""

    __slots__ = ("_defaults", "_fixed", "_last", "_own", "_query", "_target", "origin")

    def __init__(self, model: Model, dialect: Dialect) -> None:
        endpoint = model.endpoints[dialect]
        self.origin = _origin(endpoint)
        self._target = endpoint.path
        self._query = endpoint.query
        own = {name.lower(): value for name, value in model.headers.items()}
        self._own = frozenset(name.encode("ascii") for name in own)
        """Fields that the configuration has set: a client's value does not replace them."""
        self._fixed = _fixed_lines(model, endpoint, self.origin, own)
        self._defaults = [
            (name.encode("ascii"), field_line(name.encode("ascii"), value.encode("utf-8")))
            for name, value in endpoint.headers.items()
            if name not in own
        ]
        self._last: tuple[str, Sequence[tuple[bytes, bytes]], bytes] = ("", (), self._rendered("", ()))
        """What was asked for last, and all of its head but the length: a client asks for the same again."""

    def render(self, query: str, forwarded: Sequence[tuple[bytes, bytes]], body_length: int) -> bytes:
        """The whole head, blank line included. `forwarded` replaces defaults of the dialect."""
        last_query, last_forwarded, before = self._last
        if query != last_query or forwarded != last_forwarded:
            before = self._rendered(query, forwarded)
            self._last = query, forwarded, before
        return b"%bcontent-length: %d\r\n\r\n" % (before, body_length)

    def _rendered(self, query: str, forwarded: Sequence[tuple[bytes, bytes]]) -> bytes:
        """The head up to its last field."""
        queries = "&".join(filter(None, (self._query, query))) if query or self._query else ""
        target = f"{self._target}?{queries}" if queries else self._target
        lines = [b"POST %b HTTP/1.1\r\n" % target.encode("ascii"), self._fixed]
        named = [name for name, _ in forwarded]
        lines += [line for name, line in self._defaults if name not in named]
        lines += [b"%b: %b\r\n" % field for field in forwarded if field[0] not in self._own]
        return b"".join(lines)


def _origin(endpoint: Endpoint) -> Origin:
    return Origin("https" if endpoint.scheme == "https" else "http", endpoint.host, endpoint.port)


def _fixed_lines(model: Model, endpoint: Endpoint, origin: Origin, own: Mapping[str, str]) -> bytes:
    host = origin.host_field if model.http_host is None else model.http_host.encode("ascii")
    ours = [
        field_line(b"host", host),
        b"content-type: application/json\r\n",
        b"accept-encoding: identity\r\n",
        f"user-agent: plano/{__version__}\r\n".encode(),
    ]
    if not model.passthrough_auth:
        ours.append(credential_line(endpoint.auth or model.auth, model.access_key))
    # A configured field takes the place of ours: sent twice, it would be refused, or worse, understood.
    lines = [line for line in ours if line.partition(b":")[0].decode("ascii") not in own]
    lines += [field_line(name.encode("ascii"), value.encode("utf-8")) for name, value in own.items()]
    return b"".join(lines)
