"""Sends calls to providers over HTTP, and turns every way that can fail into one of ours.

The pool's exceptions become `plano.errors` here and nowhere else.
"""

from __future__ import annotations

from collections.abc import Coroutine, Iterable
from typing import TYPE_CHECKING, Any, assert_never, cast

from plano.catalog.catalog import Model
from plano.chat.dialect import Dialect
from plano.errors import (
    Overloaded,
    PlanoError,
    ShuttingDown,
    UpstreamBroke,
    UpstreamInvalid,
    UpstreamTimeout,
    UpstreamUnreachable,
)
from plano.http1 import failures
from plano.http1.pool import Pool
from plano.upstream.heads import Template

if TYPE_CHECKING:
    from plano.exchange.ports import Call, Outcome, ReplySink, Underway

MOST_TEMPLATES = 4096
"""Templates kept; wildcard members whose path holds the model's name can be any number."""


class HttpUpstream:
    """The `Upstream` port over a pool of HTTP/1.1 connections that was given `mapped`."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._templates: dict[tuple[int, Dialect], tuple[Model, Template]] = {}

    def prepare(self, models: Iterable[Model]) -> None:
        """Build every head that is known at start, so that a fault in one is found there."""
        for model in models:
            for dialect, endpoint in model.endpoints.items():
                if endpoint.scheme in ("http", "https"):
                    self._template(model, dialect)

    def send(self, call: Call, sink: ReplySink, *, fresh: bool = False) -> Coroutine[Any, Any, None]:
        template = self._template(call.candidate.model, call.dialect)
        head = template.render(call.query, call.forwarded, call.body_length)
        # Not awaited here: one coroutine fewer between the exchange and its answer.
        return self._pool.send(
            template.origin,
            head,
            call.body,
            sink,
            first_byte_s=call.first_byte_s,
            deadline=call.deadline,
            fresh=fresh,
        )

    def begin(self, call: Call, sink: ReplySink, outcome: Outcome) -> Underway | None:
        template = self._template(call.candidate.model, call.dialect)
        return self._pool.begin(
            template.origin,
            template.render(call.query, call.forwarded, call.body_length),
            call.body,
            sink,
            outcome,
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


def mapped(failure: failures.Failure) -> PlanoError:
    """What a sink is told: our error for a failure of the pool. Whoever asked has no use for addresses
    inside the operator's network: those are for the log (`detail`). No key is named in either, a pool
    knows none."""
    error = _error_of(cast("failures.Leaf", failure))  # every failure is a leaf; a test holds them to it
    error.detail = failure.message
    error.__cause__ = failure
    return error


def _error_of(failure: failures.Leaf) -> PlanoError:
    match failure:
        case failures.ConnectFailed():
            return _unconnected(failure.reason)
        case failures.ResetBeforeHead():
            return UpstreamUnreachable("The provider closed the connection before it had answered.")
        case failures.Truncated():
            return UpstreamBroke("The provider's connection ended in the middle of its answer.")
        case failures.Garbage():
            return UpstreamInvalid("The provider's answer is not valid HTTP/1.1.")
        case failures.BrokenFraming():
            return UpstreamBroke("The framing of the provider's answer broke in the middle of it.")
        case failures.TooLarge():
            return UpstreamInvalid("The head of the provider's answer is larger than allowed.")
        case failures.Silence():
            return UpstreamTimeout(f"The provider was silent for too long ({_WAITED_FOR[failure.phase]}).")
        case failures.Overdue():
            return UpstreamTimeout(f"The time for the whole exchange is over ({_WAITED_FOR[failure.phase]}).")
        case _:
            assert_never(failure)


_WAITED_FOR: dict[failures.Phase, str] = {
    "connect": "while connecting",
    "request": "while the request was sent",
    "head": "before it began to answer",
    "body": "in the middle of its answer",
}


def _unconnected(reason: failures.ConnectReason) -> PlanoError:
    match reason:
        case "refused" | "unreachable" | "dns" | "tls" | "untrusted" | "proxy":
            error = UpstreamUnreachable(f"The provider cannot be reached: {_UNREACHABLE[reason]}.")
            error.is_lasting = reason == "untrusted"
            return error
        case "timeout":
            return UpstreamTimeout("No connection to the provider came about in time.")
        case "busy":
            return Overloaded("All connections that may lead to the provider are in use; try again shortly.")
        case "exhausted":
            return Overloaded("This gateway has nothing left to connect with; try again shortly.")
        case "closed":
            return ShuttingDown("The gateway is shutting down; try again.")
        case _:
            assert_never(reason)


_UNREACHABLE: dict[failures.ConnectReason, str] = {
    "refused": "it refused the connection",
    "unreachable": "no connection came about",
    "dns": "its name does not resolve",
    "tls": "it speaks no TLS that this gateway accepts",
    "untrusted": "its certificate is not trusted",
    "proxy": "the configured proxy let nothing through",
}
