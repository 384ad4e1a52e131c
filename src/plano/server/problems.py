"""Problems that end a request before its exchange begins, in the dialect of its path."""

from __future__ import annotations

import logging
from collections.abc import Callable

from plano.chat.dialect import Dialect
from plano.errors import (
    BodyTooLarge,
    ClientLeft,
    HeadersTooLarge,
    Internal,
    MalformedHttp,
    Overloaded,
    PlanoError,
    RequestTimeout,
    TargetTooLong,
    UnsupportedEncoding,
)
from plano.exchange.heads import problem_lines
from plano.http1.request import Refusal, RefusalKind
from plano.wire.dialects import DIALECTS, dialect_of

log = logging.getLogger("plano")

REFUSALS: dict[RefusalKind, Callable[[str], PlanoError]] = {
    "malformed": MalformedHttp,
    "headers_too_large": HeadersTooLarge,
    "target_too_long": TargetTooLong,
    "body_too_large": BodyTooLarge,
    "unsupported_encoding": UnsupportedEncoding,
    "timeout": RequestTimeout,
    "overloaded": Overloaded,
    "left": ClientLeft,
}
"""What the HTTP edge refuses, as our errors."""


def problem_of(refusal: Refusal) -> PlanoError:
    return REFUSALS[refusal.kind](refusal.message)


def defect(request_id: str) -> Internal:
    """What a caller is told of a bug: nothing but where to look."""
    return Internal(f"The gateway failed while answering; its log says more under request id {request_id}.")


def rendered(problem: PlanoError, path: str, request_id: str) -> tuple[int, bytes, bytes]:
    """Status, field lines and body of a problem, in the dialect of `path` (OpenAI's elsewhere)."""
    dialect = dialect_of(path) or Dialect.OPENAI_CHAT
    fields = problem_lines(problem) + f"x-request-id: {request_id}\r\n".encode()
    return problem.status, fields, DIALECTS[dialect].render_error(problem, request_id)
