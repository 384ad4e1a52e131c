"""What an exchange needs of the world: somewhere to send, somebody who takes note."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Protocol, TypeVar

import msgspec

from plano.chat.dialect import Dialect
from plano.errors import PlanoError
from plano.exchange.record import ExchangeRecord
from plano.routing.decision import Candidate

Buffer = bytes | memoryview
T = TypeVar("T")


class Call(msgspec.Struct, frozen=True):
    """One attempt's request, ready to be sent."""

    candidate: Candidate
    dialect: Dialect
    query: str
    """The client's query string without `?`, or empty."""
    body: Sequence[Buffer]
    """The request body in pieces; their concatenation is what goes over the wire."""
    body_length: int
    forwarded: Sequence[tuple[bytes, bytes]]
    """The few client headers that travel on (`anthropic-beta`, `traceparent`, a passed-through
    credential), names in lower case; already chosen, the upstream adds its own."""
    first_byte_s: float
    """How long the head of the answer may take once the request is sent."""
    deadline: float
    """When the whole exchange must be over, by the loop's monotonic clock."""


class Flow(Protocol):
    """The sender's side of back-pressure, valid while a call is running."""

    def pause(self) -> None: ...

    def resume(self) -> None: ...

    def await_content(self) -> None:
        """From now on the time for the first byte counts to the first content: comments and pings
        show that somebody is there, not that an answer is coming."""

    def content_came(self) -> None: ...

    def ending(self, within_s: float) -> None:
        """All that matters has come: the end itself may take so long, whatever else comes."""


class ReplySink(Protocol):
    """Who takes an upstream's answer as it arrives. All calls are synchronous and come in the
    order head, body*, then exactly one of `end` or `broke`; after `broke` nothing comes."""

    flow: Flow | None
    """Set by the upstream as the request goes out: how the sink makes it wait. None again once the
    answer's last byte is in."""

    def head(self, status: int, headers: list[tuple[bytes, bytes]]) -> None:
        """The final (never 1xx) status and the header fields, names in lower case."""

    def body(self, data: bytes) -> None: ...

    def end(self) -> None:
        """The body is complete by its framing (an answer that is delimited by closing also
        ends here: whether it is whole only the dialect can say)."""

    def broke(self, error: PlanoError) -> None:
        """No complete answer will come: before or after the head. Most often that is the provider's
        failure; it may also be this gateway that has nothing left to connect with."""

    def flush(self) -> None:
        """All that one read brought has been delivered; write what you hold."""


class Outcome(Protocol):
    """Who hears how a call that was begun went. Nothing is said to one that is `done`."""

    def done(self) -> bool: ...

    def set_result(self, delivered: bool, /) -> object:
        """True when `end` or `broke` was delivered to the sink; false when nothing came, because the
        connection had died unnoticed: the call may be sent once more, `fresh`."""

    def set_exception(self, error: BaseException, /) -> object:
        """The sink has raised this, and the connection is closed."""


class Underway(Protocol):
    """A call that was begun."""

    def abandon(self, outcome: Any, /) -> None:
        """Nobody waits for it any more: the connection closes at once."""


class Upstream(Protocol):
    """Sends calls."""

    async def send(self, call: Call, sink: ReplySink, *, fresh: bool = False) -> None:
        """Returns when `end` or `broke` was delivered to the sink; never raises an error of its own.
        Cancelling it closes the connection at once; so does a sink that raises, and what it raised is
        raised again here."""

    def begin(self, call: Call, sink: ReplySink, outcome: Outcome) -> Underway | None:
        """The same without a task, where nothing has to be waited for but the answer. None: nothing was
        begun, `send` it. Nothing is said to `outcome` before this returns."""


class ClientReply(Protocol):
    """The answer on its way to the client; see `plano.http1.reply.Reply`, which is one."""

    started: bool
    ended: bool
    bytes_out: int

    @property
    def gone(self) -> bool: ...

    def attach(self, flow: Flow | None) -> None: ...

    def send(self, status: int, fields: bytes, body: bytes) -> None: ...

    def start(self, status: int, fields: bytes, length: int | None) -> None: ...

    def write(self, data: bytes) -> None: ...

    def flush(self) -> None: ...

    def end(self) -> None: ...

    def end_loudly(self) -> None: ...

    def done(self) -> None:
        """What was begun without a task is over: answered and recorded."""

    def carry_on(self, work: Coroutine[Any, Any, None]) -> None:
        """What was begun without a task needs one after all."""


class Aside(Protocol):
    """Runs what takes long where it holds up nobody."""

    async def __call__(self, work: Callable[[], T], /) -> T: ...


class Recorder(Protocol):
    """Takes note of finished exchanges. Must return within microseconds and never raise."""

    def record(self, record: ExchangeRecord) -> None: ...
