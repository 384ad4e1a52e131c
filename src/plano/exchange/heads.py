"""What a client is told in the head of an answer: built from a list, never copied and pruned."""

from __future__ import annotations

from collections.abc import Iterable
from math import ceil
from urllib.parse import quote

from plano.errors import (
    KeyExhausted,
    MethodNotAllowed,
    Overloaded,
    PlanoError,
    ShuttingDown,
    UpstreamRefused,
)
from plano.exchange.retry_after import makes_sense
from plano.http1.reply import JSON
from plano.routing.decision import Candidate, Decision
from plano.routing.decision_object import DecisionObject

PASSED_ON = frozenset(
    (
        b"cache-control",
        b"content-language",
        b"content-type",
        b"openai-processing-ms",
        b"openai-version",
        b"request-id",
        b"retry-after",
        b"retry-after-ms",
        b"x-accel-buffering",
        b"x-plano-simulated",
        b"x-should-retry",
    )
)
"""Fields of an upstream's answer that travel on. Framing, cookies, the provider's account names and
whatever a proxy on the way has added do not."""
PASSED_ON_PREFIXES = (b"x-ratelimit-", b"anthropic-ratelimit-")
OF_THE_BODY = (b"cache-control:", b"content-language:", b"content-type:", b"x-accel-buffering:")
"""Those that speak of the body they came with, and of no other."""
RETRY_AFTER = (b"retry-after:", b"retry-after-ms:")
NOT_AGAIN = b"x-should-retry: false\r\n"
"""The official clients obey it."""
RETRY_AFTER_S = 1
"""What a client that was shed is told to wait: load comes and goes within seconds."""


def visible(text: str) -> str:
    """Text that may stand in a field: visible ASCII as it is, everything else percent-encoded as UTF-8."""
    if text.isascii() and text.isprintable():
        return text
    return quote(text, safe="!#$&'()*+,/:;=?@[]")


def decision_lines(decision: Decision, candidate: Candidate) -> bytes:
    """Who answers and who decided so."""
    lines = f"x-plano-model: {visible(candidate.id)}\r\nx-plano-decision: {decision.step}\r\n"
    if decision.route is not None:
        lines += f"x-plano-route: {quote(decision.route, safe='')}\r\n"
    return lines.encode("ascii")


def debug_line(decision: DecisionObject) -> bytes:
    """The whole decision, for who asked to see it."""
    return b"x-plano-debug: %b\r\n" % decision.as_field()


def passed_on(fields: Iterable[tuple[bytes, bytes]]) -> bytes:
    """The lines of an upstream's head that the client gets to see; its parser let no control byte through."""
    return b"".join(
        [
            b"%b: %b\r\n" % field
            for field in fields
            if (field[0] in PASSED_ON and makes_sense(field)) or field[0].startswith(PASSED_ON_PREFIXES)
        ]
    )


def without_body(lines: bytes) -> bytes:
    """What `passed_on` gave, for an answer with another body: when to try again, what is left of a limit."""
    return b"".join([line for line in lines.splitlines(keepends=True) if not line.startswith(OF_THE_BODY)])


def retry_after_line(seconds: float) -> bytes:
    """When trying again may help."""
    return b"retry-after: %d\r\n" % ceil(seconds)


def hopeful(lines: bytes, retry_after_s: float | None) -> bytes:
    """The last provider's lines, where another than it may answer a moment later, perhaps after this time."""
    kept = [line for line in lines.splitlines(keepends=True) if line != NOT_AGAIN]
    if retry_after_s is None:
        return b"".join(kept)
    kept = [line for line in kept if not line.startswith(RETRY_AFTER)]
    return b"".join(kept) + retry_after_line(retry_after_s)


def attempts_line(attempts: int) -> bytes:
    """How many candidates were asked."""
    return b"x-plano-attempts: %d\r\n" % attempts


def problem_lines(problem: PlanoError) -> bytes:
    """The fields of an error that Plano itself answers with."""
    if isinstance(problem, MethodNotAllowed):
        return JSON + f"allow: {problem.allowed}\r\n".encode()
    if isinstance(problem, KeyExhausted):
        again = NOT_AGAIN if problem.is_lasting else b""
        return JSON + again + retry_after_line(max(1.0, problem.retry_after_s))
    if isinstance(problem, Overloaded | ShuttingDown):
        return JSON + b"retry-after: %d\r\n" % RETRY_AFTER_S
    if isinstance(problem, UpstreamRefused):
        return problem.lines if problem.body is not None else JSON + problem.lines
    if problem.is_lasting:
        return JSON + NOT_AGAIN
    return JSON
