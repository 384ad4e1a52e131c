"""HTTP/1.1 towards one client, on llhttp's strict parser.

Reads whole requests, answers them in order, keeps absolute deadlines on headers and body,
passes back-pressure to where an answer comes from, and notices a client's departure at once
in every phase: reading is never paused, so the end of its stream is always seen. What is not
HTTP as RFC 9112 has it is refused, and the connection ends with the answer.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING

import httptools

from plano.http1.alarms import NEVER
from plano.http1.reply import Reply
from plano.http1.request import Refusal, RefusalKind, Request

if TYPE_CHECKING:
    from plano.http1.server import Server

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
MOST_WAITING = 64
"""Pipelined requests that may wait; clients that pipeline at all send a handful."""
LINGER_S = 2.0
"""How long a connection that was half-closed after an error waits for the client to read it: closing
with unread input would send a RST, which can destroy the answer on its way."""


class Connection(asyncio.Protocol):
    """One client connection: at most one request is answered at a time, further ones wait in order."""

    __slots__ = (
        "_alarm",
        "_body",
        "_body_bytes",
        "_client",
        "_deaf",
        "_discarding",
        "_expects",
        "_head_bytes",
        "_in_head",
        "_last_request",
        "_parser",
        "_request",
        "_stalled_at",
        "_target",
        "_task",
        "_waiting",
        "_waiting_bytes",
        "bodiless",
        "http_1_0",
        "reply",
        "server",
        "transport",
    )

    def __init__(self, server: Server) -> None:
        self.server = server
        self.transport: asyncio.Transport | None = None
        self.reply: Reply | None = None
        self.bodiless = False
        """Whether the request being answered is a HEAD."""
        self.http_1_0 = False
        self._parser = httptools.HttpRequestParser(self)
        self._task: asyncio.Task[None] | None = None
        self._request: Request | None = None
        """The request being read."""
        self._target = b""
        self._in_head = False
        self._head_bytes = 0
        self._body: list[bytes] = []
        self._body_bytes = 0
        self._expects = False
        self._waiting: deque[tuple[Request, bool] | Refusal] = deque()
        """Complete requests (and whether the connection stays open after each) behind the current one;
        a refusal is always the last."""
        self._waiting_bytes = 0
        self._last_request = False
        """Nothing more is read as HTTP: the client said close, or was refused, or pipelined too much."""
        self._discarding = False
        """Half-closed by us: what comes is thrown away until the client closes too."""
        self._deaf = 0
        self._stalled_at = -1
        self._client: str | None = None
        self._alarm = server.alarms.alarm(self._rang)

    # -- asyncio's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        server = self.server
        self.transport = transport
        server.connections.add(self)
        server.idle.clear()
        peer = transport.get_extra_info("peername")
        self._client = peer[0] if isinstance(peer, tuple) and peer else None
        transport.set_write_buffer_limits(high=server.limits.held_reply_bytes)
        self._alarm.set(server.now() + server.limits.keep_alive_s)
        if len(server.connections) > server.limits.max_connections:
            self._refuse("overloaded", "This gateway has as many connections open as it may; try again shortly.")

    def data_received(self, data: bytes) -> None:
        if self._last_request:
            self._discard(len(data))
            return
        self._head_bytes = self._head_bytes + len(data) if self._in_head else len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            # The offer of another protocol is declined by answering in this one (RFC 9110 §7.8).
            self._last_request = True
        except httptools.HttpParserError as error:
            if not self._last_request:
                self._refuse("malformed", f"The request is not valid HTTP/1.1: {error}.")
        if self._in_head and self._head_bytes > self.server.limits.headers_bytes:
            self._refuse("headers_too_large", self._head_too_large())

    def eof_received(self) -> bool:
        """The client has closed its side: it left. Whoever still wants an answer keeps it open."""
        if self._task is not None:
            self.abort()
        return False

    def connection_lost(self, error: Exception | None) -> None:
        server = self.server
        server.connections.discard(self)
        self._alarm.cancel()
        self.transport = None
        if self.reply is not None:
            self.reply.detach()
        if self._task is not None:
            self._task.cancel()
        server.buffered_bytes -= self._body_bytes + self._waiting_bytes
        self._body_bytes = self._waiting_bytes = 0
        self._waiting.clear()
        self._body = []
        self._last_request = True
        if not server.connections:
            server.idle.set()

    def pause_writing(self) -> None:
        self._stalled_at = self._unread()
        self._alarm.set(self.server.now() + self.server.limits.client_stall_s)
        if self.reply is not None and self.reply.flow is not None:
            self.reply.flow.pause()

    def resume_writing(self) -> None:
        self._stalled_at = -1
        self._alarm.clear()
        if self.reply is not None and self.reply.flow is not None:
            self.reply.flow.resume()

    # -- the parser's side

    def on_message_begin(self) -> None:
        if self._last_request:
            return
        server = self.server
        now = server.now()
        self._request = request = Request(now)
        request.client = self._client
        self._target = b""
        self._in_head = True
        if self._task is None:
            self._alarm.set(now + server.limits.request_headers_s)

    def on_url(self, url: bytes) -> None:
        self._target = self._target + url if self._target else url
        if len(self._target) > self.server.limits.target_bytes:
            self._refuse(
                "target_too_long",
                f"The request target is longer than the {self.server.limits.target_bytes} bytes allowed.",
            )

    def on_header(self, name: bytes, value: bytes) -> None:
        request = self._request
        if request is None or not self._in_head:
            return  # A trailer field (RFC 9110 §6.5.1 lets us ignore it), or already refused.
        name = name.lower()
        fields = request.fields
        if name in fields:
            request.repeated += (name,)
            value = fields[name] + b", " + value
        fields[name] = value

    def on_headers_complete(self) -> None:
        request = self._request
        if request is None:
            return
        self._in_head = False
        problem = self._problem_of_head(request)
        if problem is not None:
            self._refuse(*problem)
            return
        path, _, query = self._target.partition(b"?")
        request.path, request.query = path.decode("ascii", "replace"), query.decode("ascii", "replace")
        request.method = self._parser.get_method().decode("ascii")
        if b"expect" in request.fields and request.fields[b"expect"].lower() == b"100-continue":
            self._invite_body()

    def on_body(self, data: bytes) -> None:
        if self._request is None:
            return
        server = self.server
        size = len(data)
        if not self._body and self._task is None:
            self._alarm.set(server.now() + server.limits.request_body_s)
        self._body.append(data)
        self._body_bytes += size
        server.buffered_bytes += size
        if self._body_bytes > server.limits.body_bytes:
            self._refuse("body_too_large", self._body_too_large())
        elif server.buffered_bytes > server.limits.buffered_bodies_bytes:
            self._refuse(
                "overloaded", "This gateway holds as many request bodies as it may; try again shortly."
            )

    def on_message_complete(self) -> None:
        request = self._request
        if request is None:
            return
        self._request = None
        body = self._body
        if body:
            request.body = body[0] if len(body) == 1 else b"".join(body)
            self._body = []
        request.http_1_0 = self._parser.get_http_version() == "1.0"
        keep_alive = self._parser.should_keep_alive() and not request.http_1_0
        if not keep_alive:
            self._last_request = True
        held, self._body_bytes = self._body_bytes, 0
        if self._task is None:
            self.server.buffered_bytes -= held
            self._begin(request, keep_alive)
            return
        self._waiting.append((request, keep_alive))
        self._waiting_bytes += held
        if self._waiting_bytes > self.server.limits.pipelined_bytes or len(self._waiting) >= MOST_WAITING:
            # Enough waits already: answer what is here, then close; the client sends the rest again.
            self._last_request = True

    # -- reading

    def _problem_of_head(self, request: Request) -> tuple[RefusalKind, str] | None:
        """What RFC 9112 demands beyond what the parser checks, and the limits."""
        fields, limits = request.fields, self.server.limits
        version = self._parser.get_http_version()
        if version not in ("1.1", "1.0"):
            return "malformed", f"HTTP/{version} is not spoken here; expected HTTP/1.1."
        if not self._target.startswith(b"/"):
            return "malformed", "The request target must be a path that starts with '/' (RFC 9112 §3.2.1)."
        if b"host" in request.repeated or (b"host" not in fields and version == "1.1"):
            return "malformed", "A request must have exactly one Host field (RFC 9112 §3.2)."
        if len(fields) + len(request.repeated) > limits.header_count:
            return "headers_too_large", f"More than the {limits.header_count} header fields allowed."
        if self._head_bytes > limits.headers_bytes:
            size = sum(map(len, fields)) + sum(map(len, fields.values())) + len(self._target)
            if size > limits.headers_bytes:
                return "headers_too_large", self._head_too_large()
        coding = fields.get(b"transfer-encoding")
        if coding is not None and (coding.lower() != b"chunked" or version == "1.0"):
            return "unsupported_encoding", "The only transfer coding read here is 'chunked', on HTTP/1.1."
        length = fields.get(b"content-length")
        if length is not None and len(length) > 1 and int(length) > limits.body_bytes:
            return "body_too_large", self._body_too_large()
        return None

    def _body_too_large(self) -> str:
        return f"The request body is longer than the {self.server.limits.body_bytes} bytes allowed."

    def _head_too_large(self) -> str:
        return f"The header fields are longer than the {self.server.limits.headers_bytes} bytes allowed."

    def _invite_body(self) -> None:
        """`100 Continue`, at once, or when the answers before it are out."""
        if self._task is None and self.transport is not None:
            self.transport.write(CONTINUE)
        else:
            self._expects = True

    def _discard(self, size: int) -> None:
        """A client that goes on sending to a connection that is closing gets a bounded hearing."""
        self._deaf += size
        if self._deaf > self.server.limits.body_bytes:
            self.abort()

    # -- answering

    def _begin(self, request: Request, keep_alive: bool) -> None:
        server = self.server
        request.read = server.now()
        self._alarm.clear()
        self.bodiless = request.method == "HEAD"
        self.http_1_0 = request.http_1_0
        self.reply = reply = Reply(self, keep_alive=keep_alive)
        server.in_flight.count += 1
        self._task = server.loop.create_task(self._answer(request, reply))

    async def _answer(self, request: Request, reply: Reply) -> None:
        server = self.server
        try:
            await server.handler(request, reply)
        except Exception as error:
            server.defect(request, reply, error)
        finally:
            server.in_flight.count -= 1
            self._task = None
            self._answered(reply)

    def _answered(self, reply: Reply) -> None:
        """The handler is done: go on to the next request, or close."""
        self.reply = None
        if self.transport is None or self._discarding:
            return
        if not reply.ended:
            reply.end_loudly()
        elif not reply.keep_alive:
            self._close()
        elif self._waiting:
            self._next()
        elif self._last_request:
            self._close()
        else:
            self._rest()
        reply.detach()

    def _next(self) -> None:
        following = self._waiting.popleft()
        if isinstance(following, Refusal):
            self._send_refusal(following)
            return
        request, keep_alive = following
        self._waiting_bytes -= len(request.body)
        self.server.buffered_bytes -= len(request.body)
        self._begin(request, keep_alive and not (self._last_request and not self._waiting))

    def _rest(self) -> None:
        """Between two requests; the next one's first bytes may already be here."""
        server = self.server
        if server.closing and self._request is None:
            self._close()
            return
        limits, now = server.limits, server.now()
        if self._expects and self.transport is not None:
            self._expects = False
            self.transport.write(CONTINUE)
        if self._request is None:
            self._alarm.set(now + limits.keep_alive_s)
        elif self._in_head:
            self._alarm.set(now + limits.request_headers_s)
        else:
            self._alarm.set(now + limits.request_body_s)

    def _refuse(self, kind: RefusalKind, message: str) -> None:
        """Read no further; answer with the refusal once everything before it is answered."""
        request, self._request = self._request, None
        self._in_head = False
        self._last_request = True
        self.server.buffered_bytes -= self._body_bytes
        self._body_bytes, self._body = 0, []
        path = self._target.partition(b"?")[0].decode("ascii", "replace")
        started = request.started if request is not None else self.server.now()
        refusal = Refusal(kind, message, path, started)
        if self._task is None:
            self._send_refusal(refusal)
        else:
            self._waiting.append(refusal)

    def _send_refusal(self, refusal: Refusal) -> None:
        status, fields, body = self.server.refuse(refusal)
        reply = Reply(self, keep_alive=False)
        self.bodiless = False
        reply.send(status, fields, body)
        self.hang_up()

    def write(self, data: bytes) -> None:
        if self.transport is not None:
            self.transport.write(data)

    def hang_up(self) -> None:
        """FIN now, but keep listening until the client has read it and closed too."""
        if self.transport is None or self._discarding:
            return
        self._discarding = self._last_request = True
        self._alarm.set(self.server.now() + LINGER_S)
        if self.http_1_0 and self.reply is not None and self.reply.started and self.reply.status == 200:
            # An HTTP/1.0 body ends with the connection: a FIN would call it complete.
            self.transport.abort()
            return
        self.transport.write_eof()

    def _close(self) -> None:
        if self.transport is not None:
            self._last_request = True
            self._stalled_at = self._unread()
            self._alarm.set(self.server.now() + self.server.limits.client_stall_s)
            self.transport.close()

    def close_if_idle(self) -> None:
        if self._task is None and self._request is None and not self._discarding:
            self._close()

    def cancel_active(self) -> None:
        if self._task is not None:
            self._task.cancel()

    def abort(self) -> None:
        if self.transport is not None:
            self.transport.abort()

    # -- deadlines

    @property
    def stalled(self) -> bool:
        """Whether the client has more waiting for it than it may."""
        return self._stalled_at >= 0

    def _unread(self) -> int:
        """Bytes of answers that the client has not taken yet."""
        return self.transport.get_write_buffer_size() if self.transport is not None else 0

    def _rang(self) -> None:
        """The one deadline of this connection has passed; which one, its state tells."""
        if self.transport is None:
            return
        limits = self.server.limits
        if self._discarding or self._stalled_at >= 0:
            unread = self._unread()
            if unread == 0 or 0 <= self._stalled_at <= unread:
                self.abort()
                return
            self._stalled_at = unread
            self._alarm.set(self.server.now() + limits.client_stall_s)
        elif self._task is not None:
            self._alarm.set(NEVER)
        elif self._request is None:
            self._close()
        elif self._in_head:
            self._refuse("timeout", f"The request's headers did not arrive within {limits.request_headers_s:g} s.")
        else:
            self._refuse("timeout", f"The request's body did not arrive within {limits.request_body_s:g} s.")
