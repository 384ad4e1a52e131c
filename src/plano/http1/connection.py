"""HTTP/1.1 towards one client: whose turn it is, how long to wait, and how it ends.

Answers requests in order, keeps absolute deadlines on headers and body, passes back-pressure to
where an answer comes from, and notices a client's departure at once in every phase: reading is
never paused, so the end of its stream is always seen. Reading a request is `request.py`'s,
rendering an answer `reply.py`'s.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections import deque
from collections.abc import Coroutine
from types import CoroutineType
from typing import TYPE_CHECKING, Any, cast

from plano.http1.head_problems import size_of_head
from plano.http1.limits import KIB
from plano.http1.outbox import FEW
from plano.http1.reply import Reply
from plano.http1.request import Refusal, Request, RequestReader

if TYPE_CHECKING:
    from plano.http1.server import Errand, Server

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
MOST_WAITING = 64
"""Pipelined requests that may wait; clients that pipeline at all send a handful."""
LINGER_S = 2.0
"""How long a connection that was half-closed waits for the client to fall silent and close it too:
closing with unread input would send a RST, which can destroy the answer on its way (RFC 9112 §9.6)."""
LOOK_AT_UNREAD_S = 0.5
"""How often it is looked whether a client that does not keep up takes anything at all."""
LONGEST_LINGER_S = 30.0
"""How long a client that goes on sending is listened to, so that it comes to read why it was refused."""
HEARD_BODIES = 4
"""And how much of it, in bodies of the largest size: past that a reset is all that it gets."""
SHED_AT_ONCE = 16
"""Connections over the limit that may linger. They take descriptors that others need: past these, one that
is shed gets its answer and is closed, although a client that was still sending may lose it."""
POSTED_BYTES = 64 * KIB
"""A larger write is not held back, not even to the end of the turn."""
SHARPNESS_S = 0.05
"""Alarms may ring this much early."""
RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class Connection(asyncio.Protocol):
    """One client connection: at most one request is answered at a time, further ones wait in order."""

    __slots__ = (
        "_discarding",
        "_heard",
        "_heard_before",
        "_invites",
        "_linger_ends",
        "_patience_ends",
        "_posted",
        "_reader",
        "_reading_alarm",
        "_request",
        "_under_way",
        "_unread_before",
        "_waiting",
        "_waiting_bytes",
        "_work",
        "_writing_alarm",
        "bodiless",
        "http_1_0",
        "reply",
        "server",
        "stalled",
        "transport",
    )

    def __init__(self, server: Server) -> None:
        self.server = server
        self.transport: asyncio.Transport | None = None
        self.reply: Reply | None = None
        self.bodiless = False
        """Whether the request being answered is a HEAD."""
        self.http_1_0 = False
        """Whether the request being answered came in HTTP/1.0."""
        self.stalled = False
        """Whether the client has more waiting for it than it may."""
        self._reader = RequestReader(server, self)
        self._request: Request | None = None
        """The request being answered."""
        self._work: asyncio.Task[None] | Errand | None = None
        self._under_way = server.under_way
        """Where the request being answered is counted: the server may have another handler when it ends."""
        self._waiting: deque[tuple[Request, bool, int] | Refusal] = deque()
        """Complete requests, whether the connection stays open after each, and the bytes each holds, behind
        the one being answered; a refusal is always the last."""
        self._waiting_bytes = 0
        self._invites = False
        """`100 Continue` is owed once the answers before it are out."""
        self._discarding = False
        """Half-closed by us: what comes is thrown away until the client closes too."""
        self._heard = self._heard_before = 0
        """Bytes thrown away, and how many when last looked at."""
        self._posted = -1
        """The outbox's turn in which something was last put there."""
        self._unread_before = 0
        self._patience_ends = self._linger_ends = 0.0
        self._reading_alarm = server.alarms.alarm(self._waited_for_request)
        self._writing_alarm = server.alarms.alarm(self._waited_for_client)

    # -- asyncio's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        server = self.server
        self.transport = transport = cast(asyncio.Transport, transport)  # uvloop's are not registered as such
        server.connections.add(self)
        server.idle.clear()
        peer = transport.get_extra_info("peername")
        self._reader.client = peer[0] if isinstance(peer, tuple) and peer else None
        transport.set_write_buffer_limits(high=server.limits.held_reply_bytes)
        patience_s = LINGER_S if server.closing else server.limits.keep_alive_s
        self._reading_alarm.set(server.now() + patience_s)
        too_many = len(server.connections) - server.limits.max_connections
        if too_many > 0:
            self._shed(transport, linger=too_many <= SHED_AT_ONCE)

    def _shed(self, transport: asyncio.Transport, *, linger: bool) -> None:
        """One connection too many."""
        self._reader.refuse(
            "overloaded",
            "This gateway has as many connections open as it may; try again shortly.",
            lacks="connections",
        )
        if not linger:
            self.server.outbox.flush()
            transport.close()

    def data_received(self, data: bytes) -> None:
        if self._reader.ended:
            self._discard(len(data))
        else:
            self._reader.feed(data)

    def eof_received(self) -> bool:
        """The client has closed its side: it left. Whoever still wants an answer keeps it open."""
        if self._work is not None:
            self.abort()
        elif self._unread():
            self.hang_up()
        return False

    def connection_lost(self, error: Exception | None) -> None:
        server = self.server
        server.connections.discard(self)
        self._reading_alarm.cancel()
        self._writing_alarm.cancel()
        self.transport = None
        if self._work is None and self._reader.request is not None and not server.closing:
            # Nobody is there to read it; who keeps the record hears of it.
            self._reader.refuse("left", "The client left before its request was all there.")
        self._reader.close()
        server.buffered_bytes -= self._waiting_bytes
        self._waiting_bytes = 0
        self._waiting.clear()
        reply = self.reply
        if reply is not None:
            reply.detach()
        if self._work is not None and reply is not None and not reply.ended:
            self._cancel()
        if not server.connections:
            server.idle.set()

    def pause_writing(self) -> None:
        self.stalled = True
        self._watch_client()
        if self.reply is not None and self.reply.flow is not None:
            self.reply.flow.pause()

    def resume_writing(self) -> None:
        self.stalled = False
        if not self._discarding:
            self._writing_alarm.clear()
        if self.reply is not None and self.reply.flow is not None:
            self.reply.flow.resume()

    # -- the reader's side

    def requested(self, request: Request, keep_alive: bool) -> None:
        if self._work is None:
            self._begin(request, keep_alive)
            return
        self._invites = False
        # Heads count while they wait: a queue of large ones would else cost nothing.
        head = size_of_head(request.fields, request.path.encode()) + len(request.query)
        held = head + len(request.body)
        self._waiting.append((request, keep_alive, held))
        self._waiting_bytes += held
        self.server.buffered_bytes += head
        if self._waiting_bytes > self.server.limits.pipelined_bytes or len(self._waiting) >= MOST_WAITING:
            # Enough waits already: answer what is here, then close; the client sends the rest again.
            self._reader.ended = True

    def refused(self, refusal: Refusal) -> None:
        """Answered once everything before it is."""
        self._invites = False
        if self._work is None:
            self._send_refusal(refusal)
        else:
            self._waiting.append(refusal)

    def body_expected(self) -> None:
        """`100 Continue`, at once, or when the answers before it are out."""
        if self._work is None and self.transport is not None:
            self._write_now(CONTINUE)
        else:
            self._invites = True

    def more_expected(self) -> None:
        """Deadlines run from the first byte and from the end of the head."""
        limits = self.server.limits
        patience_s = limits.request_headers_s if self._reader.in_head else limits.request_body_s
        self._reading_alarm.set(self.server.now() + patience_s)

    def _discard(self, size: int) -> None:
        """A client that goes on sending to a connection that is closing gets a bounded hearing."""
        self._heard += size
        if self._heard > HEARD_BODIES * self.server.limits.body_bytes:
            self.abort()

    # -- answering

    def _begin(self, request: Request, keep_alive: bool) -> None:
        server = self.server
        self.bodiless = request.method == "HEAD"
        self.http_1_0 = request.http_1_0
        self.reply = reply = Reply(self, keep_alive=keep_alive)
        server.in_flight.count += 1
        self._under_way = server.under_way
        self._under_way.count += 1
        self._request = request
        try:
            work = server.handler(request, reply)
        except Exception as error:  # noqa: BLE001 - told in the task, as when it is raised in there
            work = _raising(error)
        if isinstance(work, CoroutineType):
            self._work = server.loop.create_task(self._answer(work, request, reply, begun=False))
        else:
            self._work = cast("Errand", work)

    def carry_on(self, work: Coroutine[Any, Any, None]) -> None:
        """The request is answered by this coroutine."""
        reply, request = self.reply, self._request
        assert reply is not None
        assert request is not None
        self._work = self.server.loop.create_task(self._answer(work, request, reply, begun=True))

    async def _answer(
        self, work: Coroutine[Any, Any, None], request: Request, reply: Reply, *, begun: bool
    ) -> None:
        """What was begun has to come to its end, and sees itself that the client has left."""
        try:
            if self.transport is None and not begun:
                work.close()
            else:
                await work
        except Exception as error:  # noqa: BLE001 - whatever it is, the client must not be left waiting
            self.server.defect(request, reply, error)
        finally:
            self.done()

    def _cancel(self) -> None:
        """End what is being answered."""
        work = self._work
        if isinstance(work, asyncio.Task):
            # By way of the loop: a task cancelled before its first step would end without a word.
            self.server.loop.call_soon(work.cancel)
        elif work is not None:
            work.cancel()
            self.done()

    def done(self) -> None:
        """The request is answered, as far as it can be: go on to the next one, or close."""
        server, request, reply = self.server, self._request, self.reply
        assert request is not None
        assert reply is not None
        server.in_flight.count -= 1
        under_way = self._under_way
        under_way.count -= 1
        if not under_way.count and under_way is not server.under_way:
            under_way.none.set()
        server.buffered_bytes -= len(request.body)
        self._work = self._request = self.reply = None
        transport = self.transport
        if transport is None:
            return
        if not reply.ended:
            reply.end_loudly()
        reply.detach()
        if self._discarding or transport.is_closing():  # what waits must not begin: nobody would read it
            return
        if not reply.keep_alive:
            self.hang_up()
        elif self._waiting:
            self._next()
        elif self._reader.ended:
            self.hang_up()
        else:
            self._rest()

    def _next(self) -> None:
        following = self._waiting.popleft()
        if isinstance(following, Refusal):
            self._send_refusal(following)
            return
        request, keep_alive, held = following
        self._waiting_bytes -= held
        self.server.buffered_bytes -= held - len(request.body)
        self._begin(request, keep_alive and not (self._reader.ended and not self._waiting))

    def _rest(self) -> None:
        """Between two requests; the next one's first bytes may already be here."""
        server, reader = self.server, self._reader
        if self._invites and self.transport is not None:
            self._invites = False
            self._write_now(CONTINUE)
        if reader.request is None:
            if server.closing:
                self._close()
                return
            patience_s = server.limits.keep_alive_s
        elif reader.in_head:
            patience_s = server.limits.request_headers_s
        else:
            patience_s = server.limits.request_body_s
        self._reading_alarm.set(server.now() + patience_s)

    def _send_refusal(self, refusal: Refusal) -> None:
        status, fields, body = self.server.refuse(refusal)
        self.bodiless = False
        Reply(self, keep_alive=False).send(status, fields, body)
        self.hang_up()

    def write(self, data: bytes) -> None:
        """In a crowd, the first small write of a turn leaves with those of other connections; further ones
        at once, so that who writes much learns in time that the client does not keep up."""
        if self.transport is None or self._discarding:
            return
        server = self.server
        outbox = server.outbox
        is_alone = server.in_flight.count < FEW or self._posted == outbox.turn
        if is_alone or self.stalled or len(data) > POSTED_BYTES:
            self._write_now(data)
        else:
            self._posted = outbox.turn
            outbox.put(self.transport, data)

    def _write_now(self, data: bytes) -> None:
        self.server.outbox.flush()
        if self.stalled:
            self._unread_before += len(data)  # What we add must not hide what the client takes.
        if self.transport is not None:
            self.transport.write(data)

    # -- ending

    def hang_up(self) -> None:
        """FIN behind what is written, but keep listening until the client has read it and closed too."""
        transport = self.transport
        if transport is None or not self._stop_talking():
            return
        transport.write_eof()

    def break_off(self) -> None:
        """End an answer that only the connection's end delimits, and that is not whole: a FIN would call
        it complete, so this ends with a RST, behind what the system takes at once."""
        transport = self.transport
        if transport is None or not self._stop_talking():
            return
        _reset_on_close(transport)
        transport.close()

    def close_if_idle(self) -> None:
        """Close unless something is under way. A connection that has not sent anything yet is probably
        about to, and its client was never told that we are going: it gets a moment."""
        if self._work is not None or self._reader.request is not None or self._discarding:
            return
        if self._reader.used:
            self._close()
        else:
            self._reading_alarm.set(min(self._reading_alarm.at, self.server.now() + LINGER_S))

    def cancel_active(self) -> None:
        self._cancel()

    def abort(self) -> None:
        if self.transport is not None:
            self.transport.abort()

    def _close(self) -> None:
        """The end of a connection at rest: nobody is in the middle of anything."""
        if self.transport is None:
            return
        if self._unread():
            self.hang_up()
            return
        self._reader.ended = True
        self.transport.close()

    def _stop_talking(self) -> bool:
        """Nothing is written or read as HTTP any more. False if that was so already."""
        if self._discarding:
            return False
        self.server.outbox.flush()
        self._discarding = self._reader.ended = True
        self._linger_ends = self.server.now() + LONGEST_LINGER_S
        self._watch_client()
        return True

    # -- deadlines

    def _unread(self) -> int:
        """Bytes of answers that the client has not taken yet."""
        self.server.outbox.flush()
        return self.transport.get_write_buffer_size() if self.transport is not None else 0

    def _watch_client(self) -> None:
        self._unread_before = self._unread()
        self._patience_ends = self.server.now() + self.server.limits.client_stall_s
        self._look_again()

    def _look_again(self) -> None:
        """A connection at its end is looked at when the client had time to close it, or to fall silent."""
        now = self.server.now()
        if self._discarding:
            self._writing_alarm.set(now + LINGER_S)
        else:
            self._writing_alarm.set(min(now + LOOK_AT_UNREAD_S, self._patience_ends))

    def _waited_for_client(self) -> None:
        """The client had time to take what was written, or to close behind its end."""
        unread, now = self._unread(), self.server.now()
        if unread == 0:
            if self._heard == self._heard_before or now >= self._linger_ends:
                self.abort()
                return
            self._heard_before = self._heard
        elif unread < self._unread_before:
            self._unread_before = unread
            self._patience_ends = now + self.server.limits.client_stall_s
        elif now + SHARPNESS_S >= self._patience_ends:
            self._forsake()
            return
        self._look_again()

    def _forsake(self) -> None:
        """The client has stopped reading. A RST, since behind a FIN the kernel would keep what is unread for
        minutes, and go on asking whether there is room for it."""
        if self.transport is not None:
            _reset_on_close(self.transport)
            self.transport.abort()

    def _waited_for_request(self) -> None:
        """Nothing came, or not enough of it; how much, the reader tells. While an answer is under way no
        deadline counts: the client may be waiting for it. The next one is set when the answer is out."""
        if self._work is not None or self._discarding:
            return
        reader, limits = self._reader, self.server.limits
        if reader.request is None:
            self._close()
        elif reader.in_head:
            reader.refuse(
                "timeout", f"The request's headers did not arrive within {limits.request_headers_s:g} s."
            )
        else:
            reader.refuse("timeout", f"The request's body did not arrive within {limits.request_body_s:g} s.")


def _reset_on_close(transport: asyncio.Transport) -> None:
    transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)


async def _raising(error: Exception) -> None:
    raise error
