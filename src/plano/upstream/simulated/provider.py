"""The simulated provider as an `Upstream`: reads a call, composes, and pushes at its pace.

It waits only through the `sleep` it was given, and through `pause` and `resume` of its sink's
side. Cancelling it stops it where it waits; there is nothing to close.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable

from plano.chat.dialect import Dialect
from plano.errors import UpstreamError, UpstreamInvalid, UpstreamTimeout
from plano.exchange.ports import Call, Outcome, ReplySink
from plano.upstream.simulated import chat, messages, responses
from plano.upstream.simulated.answer import compose
from plano.upstream.simulated.asked import UnreadableError, read_asked
from plano.upstream.simulated.events import Document, Event, encode
from plano.upstream.simulated.pace import Pace, read_pace

Sleep = Callable[[float], Awaitable[object]]

SHORTEST_WAIT_S = 0.002
"""Waits under this are saved up: a timer of the event loop is no sharper than about a millisecond."""
EVENTS_A_TURN = 200
"""A stream without a pace lets others run after so many events: about a millisecond's work."""

_SPEAKERS = {
    Dialect.OPENAI_CHAT: chat,
    Dialect.ANTHROPIC_MESSAGES: messages,
    Dialect.OPENAI_RESPONSES: responses,
}
_MARK = (b"x-plano-simulated", b"true")
_JSON = (b"content-type", b"application/json")
_STREAM = [(b"content-type", b"text/event-stream; charset=utf-8"), (b"cache-control", b"no-cache"), _MARK]


class Simulated:
    """Answers every call by itself; `sleep` is `asyncio.sleep` but in tests."""

    __slots__ = ("_sleep",)

    def __init__(self, *, sleep: Sleep = asyncio.sleep) -> None:
        self._sleep = sleep

    def begin(self, call: Call, sink: ReplySink, outcome: Outcome) -> None:
        """Nothing: composing an answer takes its time, and others have their turn first."""

    async def send(self, call: Call, sink: ReplySink, *, fresh: bool = False) -> None:
        try:
            async with asyncio.timeout_at(call.deadline):
                await self._answer(call, sink)
        except TimeoutError:
            sink.broke(UpstreamTimeout("The simulated model was slower than the exchange allows."))
        except UpstreamError:
            # The sink wants no more of this answer and knows why. There is no connection to close.
            return

    async def _answer(self, call: Call, sink: ReplySink) -> None:
        gate = Gate()
        sink.flow = gate
        try:
            pace = _pace(call.candidate.id, call.candidate.model.endpoints[call.dialect].query)
        except ValueError as error:
            sink.broke(UpstreamInvalid(str(error)))
            return
        try:
            asked = read_asked(call.dialect, b"".join(call.body))
        except UnreadableError as error:
            _whole(sink, 400, _refusal(call.dialect, str(error)))
            return
        answer = compose(asked, name=call.candidate.id, least_tokens=pace.tokens)
        speaker = _SPEAKERS[call.dialect]
        if asked.stream:
            sink.head(200, _STREAM)
            await self._push(speaker.events(asked, answer), pace, gate, sink)
            return
        thinking_s = pace.first_token_s + pace.token_s * (answer.output_tokens - 1)
        if thinking_s:
            async with asyncio.timeout(call.first_byte_s):
                await self._sleep(thinking_s)
        await gate.opened()
        _whole(sink, 200, speaker.document(asked, answer))

    async def _push(self, events: Iterable[Event], pace: Pace, gate: Gate, sink: ReplySink) -> None:
        """The prelude goes out at once, as providers do; the first token takes its time."""
        owed_s = pace.first_token_s
        for number, event in enumerate(events, start=1):
            if event.tokens and owed_s >= SHORTEST_WAIT_S:
                sink.flush()
                await self._sleep(owed_s)
                owed_s = 0.0
            elif number % EVENTS_A_TURN == 0:
                sink.flush()
                await self._sleep(0)
            if not gate.is_open:
                sink.flush()
                await gate.opened()
            sink.body(event.data)
            owed_s += event.tokens * pace.token_s
        sink.end()
        sink.flush()


class Gate:
    """The `Flow` of one simulated stream: nothing is pushed while it is shut."""

    __slots__ = ("_resumed", "is_open")

    def __init__(self) -> None:
        self.is_open = True
        self._resumed = asyncio.Event()

    def pause(self) -> None:
        self.is_open = False
        self._resumed.clear()

    def resume(self) -> None:
        self.is_open = True
        self._resumed.set()

    def await_content(self) -> None:
        """Nothing to do: it comes at the pace that was configured."""

    def content_came(self) -> None:
        """Nothing to do."""

    def ending(self, within_s: float) -> None:
        """Nothing to do: the end comes with the last event."""

    async def opened(self) -> None:
        while not self.is_open:
            await self._resumed.wait()


def _pace(name: str, query: str) -> Pace:
    try:
        return read_pace(query)
    except ValueError as error:
        raise ValueError(f"The pace of {name}: {error}.") from error


def _whole(sink: ReplySink, status: int, document: Document) -> None:
    body = encode(document)
    sink.head(status, [_JSON, (b"content-length", str(len(body)).encode()), _MARK])
    sink.body(body)
    sink.end()
    sink.flush()


def _refusal(dialect: Dialect, reason: str) -> Document:
    """A 400 as the provider of that dialect words it."""
    message = f"[simulated by plano] {reason}"
    if dialect is Dialect.ANTHROPIC_MESSAGES:
        return {"type": "error", "error": {"type": "invalid_request_error", "message": message}}
    return {"error": {"message": message, "type": "invalid_request_error", "param": None, "code": None}}
