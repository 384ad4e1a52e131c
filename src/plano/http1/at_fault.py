"""Which header field a parser has stopped at: the parser itself does not say."""

from __future__ import annotations

import re

_NOT_IN_A_VALUE = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
"""RFC 9110 §5.5: visible characters, spaces, tabs and obs-text."""


def field_at_fault(data: bytes) -> bytes:
    """The name, in lower case, of the first field in a piece of a head whose value holds a control byte;
    empty when there is none, or its name came in an earlier piece."""
    head = data.partition(b"\r\n\r\n")[0]
    for line in head.split(b"\r\n"):
        name, colon, value = line.partition(b":")
        if colon and _NOT_IN_A_VALUE.search(value):
            return name.strip().lower()
    return b""
