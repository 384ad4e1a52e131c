"""Anthropic's way of reporting errors: problems of ours in its words, and errors of a provider in ours.

It has no member for a code; its type says what it can. Statuses and types are those of its
documentation (API reference, Errors).
"""

from __future__ import annotations

import msgspec

from plano.errors import KEY_REFUSED, PlanoError, UpstreamAuth, UpstreamError, UpstreamRefused
from plano.wire import loose
from plano.wire.facts import KIND_CHARACTERS, MESSAGE_CHARACTERS, Complaint

_TYPES: dict[int, str] = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    500: "api_error",
    503: "overloaded_error",
    504: "timeout_error",
    529: "overloaded_error",
}
_STATUSES: dict[str, int] = {kind: status for status, kind in _TYPES.items()}
"""The last status of a type counts: an overloaded Anthropic answers 529."""

_AUTH = (401, 403)
_UNKNOWN = 502

_encode = msgspec.json.Encoder().encode


def render(problem: PlanoError, request_id: str) -> bytes:
    kind = _TYPES.get(problem.status)
    if kind is None:
        kind = "invalid_request_error" if problem.status < 500 else "api_error"
    error = {"type": kind, "message": problem.message}
    return _encode({"type": "error", "error": error, "request_id": request_id})


def event(problem: PlanoError, request_id: str) -> bytes:
    """The last event of a stream that cannot go on."""
    return b"event: error\ndata: " + render(problem, request_id) + b"\n\n"


def complaint_of(found: object) -> Complaint:
    """An `error` member; an error event is one even when it says nothing."""
    kind = loose.text_at(found, "type")
    told = found if isinstance(found, str) and found else None
    message = loose.text_at(found, "message") or told or "no message given"
    kinds = (kind,) if kind and len(kind) <= KIND_CHARACTERS else ()
    return Complaint(kinds, message[:MESSAGE_CHARACTERS])


def error_of(complaint: Complaint) -> UpstreamError:
    """The problem that a provider's error inside a 200 is, while nothing was sent to the client."""
    kind = complaint.kinds[0] if complaint.kinds else "no kind given"
    status = _STATUSES.get(kind, _UNKNOWN)
    if status in _AUTH:
        return UpstreamAuth(KEY_REFUSED)
    return UpstreamRefused(
        f"The provider answered with an error ({kind}): {complaint.message}", status=status
    )
