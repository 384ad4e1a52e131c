"""OpenAI's way of reporting errors, in chat and responses alike.

A problem of ours becomes its error object; an error that arrives inside an answer becomes a
problem of ours, with the status that OpenAI gives to that kind of error.
"""

from __future__ import annotations

import msgspec

from plano.errors import KEY_REFUSED, PlanoError, UpstreamAuth, UpstreamError, UpstreamRefused
from plano.wire import loose
from plano.wire.facts import KIND_CHARACTERS, MESSAGE_CHARACTERS, Complaint

_STATUSES: dict[str, int] = {
    "invalid_request_error": 400,
    "invalid_request": 400,
    "invalid_prompt": 400,
    "context_length_exceeded": 400,
    "content_filter": 400,
    "content_policy_violation": 400,
    "authentication_error": 401,
    "invalid_api_key": 401,
    "permission_error": 403,
    "permission_denied": 403,
    "model_not_found": 404,
    "not_found_error": 404,
    "rate_limit_error": 429,
    "rate_limit_exceeded": 429,
    "insufficient_quota": 429,
    "too_many_requests": 429,
    "tokens": 429,
    "requests": 429,
    "server_error": 500,
    "internal_server_error": 500,
    "internal_error": 500,
    "api_error": 500,
    "service_unavailable": 503,
    "service_unavailable_error": 503,
    "overloaded": 503,
    "server_is_overloaded": 503,
    "slow_down": 503,
    "overloaded_error": 529,
}
"""Kinds of errors (`code` or `type`) as OpenAI and those who speak like it name them."""

_AUTH = (401, 403)
_UNKNOWN = 502

_encode = msgspec.json.Encoder().encode


def error_object(problem: PlanoError) -> dict[str, str | None]:
    """The four members that OpenAI's clients read."""
    return {
        "message": problem.message,
        "type": _type_of(problem),
        "param": problem.param,
        "code": problem.code,
    }


def body_of(problem: PlanoError) -> bytes:
    return _encode({"error": error_object(problem)})


def complaint_of(found: object) -> Complaint | None:
    """An `error` member: an object, or just its message. None when it says nothing."""
    if not found:
        return None
    if not isinstance(found, dict):
        return Complaint((), str(found)[:MESSAGE_CHARACTERS])
    kinds = (
        str(kind) for kind in (found.get("code"), found.get("type")) if isinstance(kind, str | int) and kind
    )
    message = loose.text_at(found, "message") or "no message given"
    return Complaint(
        tuple(kind for kind in kinds if len(kind) <= KIND_CHARACTERS), message[:MESSAGE_CHARACTERS]
    )


def error_of(complaint: Complaint) -> UpstreamError:
    """The problem that a provider's error inside a 200 is, while nothing was sent to the client."""
    status = next((found for kind in complaint.kinds if (found := _status_of(kind)) is not None), _UNKNOWN)
    if status in _AUTH:
        return UpstreamAuth(KEY_REFUSED)
    kind = complaint.kinds[0] if complaint.kinds else "no kind given"
    return UpstreamRefused(
        f"The provider answered with an error ({kind}): {complaint.message}", status=status
    )


def _status_of(kind: str) -> int | None:
    """Some providers put the status itself into `code`."""
    if kind.isdecimal() and len(kind) == 3 and 400 <= int(kind) < 600:
        return int(kind)
    return _STATUSES.get(kind)


def _type_of(problem: PlanoError) -> str:
    if problem.status == 429:
        return "rate_limit_error"
    return "invalid_request_error" if problem.status < 500 else "server_error"
