"""Sends calls to providers over HTTP, and turns every way that can fail into one of ours.

The pool's exceptions become `plano.errors` here and nowhere else.
"""

from __future__ import annotations

from collections.abc import Coroutine, Iterable
from typing import TYPE_CHECKING, Any

from plano.catalog.catalog import Model
from plano.chat.dialect import Dialect
from plano.errors import (
    UpstreamBroke,
    UpstreamError,
    UpstreamInvalid,
    UpstreamTimeout,
    UpstreamUnreachable,
)
from plano.http1 import failures
from plano.http1.pool import Pool
from plano.upstream.heads import Template

if TYPE_CHECKING:
    from plano.exchange.ports import Call, Flow, ReplySink

MOST_TEMPLATES = 4096
"""Templates kept; wildcard members whose path holds the model's name can be any number."""


class HttpUpstream:
    """The `Upstream` port over a pool of HTTP/1.1 connections."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._templates: dict[tuple[int, Dialect], tuple[Model, Template]] = {}

    def prepare(self, models: Iterable[Model]) -> None:
        """Build every head that is known at start, so that a fault in one is found there."""
        for model in models:
            for dialect, endpoint in model.endpoints.items():
                if endpoint.scheme in ("http", "https"):
                    self._template(model, dialect)

    def send(self, call: Call, sink: ReplySink) -> Coroutine[Any, Any, None]:
        template = self._template(call.candidate.model, call.dialect)
        head = template.render(call.query, call.forwarded, call.body_length)
        # Not awaited here: one coroutine fewer between the exchange and its answer.
        return self._pool.send(
            template.origin,
            head,
            call.body,
            _Mapped(sink),
            first_byte_s=call.first_byte_s,
            deadline=call.deadline,
        )

    def _template(self, model: Model, dialect: Dialect) -> Template:
        known = self._templates.get((id(model), dialect))
        if known is not None and known[0] is model:
            return known[1]
        if len(self._templates) >= MOST_TEMPLATES:
            self._templates.clear()
        template = Template(model, dialect)
        self._templates[id(model), dialect] = (model, template)
        return template


class _Mapped:
    """A sink as the pool calls it: everything goes straight through but the failure, which is mapped."""

    __slots__ = ("_sink", "body", "end", "flush", "head")

    def __init__(self, sink: ReplySink) -> None:
        self._sink = sink
        self.head = sink.head
        self.body = sink.body
        self.end = sink.end
        self.flush = sink.flush

    @property
    def flow(self) -> Flow | None:
        return self._sink.flow

    @flow.setter
    def flow(self, flow: Flow | None) -> None:
        self._sink.flow = flow

    def broke(self, failure: failures.Failure) -> None:
        self._sink.broke(mapped(failure))


def mapped(failure: failures.Failure) -> UpstreamError:
    """Our error for a failure of the pool. The message names no key: a pool knows none."""
    message = f"{failure.message[:1].upper()}{failure.message[1:].rstrip('.')}."
    match failure:
        case failures.ConnectFailed(reason="timeout"):
            error: UpstreamError = UpstreamTimeout(message)
        case failures.ConnectFailed() | failures.ResetBeforeHead():
            error = UpstreamUnreachable(message)
        case failures.TookTooLong():
            error = UpstreamTimeout(message)
        case failures.Truncated():
            error = UpstreamBroke(message)
        case _:
            error = UpstreamInvalid(message)
    error.__cause__ = failure
    return error
