"""The two sides of an exchange, played: the client's reply, and what an upstream sees of back-pressure."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any

from plano.exchange.ports import Flow
from plano.exchange.record import ExchangeRecord


class ClientSide:
    """A `ClientReply` that remembers what it was told."""

    def __init__(self) -> None:
        self.started = False
        self.ended = False
        self.gone = False
        self.bytes_out = 0
        self.status: int | None = None
        self.fields = b""
        self.length: int | None = None
        self.body = b""
        self.end_was: str | None = None
        self.flow: Flow | None = None
        self.is_done = False
        self.work: Coroutine[Any, Any, None] | None = None

    def attach(self, flow: Flow | None) -> None:
        self.flow = flow

    def send(self, status: int, fields: bytes, body: bytes) -> None:
        self.start(status, fields, len(body))
        self.write(body)
        self.end()

    def start(self, status: int, fields: bytes, length: int | None) -> None:
        assert not self.started, "a second head"
        self.started = True
        self.status, self.fields, self.length = status, fields, length

    def write(self, data: bytes) -> None:
        assert self.started, "a body without a head"
        assert not self.ended, "a body behind the end"
        self.body += data
        self.bytes_out += len(data)

    def flush(self) -> None:
        """Nothing is held here."""

    def end(self) -> None:
        self._end("whole")

    def end_loudly(self) -> None:
        self._end("loud")

    def done(self) -> None:
        self.is_done = True

    def carry_on(self, work: Coroutine[Any, Any, None]) -> None:
        self.work = work

    def _end(self, how: str) -> None:
        assert not self.ended, "a second end"
        self.ended = True
        self.end_was = how


class UpstreamSide:
    """A `Flow` that writes down what it was asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def pause(self) -> None:
        self.asked.append("pause")

    def resume(self) -> None:
        self.asked.append("resume")

    def await_content(self) -> None:
        self.asked.append("await content")

    def content_came(self) -> None:
        self.asked.append("content came")

    def ending(self, within_s: float) -> None:
        self.asked.append(f"end within {within_s:g} s")


def blank() -> ExchangeRecord:
    return ExchangeRecord(request_id="req-1", method="POST", path="/v1/messages", at=0.0, started=0.0)
