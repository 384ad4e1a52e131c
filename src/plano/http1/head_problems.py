"""What a Host may be, how long a head is, and the words for what is too long."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from plano.http1.limits import ServerLimits

_HOST = re.compile(rb"(?:\[[0-9A-Za-z:._~!$&'()*+,;=%-]+\]|[0-9A-Za-z._~!$&'()*+,;=%-]*)(?::[0-9]*)?")
"""RFC 3986 §3.2.2, without looking into addresses; it may be empty."""


def problem_of_host(host: bytes) -> str | None:
    """A Host that is none is refused (RFC 9112 §3.2): whoever stands behind may read it as another."""
    if _HOST.fullmatch(host) is not None:
        return None
    return "The Host field must be a host name or address, and a port if need be (RFC 9112 §3.2)."


def size_of_head(fields: Mapping[bytes, bytes], target: bytes) -> int:
    """Bytes of the target and of the fields that are complete, without what separates them."""
    return len(target) + sum(map(len, fields)) + sum(map(len, fields.values()))


def body_too_large(limits: ServerLimits) -> str:
    return f"The request body is longer than the {limits.body_bytes} bytes allowed."


def head_too_large(limits: ServerLimits) -> str:
    return f"The header fields are longer than the {limits.headers_bytes} bytes allowed."


def too_many_fields(limits: ServerLimits) -> str:
    return f"The request has more than the {limits.header_count} header fields allowed."
