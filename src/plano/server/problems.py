"""Problems that end a request before its exchange begins, in the dialect of its path."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from types import MappingProxyType

from plano.chat.dialect import Dialect
from plano.errors import (
    BodyTooLarge,
    ClientLeft,
    HeadersTooLarge,
    Internal,
    InvalidAffinityId,
    MalformedHttp,
    Overloaded,
    PlanoError,
    RequestTimeout,
    TargetTooLong,
    Unauthenticated,
    UnsupportedEncoding,
)
from plano.exchange.heads import problem_lines
from plano.http1.request import Refusal, RefusalKind
from plano.wire.dialects import DIALECTS, dialect_of

NO_FIELDS: Mapping[bytes, bytes] = MappingProxyType({})
ONLY_ANTHROPIC = b"anthropic-version"
"""A field that Anthropic's clients send with every request, and others never."""

AFFINITY = b"x-model-affinity"

log = logging.getLogger("plano")

REFUSALS: dict[RefusalKind, Callable[[str], PlanoError]] = {
    "malformed": MalformedHttp,
    "headers_too_large": HeadersTooLarge,
    "target_too_long": TargetTooLong,
    "body_too_large": BodyTooLarge,
    "unsupported_encoding": UnsupportedEncoding,
    "timeout": RequestTimeout,
    "overloaded": Overloaded,
    "unauthenticated": Unauthenticated,
    "left": ClientLeft,
}
"""What the HTTP edge refuses, as our errors."""


def problem_of(refusal: Refusal) -> PlanoError:
    if refusal.broken_field == AFFINITY:
        return InvalidAffinityId(
            "X-Model-Affinity holds a control byte; expected 1 to 256 visible ASCII bytes."
        )
    return REFUSALS[refusal.kind](refusal.message)


def defect(request_id: str) -> Internal:
    """What a caller is told of a bug: nothing but where to look."""
    return Internal(f"The gateway failed while answering; its log says more under request id {request_id}.")


def rendered(
    problem: PlanoError, path: str, request_id: str, fields: Mapping[bytes, bytes] = NO_FIELDS
) -> tuple[int, bytes, bytes]:
    """Status, field lines and body of a problem, in the dialect of `path`; elsewhere in that of the client,
    as far as its own `fields` and the beginning of the path tell."""
    dialect = dialect_of(path) or _guessed(path, fields)
    lines = problem_lines(problem) + f"x-request-id: {request_id}\r\n".encode()
    return problem.status, lines, DIALECTS[dialect].render_error(problem, request_id)


def _guessed(path: str, fields: Mapping[bytes, bytes]) -> Dialect:
    """For paths that no dialect has: Anthropic's clients read nothing out of OpenAI's errors."""
    beneath_messages = path.startswith(f"{DIALECTS[Dialect.ANTHROPIC_MESSAGES].path}/")
    if beneath_messages or ONLY_ANTHROPIC in fields:
        return Dialect.ANTHROPIC_MESSAGES
    return Dialect.OPENAI_CHAT
