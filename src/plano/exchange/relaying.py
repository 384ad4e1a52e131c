"""An upstream's answer on its way to the client, learnt from as it passes.

A stream is relayed in whole events, so that an error event can follow a cut without being glued
to half a line; the prelude is held until the first content, which is the commit point. A plain
answer is held until it is whole (up to a cap), because half of one helps nobody. What never was
a success, or ended before its dialect's terminal event, becomes a problem: before the commit
point the exchange answers with it, after it the client gets the dialect's error event and a FIN
without the last chunk. An error of the provider's own is told in its words, but for the operator's
secrets in them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

import msgspec

from plano.errors import (
    KEY_REFUSED,
    PlanoError,
    UpstreamAuth,
    UpstreamBroke,
    UpstreamError,
    UpstreamInvalid,
    UpstreamRefused,
)
from plano.exchange.heads import NOT_AGAIN, passed_on, without_body
from plano.exchange.inflating import Inflater
from plano.exchange.withheld import secrets_of, withheld, withheld_text
from plano.wire import error_shapes

if TYPE_CHECKING:
    from plano.catalog.catalog import Model
    from plano.exchange.ports import ClientReply, Flow
    from plano.exchange.record import ExchangeRecord
    from plano.wire.dialects import Codec, StreamReader
    from plano.wire.facts import Complaint

HELD_PRELUDE_BYTES = 16 * 1024
"""A prelude longer than this goes out although no content was seen; real ones are under 4 KiB."""
HELD_PLAIN_BYTES = 1024 * 1024
"""A plain answer longer than this goes out before it is whole; only generated images are."""
HELD_ERROR_BYTES = 256 * 1024
"""What is read of an error's body, and the longest error event that is passed on."""
DONE_WITHIN_S = 0.1
"""How long the end of the body may take behind `[DONE]`: most servers send the last chunk in a packet of its
own right after it, and the connection can serve again when it is awaited."""
ENDED_WITHIN_S = 1.0
"""And behind `message_stop` and its like: who holds the connection open longer keeps a client waiting that
has everything."""
COUNTED_WITHIN_S = 5.0
"""And behind the finish reason of a chat, which the counts follow, and then `[DONE]`: what is owed is told by
them, so they may take a moment."""
EVENT_STREAM = b"text/event-stream"
EVENT_STARTS = (b"data:", b"event:", b"id:", b"retry:", b":")
AUTH_STATUSES = frozenset((401, 403))
PASSING = frozenset((408, 429))
"""Below 500, what says nothing about the request itself: another candidate may answer it."""

Kind = Literal["unknown", "stream", "plain", "document", "error"]
"""What comes: `unknown` until the first bytes of a supposed stream tell; `document` when they begin a JSON
object, in which a provider may say why there is no stream."""


def may_pass(status: int) -> bool:
    """Whether an error may be over a moment later, or elsewhere."""
    return status >= 500 or status in PASSING


class Relay(msgspec.Struct, kw_only=True, eq=False):
    """The sink of one attempt. After it ended, `problem` says whether the client still needs an answer."""

    reply: ClientReply
    record: ExchangeRecord
    codec: Codec
    choices: int
    stream: bool
    lines: bytes
    """Our own field lines of the answer."""
    own_credential: bool
    """The client's key went upstream, so a refusal of it is the client's to see."""
    reply_limit: int
    now: Callable[[], float]
    model: Model | None = None
    """Who is asked: what its requests carry is withheld where its errors quote it."""
    committed: bool = False
    """Whether anything was sent to the client: from then on no other candidate may be tried."""
    problem: PlanoError | None = None
    complaint: UpstreamError | None = None
    """What the provider says of itself in the answer that the client has seen the beginning of."""
    _kind: Kind = "unknown"
    _reader: StreamReader | None = None
    _inflater: Inflater | None = None
    _status: int = 0
    _fields: bytes = b""
    _length: int | None = None
    _held: list[bytes] = []
    _held_bytes: int = 0
    _flow: Flow | None = None
    _over: bool = False
    """Nothing more is relayed, whatever comes."""
    _is_told: bool = False
    """The client has seen an error event already."""
    _within_s: float = float("inf")
    """How long the end may take, once that is known."""

    def __post_init__(self) -> None:
        if self.stream:
            self._reader = self.codec.stream_reader(self.choices, self.reply_limit)

    # -- the upstream's side (ReplySink)

    @property
    def refusal_status(self) -> int | None:
        """The error that the provider has answered with; None: it has said nothing, or 200."""
        return self._status if self._status >= 400 else None

    @property
    def flow(self) -> Flow | None:
        return self._flow

    @flow.setter
    def flow(self, flow: Flow | None) -> None:
        self._flow = flow
        self.reply.attach(flow)
        if flow is not None:
            self.record.sent = self.now()
            self.record.phase = "head"

    def head(self, status: int, headers: list[tuple[bytes, bytes]]) -> None:
        record = self.record
        record.first_byte = self.now()
        record.phase = "content"
        self._status = status
        content_type, coding = self._read_fields(headers)
        if status >= 400:
            self._kind = "error"
        elif status >= 300 or status < 200:
            self.fail(problem := self._redirected(status))
            raise problem
        elif self._reader is not None and content_type[:17].lower() == EVENT_STREAM:
            self._kind = "stream"
        elif self._length is not None and self._length > self.reply_limit:
            self.fail(oversized := self._oversized())
            raise oversized
        elif self._reader is None:
            self._kind = "plain"
        if coding and coding.lower() != b"identity":
            self._read_through(coding)
        if self.stream and status < 400 and self._flow is not None:
            self._flow.await_content()

    def _read_fields(self, headers: list[tuple[bytes, bytes]]) -> tuple[bytes, bytes]:
        """Keeps what travels on; the type of the content, and its coding."""
        content_type, coding = b"", b""
        for name, value in headers:
            if name == b"content-type":
                content_type = value
            elif name == b"content-encoding":
                coding = value
            elif name == b"content-length":
                self._length = int(value)
        self._fields = passed_on(headers)
        return content_type, coding

    def body(self, data: bytes) -> None:
        if self._over:
            return
        try:
            if self._inflater is not None:
                data = self._inflater.feed(data)
            if self._kind == "stream":
                self._relay_events(data)
            else:
                self._hold(data)
        except UpstreamError as problem:
            self.fail(problem)
            raise

    def end(self) -> None:
        if self.problem is not None:
            return
        try:
            self._finish()
        except UpstreamError as problem:
            self.fail(problem)

    def broke(self, error: PlanoError) -> None:
        if self.problem is not None:
            return
        if self._kind == "stream" and self._reader is not None and self._reader.ended:
            self.end()
        else:
            self.fail(error)

    def flush(self) -> None:
        self.reply.flush()

    # -- streams

    def _relay_events(self, data: bytes) -> None:
        reader = self._reader
        assert reader is not None
        try:
            events = reader.feed(data)
        except UpstreamInvalid:
            self._pass_on(reader.readable, reader)
            if not reader.ended or reader.error is not None:
                raise
            self._over = True  # the answer is whole: what comes behind its terminal event cannot undo that
        else:
            if self.committed:
                self.reply.write(events)
            else:
                self._pass_on(events, reader)
            if reader.error is not None:
                self._take_back(reader, reader.error)
        if reader.ended:
            self._await_end(reader)
        elif reader.goes_on and self._flow is not None:
            reader.goes_on, self._within_s = False, float("inf")
            self._flow.content_came()

    def _pass_on(self, events: bytes, reader: StreamReader) -> None:
        if self.committed:
            self.reply.write(events)
            return
        if events:
            self._held.append(events)
            self._held_bytes += len(events)
        if reader.content or self._held_bytes > HELD_PRELUDE_BYTES or (reader.ended and reader.error is None):
            self._commit(None)

    def _take_back(self, reader: StreamReader, complaint: Complaint) -> None:
        """The provider says that its answer is none. Once content has gone out, its event follows it; not
        every client raises at each form of that, so the end must tell as well, unless the event is the one
        that ends a stream of its dialect, or comes behind a chat's last finish reason."""
        problem = self.codec.error_of(complaint)
        if not self.committed or isinstance(problem, UpstreamAuth):
            raise problem
        words = reader.last_words
        if len(words) > HELD_ERROR_BYTES:
            self._withhold(problem)
            words = self.codec.error_event(problem, self.record.request_id)
        self.reply.write(withheld(words, self._secrets()))
        self._over = True
        if not reader.ended:
            self._is_told = True
            raise problem

    def _await_end(self, reader: StreamReader) -> None:
        """From the event on that tells it, whatever follows but more of the answer."""
        within_s = COUNTED_WITHIN_S if reader.counts_behind else ENDED_WITHIN_S
        if reader.closed:
            within_s = DONE_WITHIN_S
        if (within_s < self._within_s or reader.goes_on) and self._flow is not None:
            reader.goes_on, self._within_s = False, within_s
            self._flow.ending(within_s)

    def _finish_stream(self, reader: StreamReader) -> None:
        rest = b"" if self._over else reader.finish()
        if reader.error is not None and not self._over:
            self._take_back(reader, reader.error)
        self._learn_from_stream(reader)
        if not reader.ended:
            raise UpstreamBroke("The provider's stream ended before its last event.")
        if not self.committed:
            self._commit(None)
        self.reply.write(rest)
        self.record.phase = "done"
        self.reply.end()

    def _learn_from_stream(self, reader: StreamReader) -> None:
        record = self.record
        record.usage = reader.usage
        record.served = reader.served
        record.finish_reason = reader.finish_reason
        record.upstream_id = reader.id
        if reader.error is not None:
            self.complaint = self.codec.error_of(reader.error)
            record.code = UpstreamRefused.code
            record.ending = "upstream_failed"

    # -- plain answers and errors

    def _hold(self, data: bytes) -> None:
        self._held_bytes += len(data)
        if self._held_bytes > self.reply_limit:
            raise self._oversized()
        if self.committed:
            self.reply.write(data)
            return
        self._held.append(data)
        if self._kind == "plain":
            if self._held_bytes > HELD_PLAIN_BYTES:
                self._commit_unseen()
        elif self._kind == "unknown":
            self._recognise(b"".join(self._held))
        elif self._held_bytes > HELD_ERROR_BYTES:
            raise self._no_stream() if self._kind == "document" else self._unreadable("an oversized body")

    def _recognise(self, data: bytes) -> None:
        """A stream was asked for and the content type is something else: some servers just forget it."""
        first = data.lstrip()[:6]
        if not first.startswith(EVENT_STARTS):
            begins = any(start.startswith(first) for start in EVENT_STARTS)
            if begins and self._held_bytes <= HELD_PRELUDE_BYTES:
                return  # too little of it to tell
            if not first.startswith(b"{"):
                raise self._no_stream()
            self._kind = "document"
            return
        self._held, self._held_bytes = [], 0
        self._kind = "stream"
        self._relay_events(data)

    def _commit_unseen(self) -> None:
        """A long plain answer: relayed as it comes from here on, its usage unknown."""
        first = b"".join(self._held)
        if first.lstrip()[:1] != b"{":
            raise UpstreamInvalid("The provider's answer is not a JSON object.")
        self._held = [first]
        self._commit(self._length if self._inflater is None else None)

    def _finish(self) -> None:
        if self._kind == "stream" and self._reader is not None:
            self._finish_stream(self._reader)
        elif self._inflater is not None and not self._inflater.whole:
            raise UpstreamBroke("The provider's compressed answer ended early.")
        elif self.committed:
            self.record.phase = "done"
            self.reply.end()
        elif self._kind == "plain":
            self._finish_plain(b"".join(self._held))
        elif self._kind == "error":
            self._finish_error(b"".join(self._held))
        elif self._kind == "document":
            raise self._refused_to_stream(b"".join(self._held))
        else:
            raise UpstreamInvalid("A stream was asked for, and the provider answered with nothing.")

    def _finish_plain(self, body: bytes) -> None:
        facts = self.codec.read_reply(_of_text(body))
        record = self.record
        record.usage = facts.usage
        record.served = facts.served
        record.finish_reason = facts.finish_reason
        record.upstream_id = facts.id
        if facts.error is not None:
            raise self.codec.error_of(facts.error)
        if not facts.is_answer:
            raise UpstreamInvalid("The provider's answer is JSON, but nothing that its dialect answers with.")
        self._send_whole(body)

    def _finish_error(self, body: bytes) -> None:
        """An error of the provider's own: passed on as it is, but for a refused key and for pages."""
        status = self._status
        if status in AUTH_STATUSES and not self.own_credential:
            raise UpstreamAuth(KEY_REFUSED)
        body = withheld(body, self._secrets())
        if not self.codec.is_error(body):
            raise self._reworded(body)
        if may_pass(status):
            raise self._passing(body)
        record = self.record
        record.code = UpstreamRefused.code
        record.ending = "refused"
        self._fields = withheld(self._fields, self._secrets())
        self._send_whole(body)

    def _passing(self, body: bytes) -> UpstreamError:
        """What goes to the client as it is, unless another candidate answers."""
        problem = UpstreamRefused(f"The provider answered with status {self._status}.", status=self._status)
        problem.body = body
        return problem

    def _refused_to_stream(self, body: bytes) -> UpstreamError:
        """A document in place of a stream: the error it holds, or a fault of its own."""
        error = self.codec.read_reply(body).error
        return self._no_stream() if error is None else self.codec.error_of(error)

    def _reworded(self, body: bytes) -> UpstreamError:
        """An error that the dialect's clients cannot read: its message, where it has one."""
        told = error_shapes.message_of(body)
        if told is not None:
            return UpstreamRefused(told, status=self._status)
        quotation = error_shapes.quotation(body)
        found = "a body that is not an error of its dialect"
        return self._unreadable(f"{found} ({quotation})" if quotation else found)

    def _secrets(self) -> tuple[str, ...]:
        return () if self.model is None else secrets_of(self.model)

    def _unreadable(self, found: str) -> UpstreamError:
        status = self._status
        return UpstreamRefused(f"The provider answered with status {status} and {found}.", status=status)

    @staticmethod
    def _no_stream() -> UpstreamError:
        return UpstreamInvalid("A stream was asked for, and the provider answered with something else.")

    def _oversized(self) -> UpstreamError:
        return UpstreamInvalid(f"The provider's answer is larger than the {self.reply_limit} bytes allowed.")

    @staticmethod
    def _redirected(status: int) -> UpstreamError:
        problem = UpstreamInvalid(
            f"The provider answered with status {status}; redirects are never followed. "
            "Check base_url of this model in the gateway's configuration."
        )
        problem.is_lasting = True
        return problem

    # -- both

    def _read_through(self, coding: bytes) -> None:
        try:
            limit = float("inf") if self._kind == "stream" else self.reply_limit
            self._inflater = Inflater(coding, limit_bytes=limit)
        except UpstreamError as problem:
            self.fail(problem)
            raise

    def _commit(self, length: int | None) -> None:
        """The commit point: the head and what was held go out."""
        self.committed = True
        if self.stream and self._flow is not None:
            self._flow.content_came()
        record = self.record
        record.first_content = self.now()
        record.phase = "stream"
        record.status = self._status
        reply = self.reply
        reply.start(self._status, self._fields + self.lines, length)
        for data in self._held:
            reply.write(data)
        self._held = []

    def _send_whole(self, body: bytes) -> None:
        """Commit point and end in one."""
        self.committed = True
        record = self.record
        record.first_content = self.now()
        record.phase = "done"
        record.status = self._status
        self._held = []
        self.reply.send(self._status, self._fields + self.lines, body)

    def fail(self, problem: PlanoError) -> None:
        """No whole answer comes of this: what was held is dropped, and a client that has seen a part
        is told in its dialect. From `head` and `body` the problem is raised as well: that makes the
        upstream close its connection."""
        self.problem = problem
        self._withhold(problem)
        if isinstance(problem, UpstreamRefused):
            lines = self._fields if problem.body is not None else without_body(self._fields)
            problem.lines = withheld(lines, self._secrets())
            problem.is_lasting = NOT_AGAIN in problem.lines
        self._over = True
        self._held = []
        if self._reader is not None and self._kind == "stream":
            self._learn_from_stream(self._reader)
        if self.committed and self.stream and not self._is_told:
            self.reply.write(self.codec.error_event(problem, self.record.request_id))
        if self.committed:
            self.reply.end_loudly()

    def _withhold(self, problem: PlanoError) -> None:
        """What a problem says may be what the provider has said."""
        secrets = self._secrets()
        if secrets and isinstance(problem, UpstreamError):
            problem.message = withheld_text(problem.message, secrets)
            problem.args = (problem.message,)
            if problem.detail is not None:
                problem.detail = withheld_text(problem.detail, secrets)


def _of_text(body: bytes) -> bytes:
    """The body, which JSON's decoders look at in part; clients' look at all of it."""
    try:
        if not body.isascii():
            body.decode()
    except UnicodeDecodeError as error:
        raise UpstreamInvalid("The provider's answer is not UTF-8.") from error
    return body
