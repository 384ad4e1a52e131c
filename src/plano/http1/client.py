"""One upstream connection: a request out, its response in, again and again.

Here is what a parser cannot know: whose response it is, how long to wait, when to stop reading, and
whether the connection may serve again. The response goes from `data_received` into a `Sink` without
a task or a queue between. Reading it is `response.py`'s, connecting `dial.py`'s, choosing a
connection `pool.py`'s.
"""

from __future__ import annotations

import asyncio
import os
import ssl
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from typing import Protocol, cast

from plano.http1.alarms import Alarms
from plano.http1.failures import Failure, Overdue, Phase, ResetBeforeHead, Silence, Truncated, is_cut
from plano.http1.limits import KIB, ClientLimits
from plano.http1.outbox import Outbox
from plano.http1.response import ResponseReader
from plano.http1.sink import Buffer, Sink
from plano.http1.slicing import JOINED_BYTES, slices

READ_BYTES = 64 * KIB
"""Read at a time. The event loops' own reads are four times as large, and what one brings is held for a
client that has just stopped reading, on top of all that it may leave waiting."""
SHARPNESS_S = 0.05
"""Alarms may ring this much early."""


class Keeper(Protocol):
    """Who owns connections and hears what becomes of them."""

    def told(self, failure: Failure, /) -> Exception:
        """What the sink is told of a failure."""

    def is_crowded(self) -> bool:
        """Whether so much is under way that it is better written together."""

    def opened(self, connection: ClientConnection) -> None:
        """It has a socket; `closed` will follow."""

    def freed(self, connection: ClientConnection) -> None:
        """It has answered and may be used again."""

    def spent(self, connection: ClientConnection) -> None:
        """It will never serve again; its socket, if any, is being closed. Once a connection."""

    def closed(self, connection: ClientConnection) -> None:
        """Its socket is gone. May be said twice."""


class Outcome(Protocol):
    """Who hears how a request went; a future is one. Nothing is said to one that is `done`."""

    def done(self) -> bool: ...

    def set_result(self, delivered: bool, /) -> object:
        """True when `end` or `broke` was delivered; false when a used connection turned out dead before a
        byte came back (then nothing was delivered)."""

    def set_exception(self, error: BaseException, /) -> object:
        """The sink has raised."""


class ClientConnection(asyncio.BufferedProtocol):
    """Carries one exchange at a time; idle between them."""

    __slots__ = (
        "_alarm",
        "_awaited_s",
        "_cutoff",
        "_deadline",
        "_first_byte_s",
        "_first_due",
        "_keeper",
        "_limits",
        "_loop",
        "_outbox",
        "_outcome",
        "_paused",
        "_phase",
        "_posted",
        "_response",
        "_reused",
        "_room",
        "_sink",
        "_spent",
        "_transport",
        "_unsent",
        "_untaken",
        "_unwritten",
        "_where",
    )

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        limits: ClientLimits,
        alarms: Alarms,
        outbox: Outbox,
        keeper: Keeper,
        where: str,
        room: memoryview,
    ) -> None:
        """`room` is where reads are put, one after the other; all connections of a loop may share it."""
        self._loop = loop
        self._limits = limits
        self._keeper = keeper
        self._where = where
        self._outbox = outbox
        self._room = room
        self._posted = -1
        """The outbox's turn in which the request was put there."""
        self._alarm = alarms.alarm(self._ring)
        self._transport: asyncio.Transport | None = None
        self._response = ResponseReader(limits, where)
        self._spent = False
        self._reused = False
        # The exchange under way.
        self._sink: Sink | None = None
        self._outcome: Outcome | None = None
        self._phase: Phase = "head"
        self._first_byte_s = self._first_due = 0.0
        self._deadline = 0.0
        self._cutoff = self._awaited_s = 0.0
        """When bytes alone no longer help: the deadline; while content or the end is awaited, the limit of
        that, and how long it is."""
        self._paused = False
        self._unsent = False
        self._unwritten: deque[Buffer] = deque()
        self._untaken = (0, 0)

    # --- for the pool ---

    def start(
        self, head: bytes, body: Sequence[Buffer], sink: Sink, first_byte_s: float, deadline: float
    ) -> asyncio.Future[bool]:
        """Send a request; the future is its outcome."""
        outcome: asyncio.Future[bool] = self._loop.create_future()
        if not self.carry(head, body, sink, outcome, first_byte_s, deadline):
            self._outcome, self._sink = outcome, sink
            self._response.expect(sink, bodiless=False)
            self._cut_off(None)
        return outcome

    def carry(
        self,
        head: bytes,
        body: Sequence[Buffer],
        sink: Sink,
        outcome: Outcome,
        first_byte_s: float,
        deadline: float,
    ) -> bool:
        """Send a request; nothing is said to the outcome in here. False: the connection is closed, or about
        to be, and nothing was done."""
        transport = self._transport
        if transport is None or transport.is_closing():
            return False
        self._outcome = outcome
        self._sink = sink
        sink.flow = self
        self._response.expect(sink, bodiless=head.startswith(b"HEAD "))
        self._phase = "head"
        self._first_byte_s = first_byte_s
        self._deadline = self._cutoff = deadline
        self._first_due = first_due = self._loop.time() + first_byte_s
        self._alarm.set(first_due if first_due < deadline else deadline)
        if len(head) + sum(map(len, body)) <= JOINED_BYTES:
            request = b"".join((head, *body))
            if self._keeper.is_crowded():
                self._posted = self._outbox.turn
                self._outbox.put(transport, request)
            else:
                transport.write(request)
        else:
            self._watch_writing(transport)
            self._unwritten.extend(slices(head, body))
            self._write_on()
        if self._unsent:
            self._phase = "request"
            self._wait_again()
        return True

    def abandon(self, outcome: Outcome) -> None:
        """Nobody waits for this outcome any more: close, unless it is over already."""
        if outcome is self._outcome:
            self._let_go()
            self.abort()

    def discard(self) -> None:
        """Connecting did not come to an end. uvloop closes such a transport without telling its
        protocol, so the farewell is said here; it may be said again."""
        self.abort()
        self.connection_lost(None)

    def shut(self) -> None:
        """Close on this side's wish, telling the sink."""
        if self._sink is not None:
            self._fail(self._cut("this side closed its connections"))
        else:
            self.abort()

    def abort(self) -> None:
        """Close at once; never waits, may be repeated."""
        if not self._spent:
            self._spent = True
            self._keeper.spent(self)
        self._unwritten.clear()
        if self._transport is not None:
            self._transport.abort()

    # --- back-pressure ---

    def pause(self) -> None:
        """Stop reading; silence does not count until `resume`, the deadline does."""
        if not self._paused and self._transport is not None:
            self._paused = True
            self._transport.pause_reading()
            self._alarm.set(self._deadline)

    def resume(self) -> None:
        if self._paused and self._transport is not None:
            self._paused = False
            self._transport.resume_reading()
            if self._cutoff < self._deadline:
                self._cutoff = min(self._loop.time() + self._awaited_s, self._deadline)
            self._wait_again()

    # --- how far the answer is ---

    def await_content(self) -> None:
        """Heads, comments and pings do not count: the time for the first byte goes on running."""
        self._cutoff = min(self._first_due, self._deadline)
        self._awaited_s = self._first_byte_s

    def content_came(self) -> None:
        self._cutoff = self._deadline

    def ending(self, within_s: float) -> None:
        """The alarm is set behind the read that brings this."""
        self._cutoff = min(self._loop.time() + within_s, self._deadline)
        self._awaited_s = within_s

    # --- asyncio.BufferedProtocol ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport = self._transport = cast("asyncio.Transport", transport)  # uvloop's is none by class
        if self._spent:  # given up while connecting
            transport.abort()
            return
        self._keeper.opened(self)

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._room

    def buffer_updated(self, nbytes: int) -> None:
        self.data_received(bytes(self._room[:nbytes]))

    def data_received(self, data: bytes) -> None:
        sink, outcome = self._sink, self._outcome
        if sink is None or outcome is None or outcome.done():
            self.abort()  # nobody asked, or nobody waits any more
            return
        response = self._response
        try:
            response.feed(data)
            if self._outcome is not outcome:
                return  # the sink had it closed meanwhile
            if response.complete:
                self._finish()
            elif response.status:
                self._phase = "body"
                if not self._paused:
                    self._wait_until(self._loop.time() + self._limits.silence_s)
                sink.flush()
        except Failure as failure:
            self._fail(failure)
        except BaseException as error:  # noqa: BLE001 - raised by `send`
            self._give_up(outcome, error)

    def eof_received(self) -> None:
        if self._sink is None:
            self.abort()
        elif self._response.ends_with_connection:
            self._finish()
        else:
            self._cut_off(None)

    def connection_lost(self, error: Exception | None) -> None:
        if self._sink is not None and isinstance(error, ConnectionError):
            self._take_what_came()
        if self._sink is not None:
            ended = error is None or isinstance(error, ssl.SSLEOFError)
            if ended and self._response.ends_with_connection:
                self._finish()  # TLS without a farewell: whether it is whole only the content can say
            else:
                self._cut_off(error)
        self._transport = None
        self.abort()
        self._alarm.cancel()
        self._response.close()
        self._keeper.closed(self)

    def _take_what_came(self) -> None:
        """An upstream may refuse a request while most of it is not read, and reset: when writing fails at
        that, its answer may be here already. Under TLS nobody can read it any more."""
        transport = self._transport
        if transport is None or self._paused or transport.get_extra_info("ssl_object") is not None:
            return
        socket = transport.get_extra_info("socket")
        with suppress(OSError):
            while self._sink is not None and socket is not None:
                data = os.read(socket.fileno(), READ_BYTES)
                if not data:
                    break
                self.data_received(data)

    def pause_writing(self) -> None:
        self._unsent = True

    def resume_writing(self) -> None:
        self._unsent = False
        self._write_on()
        if self._phase == "request" and not self._unsent and self._sink is not None:
            self._phase = "head"
            if not self._paused:
                self._wait_again()

    def _watch_writing(self, transport: asyncio.Transport) -> None:
        """From now on, be told of everything that does not leave at once. For a small request that is
        not worth its price (uvloop then writes each by itself instead of a turn's writes together):
        if it does not leave, no answer comes, and that has its own limit."""
        # 1 rather than 0, which asyncio's TLS would take for "always full".
        transport.set_write_buffer_limits(high=1, low=0)

    def _is_sent(self) -> bool:
        """Whether the whole request has left: an answer may come before it has."""
        transport = self._transport
        if self._unsent or self._posted == self._outbox.turn:
            return False
        return transport is None or transport.get_write_buffer_size() == 0

    def _write_on(self) -> None:
        transport = self._transport
        while self._unwritten and not self._unsent and transport is not None:
            transport.write(self._unwritten.popleft())

    # --- endings ---

    def _finish(self) -> None:
        sink, outcome = self._let_go()
        if outcome.done():
            self.abort()  # cancelled, and its task has not run since
            return
        usable = self._response.complete and self._response.reusable and self._is_sent()
        try:
            sink.end()
            sink.flush()
        except BaseException as error:  # noqa: BLE001 - raised by `send`
            self._give_up(outcome, error)
            return
        if usable and not self._unwritten and not outcome.done():
            self._rest()
        else:
            self.abort()
        _settle(outcome, None)

    def _rest(self) -> None:
        """Idle from now on, watching for the peer to close."""
        self._reused = True
        if self._paused and self._transport is not None:
            self._paused = False
            self._transport.resume_reading()
        self._alarm.set(self._loop.time() + self._limits.idle_s)
        self._keeper.freed(self)

    def _cut_off(self, error: Exception | None) -> None:
        """The peer ended the connection, or the connection ended itself."""
        if self._reused and not self._response.received and is_cut(error):
            _, outcome = self._let_go()
            self.abort()
            if not outcome.done():
                outcome.set_result(False)
            return
        failure = self._cut(
            "the connection was closed" if error is None else f"the connection broke ({error})"
        )
        failure.__cause__ = error
        self._fail(failure)

    def _cut(self, found: str) -> ResetBeforeHead | Truncated:
        if self._response.status == 0:
            return ResetBeforeHead(f"{self._where}: {found} before a whole head; expected an answer")
        return Truncated(f"{self._where}: {found} inside the body; expected the rest of it")

    def _fail(self, failure: Failure) -> None:
        sink, outcome = self._let_go()
        self.abort()
        if outcome.done():
            return
        try:
            sink.broke(self._keeper.told(failure))
        except BaseException as error:  # noqa: BLE001 - raised by `send`
            _settle(outcome, error)
        else:
            _settle(outcome, None)

    def _give_up(self, outcome: Outcome, error: BaseException) -> None:
        """The sink raised: a defect, or somebody interrupting. Nothing more is told to it."""
        if self._sink is not None:
            self._let_go()
        self.abort()
        _settle(outcome, error)

    def _let_go(self) -> tuple[Sink, Outcome]:
        sink, outcome = self._sink, self._outcome
        assert sink is not None
        assert outcome is not None
        self._sink = self._outcome = None
        sink.flow = None
        return sink, outcome

    # --- time ---

    def _wait_until(self, at: float) -> None:
        self._alarm.set(min(at, self._cutoff))

    def _wait_again(self) -> None:
        """Give the phase its whole time, from now."""
        if self._phase == "request":
            self._untaken = self._measure_untaken()
        if self._phase == "head":
            self._first_due = self._loop.time() + self._first_byte_s
            self._wait_until(self._first_due)
        else:
            self._wait_until(self._loop.time() + self._limits.silence_s)

    def _measure_untaken(self) -> tuple[int, int]:
        """Changes whenever the upstream takes something of the request."""
        waiting = 0 if self._transport is None else self._transport.get_write_buffer_size()
        return len(self._unwritten), waiting

    def _ring(self) -> None:
        if self._sink is None:
            self.abort()  # idle for long enough
        elif self._loop.time() + SHARPNESS_S >= self._deadline:
            self._fail(Overdue(f"{self._where}: the deadline passed ({self._phase})", phase=self._phase))
        elif self._phase == "request" and self._untaken != self._measure_untaken():
            self._wait_again()
        else:
            self._fail(self._silence())

    def _silence(self) -> Silence:
        silence_s = self._limits.silence_s
        if self._phase == "request":
            found = f"took nothing of the request for {silence_s:g} s"
        elif self._phase == "head":
            found = f"sent no head within {self._first_byte_s:g} s of the request"
        elif self._loop.time() + SHARPNESS_S >= self._cutoff:
            found = f"did not send what was awaited within {self._awaited_s:g} s"
        else:
            found = f"sent nothing for {silence_s:g} s inside the body"
        return Silence(f"{self._where} {found}", phase=self._phase)


def _settle(outcome: Outcome, error: BaseException | None) -> None:
    if outcome.done():
        return
    if error is None:
        outcome.set_result(True)
    elif isinstance(error, StopIteration):  # a future takes none
        outcome.set_exception(RuntimeError("a sink raised StopIteration"))
    else:
        outcome.set_exception(error)
