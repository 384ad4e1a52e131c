"""A request as it came over the wire, and its reading on llhttp's strict parser.

The parser checks the grammar; here are the limits, what RFC 9112 demands beyond it, and the
account of what is held. What is not HTTP/1.1 is refused, and nothing is read after it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol

import httptools
import msgspec

from plano.http1.at_fault import field_at_fault
from plano.http1.head_problems import (
    body_too_large,
    head_too_large,
    problem_of_host,
    size_of_head,
    too_many_fields,
)
from plano.http1.known_heads import KnownHead, KnownHeads, learn
from plano.http1.limits import SMALL_BODY_BYTES, ServerLimits

RefusalKind = Literal[
    "malformed",
    "headers_too_large",
    "target_too_long",
    "body_too_large",
    "unsupported_encoding",
    "timeout",
    "overloaded",
    "unauthenticated",
    "left",
]
"""What a client that `left` is told reaches nobody."""
Lack = Literal["connections", "bodies", "memory"]
"""What there is too little of, for a client that is told `overloaded`: connections, room for all bodies
together, memory."""
SMALL_PIECE = 4096
"""Body pieces below this are gathered: kept apart, chunks of one byte would cost forty times their text."""
GATHERED_BYTES = 64 * 1024
LESSONS = 4
"""Heads that may be learnt in vain, one after another, before a connection stops trying."""
SEPARATORS = 8
"""Bytes around a field that do not count: the colon, the line's end, a few blanks."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a request was not read to its end. The connection closes with the answer."""

    kind: RefusalKind
    message: str
    path: str = ""
    """The path when it was already known: it tells which dialect to answer in."""
    started: float = 0.0
    fields: Mapping[bytes, bytes] = field(default_factory=dict)
    """The header fields that were read before it was refused."""
    method: str = ""
    """Empty when not even that was read."""
    client: str | None = None
    """The peer's address, without the port."""
    broken_field: bytes = b""
    """The name, in lower case, of the field whose value could not be read; empty where it was not that."""
    lacks: Lack | None = None


class Request(msgspec.Struct, eq=False):
    """Method, target, fields and the whole body. Fields were checked by the parser: no control bytes."""

    started: float
    """When its first byte came, by the server's clock."""
    method: str = ""
    path: str = ""
    """The path as sent, without the query; ASCII, undecoded."""
    query: str = ""
    """What follows the first `?`, undecoded; empty without one."""
    fields: dict[bytes, bytes] = msgspec.field(default_factory=dict)
    """Header fields by lower-case name, without surrounding blanks; repeated ones joined by a comma
    (RFC 9110 §5.3). Never changed once the head is read: requests with the same head share them."""
    repeated: tuple[bytes, ...] = ()
    """Names that came more than once, for fields that must not."""
    body: bytes = b""
    http_1_0: bool = False
    client: str | None = None
    """The peer's address, without the port."""
    known: KnownHead | None = None
    """Its head, when that was known from a request before it."""
    id: str = ""
    """The name it is answered under, given by whoever answers."""


Screen = Callable[[Request], str | None]
"""Asked of a head whose body is still to come: why it is not worth waiting for; None: it is."""


class Shared(Protocol):
    """What the readers of one listener share; see `plano.http1.server.Server`."""

    limits: ServerLimits
    buffered_bytes: int
    is_short_of_memory: bool
    known_heads: KnownHeads
    screen: Screen | None

    def now(self) -> float: ...


class Taker(Protocol):
    """Who takes what was read. All calls come from inside `RequestReader.feed` or `refuse`."""

    def requested(self, request: Request, keep_alive: bool) -> None:
        """A request is complete. Its body still counts in `buffered_bytes`: the taker takes it off."""

    def refused(self, refusal: Refusal) -> None:
        """Nothing more will be read."""

    def body_expected(self) -> None:
        """The client waits for `100 Continue` before it sends the body."""

    def more_expected(self) -> None:
        """A read has ended inside a head, or, the first time, inside a body."""


class RequestReader:
    """Bytes in, requests out, cut anywhere. The `on_…` methods are the parser's."""

    __slots__ = (
        "_barren_bytes",
        "_body",
        "_body_bytes",
        "_body_seen",
        "_first_read",
        "_head_bytes",
        "_host",
        "_known",
        "_last",
        "_lessons",
        "_offering",
        "_parser",
        "_phase",
        "_shared",
        "_taker",
        "_target",
        "client",
        "ended",
        "in_head",
        "request",
    )

    def __init__(self, shared: Shared, taker: Taker) -> None:
        self.client: str | None = None
        self.request: Request | None = None
        """The request being read."""
        self.in_head = False
        self.ended = False
        """Nothing more is read as HTTP: the client said close, was refused, or pipelined too much."""
        self._shared = shared
        self._taker = taker
        self._parser = httptools.HttpRequestParser(self)
        self._host = b""
        """The last Host that was found to be one: a connection's requests name the same, mostly."""
        self._known: KnownHead | None = None
        """The head of the last request, if it can be known again."""
        self._last: Request | None = None
        """The request that this read has brought, until it is learnt from."""
        self._lessons = LESSONS
        self._target = b""
        self._body: list[bytes | bytearray] = []
        self._body_bytes = 0
        self._head_bytes = 0
        """At least the bytes of the head being read; a read may also have brought an earlier body's end."""
        self._phase: Literal["begun", "head", "body"] = "begun"
        """Where the last read has ended, for a request that takes several."""
        self._first_read = 0
        self._body_seen = 0
        self._barren_bytes = 0
        """Bytes since the last body byte: chunk extensions or trailer fields."""
        self._offering: Request | None = None
        """A request that offers another protocol; its body is still to come."""

    @property
    def used(self) -> bool:
        """Whether anything has ever come."""
        return self._head_bytes > 0

    def feed(self, data: bytes) -> None:
        if self.request is not None:
            self._parse(data)
            return
        if self._known is not None and self._take(data, self._known):
            return
        self._last = None
        self._parse(data)
        self._learn(data)

    def _learn(self, data: bytes) -> None:
        """Know the head again, if this read was one whole request."""
        last, self._last = self._last, None
        if last is not None and self.request is None and self._lessons > 0 and not self.ended:
            self._lessons -= 1
            self._known = learn(data, last, self._shared.known_heads)

    def _take(self, data: bytes, known: KnownHead) -> bool:
        """Whether this read is a request with the head that is known, whole."""
        body = known.body_of(data)
        if body is None:
            return False
        shared = self._shared
        limits = shared.limits
        size = len(body)
        held = shared.buffered_bytes + size
        if size > limits.body_bytes or held > limits.buffered_bodies_bytes:
            return False
        if size > SMALL_BODY_BYTES and shared.is_short_of_memory:
            return False
        shared.buffered_bytes = held
        self._lessons = LESSONS
        now, path, query, fields = shared.now(), known.path, known.query, known.fields
        request = Request(now, "POST", path, query, fields, (), body, False, self.client, known)
        self._taker.requested(request, True)
        return True

    def _parse(self, data: bytes) -> None:
        size = len(data)
        self._head_bytes = self._head_bytes + size if self.in_head else size
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._decline_upgrade(data[upgrade.args[0] :])
            return
        except httptools.HttpParserCallbackError:
            raise  # A defect of ours, which must not be blamed on the client.
        except httptools.HttpParserError as error:
            if not self.ended:
                broken = field_at_fault(data) if self.in_head else b""
                self.refuse("malformed", f"The request is not valid HTTP/1.1: {error}.", broken)
        if self.request is not None:
            self._expect_more(self.request, size)

    def refuse(
        self, kind: RefusalKind, message: str, broken: bytes = b"", *, lacks: Lack | None = None
    ) -> None:
        """Read no further, drop what is held, and say so."""
        request = self.request
        started = request.started if request is not None else self._shared.now()
        path = self._target.partition(b"?")[0].decode("ascii", "replace")
        fields = request.fields if request is not None else {}
        method = ""
        if request is not None and self._target:
            method = request.method or self._parser.get_method().decode("ascii")
        self.release()
        self._taker.refused(Refusal(kind, message, path, started, fields, method, self.client, broken, lacks))

    def release(self) -> None:
        """Nothing more will be read: let go of the request that was."""
        self.ended = True
        self.in_head = False
        self.request = self._offering = None
        self._shared.buffered_bytes -= self._body_bytes
        self._body_bytes, self._body = 0, []

    def close(self) -> None:
        """The connection is gone, and nothing here is called again. The parser and the taker hold on to this
        reader: let go of both, or every connection would wait for the cycle collector, which looks at
        what has lived long only after millions of objects."""
        self.release()
        self._known = None
        del self._parser, self._taker

    # -- the parser's side

    def on_message_begin(self) -> None:
        if self.ended:
            return
        self.request = request = Request(self._shared.now())
        request.client = self.client
        self._target = b""
        self.in_head = True
        self._phase = "begun"

    def on_url(self, url: bytes) -> None:
        if self.request is None:
            return
        self._target = self._target + url if self._target else url
        limit = self._shared.limits.target_bytes
        if len(self._target) > limit:
            self.refuse("target_too_long", f"The request target is longer than the {limit} bytes allowed.")

    def on_header(self, name: bytes, value: bytes) -> None:
        request = self.request
        if request is None or not self.in_head:
            return  # A trailer field (RFC 9110 §6.5.1 lets us ignore it), or already refused.
        name = name.lower()
        value = value.rstrip()
        fields = request.fields
        if name in fields:
            request.repeated += (name,)
            if len(request.repeated) > self._shared.limits.header_count:
                # Now, not at the end of the head: joining one after another grows with their square.
                self.refuse("headers_too_large", too_many_fields(self._shared.limits))
                return
            value = fields[name] + b", " + value
        fields[name] = value

    def on_headers_complete(self) -> None:
        request = self.request
        if request is None or not self.in_head:
            return
        self.in_head = False
        parser = self._parser
        version = parser.get_http_version()
        target = self._target
        request.method = parser.get_method().decode("ascii")
        problem = problem_of_head(request, target, version, self._shared.limits, self._head_bytes)
        host = request.fields.get(b"host", b"")
        if host != self._host and problem is None:
            self._host = host
            no_host = problem_of_host(host)
            problem = None if no_host is None else ("malformed", no_host)
        if problem is not None:
            self.refuse(*problem)
            return
        request.path, _, request.query = target.decode("ascii", "replace").partition("?")
        request.http_1_0 = version == "1.0"
        fields = request.fields
        if b"expect" in fields and fields[b"expect"].lower() == b"100-continue" and version == "1.1":
            if self._is_screened(request):
                return
            self._taker.body_expected()
        if b"upgrade" in fields and parser.should_upgrade():
            # The parser takes what follows for the other protocol; see `_decline_upgrade`.
            self._offering, self.request = request, None

    def on_body(self, data: bytes) -> None:
        if self.request is None:
            return
        shared = self._shared
        size = len(data)
        if self._body:
            self._keep(data)
        else:
            self._body.append(data)
        self._body_bytes += size
        shared.buffered_bytes += size
        if self._body_bytes > shared.limits.body_bytes:
            self.refuse("body_too_large", body_too_large(shared.limits))
        elif shared.buffered_bytes > shared.limits.buffered_bodies_bytes:
            self.refuse(
                "overloaded",
                "This gateway holds as many request bodies as it may; try again shortly.",
                lacks="bodies",
            )
        elif self._body_bytes > SMALL_BODY_BYTES and shared.is_short_of_memory:
            self.refuse(
                "overloaded",
                "This gateway is short of memory for a request of this size; try again shortly.",
                lacks="memory",
            )

    def on_message_complete(self) -> None:
        request = self.request
        if request is None:
            return
        self.request = None
        body = self._body
        if body:
            # The first piece is always `bytes`.
            request.body = bytes(body[0]) if len(body) == 1 else b"".join(body)
            self._body = []
            self._body_bytes = 0
        keep_alive = self._parser.should_keep_alive() and not request.http_1_0
        if not keep_alive:
            self.ended = True
        self._last = request
        self._taker.requested(request, keep_alive)

    # -- what comes seldom

    def _keep(self, data: bytes) -> None:
        """A piece behind the first."""
        last = self._body[-1]
        if len(data) >= SMALL_PIECE:
            self._body.append(data)
        elif isinstance(last, bytearray) and len(last) < GATHERED_BYTES:
            last += data
        else:
            self._body.append(bytearray(data))

    def _expect_more(self, request: Request, size: int) -> None:
        """A read has ended inside a request: hold what came so far to the limits, and say once a phase
        that the rest is awaited."""
        if self.in_head:
            if self._phase == "begun":
                self._first_read = size
            self._check_unfinished_head(request)
        elif self._phase != "body" or self._body_bytes != self._body_seen:
            self._body_seen, self._barren_bytes = self._body_bytes, 0
        else:
            self._barren_bytes += size
            if self._barren_bytes > self._shared.limits.headers_bytes:
                self.refuse(
                    "headers_too_large",
                    "Chunk extensions or trailer fields are longer than the "
                    f"{self._shared.limits.headers_bytes} bytes allowed.",
                )
        phase: Literal["head", "body"] = "head" if self.in_head else "body"
        if self.request is not None and phase != self._phase:
            self._phase = phase
            if phase == "head" or not self._is_screened(request):
                self._taker.more_expected()

    def _is_screened(self, request: Request) -> bool:
        """Whether it was refused for its head: a stranger's body is not waited for, nor held."""
        screen = self._shared.screen
        problem = None if screen is None else screen(request)
        if problem is not None:
            self.refuse("unauthenticated", problem)
        return problem is not None

    def _check_unfinished_head(self, request: Request) -> None:
        """The head is at least as long as its finished fields, and as the reads that were all of it, less
        what separates the fields."""
        limits = self._shared.limits
        if self._head_bytes <= limits.headers_bytes:
            return
        separators = SEPARATORS * limits.header_count
        size = max(
            size_of_head(request.fields, self._target), self._head_bytes - self._first_read - separators
        )
        if size > limits.headers_bytes:
            self.refuse("headers_too_large", head_too_large(limits))

    def _decline_upgrade(self, rest: bytes) -> None:
        """The offer of another protocol is declined by answering in this one (RFC 9110 §7.8). llhttp has
        left the body unread, so a parser of its own reads that; it is the last of this connection."""
        request, self._offering = self._offering, None
        if request is None:
            self.ended = True  # CONNECT, which was refused.
            return
        length = request.fields.get(b"content-length", b"0")
        framing = b"content-length: %b" % length
        if b"transfer-encoding" in request.fields:
            framing = b"transfer-encoding: chunked"
        self._parser = httptools.HttpRequestParser(self)
        self.ended = True  # So that this head begins no request.
        self._parser.feed_data(b"POST / HTTP/1.1\r\nconnection: close\r\n%b\r\n" % framing)
        self.ended = False
        self.request = request
        self._parse(b"\r\n" + rest)


def problem_of_head(
    request: Request, target: bytes, version: str, limits: ServerLimits, at_most_bytes: int
) -> tuple[RefusalKind, str] | None:
    """What RFC 9112 demands beyond what the parser checks, and the limits. `at_most_bytes`: the head is
    no longer than that, so that its length is added up only where it matters."""
    fields = request.fields
    if version not in ("1.1", "1.0"):
        return "malformed", f"HTTP/{version} is not spoken here; expected HTTP/1.1."
    if not target.startswith(b"/") or b"#" in target or request.method == "CONNECT":
        return (
            "malformed",
            "The request target must be a path that starts with '/' and has no '#'; no CONNECT.",
        )
    if b"host" in request.repeated or (b"host" not in fields and version == "1.1"):
        return "malformed", "A request must have exactly one Host field (RFC 9112 §3.2)."
    if len(fields) + len(request.repeated) > limits.header_count:
        return "headers_too_large", too_many_fields(limits)
    if at_most_bytes > limits.headers_bytes and size_of_head(fields, target) > limits.headers_bytes:
        return "headers_too_large", head_too_large(limits)
    coding = fields.get(b"transfer-encoding")
    if coding is not None and (coding.lower() != b"chunked" or version == "1.0"):
        return "unsupported_encoding", "The only transfer coding read here is 'chunked', on HTTP/1.1."
    length = fields.get(b"content-length")
    if length is not None and len(length) > 1 and int(length) > limits.body_bytes:
        return "body_too_large", body_too_large(limits)
    return None
