"""Which field a head broke in."""

from __future__ import annotations

import pytest

from plano.http1.at_fault import field_at_fault


@pytest.mark.parametrize(
    ("piece", "name"),
    [
        (b"POST / HTTP/1.1\r\nHost: a\r\nX-Model-Affinity: a\x01b\r\nx: \x02\r\n\r\n", b"x-model-affinity"),
        (b"x-model-affinity: a\x7f\r\n", b"x-model-affinity"),
        (b"POST / HTTP/1.1\r\nHost: a\r\n\r\nx-model-affinity: \x01", b""),
        (b"ffinity: fine\twith a tab\r\n", b""),
        (b"\x01\x02", b""),
        (b"", b""),
    ],
)
def test_the_first_field_with_a_control_byte_is_named(piece: bytes, name: bytes) -> None:
    """In the head alone: a body may hold anything."""
    assert field_at_fault(piece) == name
