"""What is refused by its head alone, before its body is looked at."""

from __future__ import annotations

import pytest

from plano.errors import InvalidAffinityId, PlanoError, UnsupportedEncoding
from plano.http1.request import Request
from plano.server import inference


def request(*fields: tuple[bytes, bytes], repeated: tuple[bytes, ...] = ()) -> Request:
    found = Request(0.0)
    found.fields.update(fields)
    found.repeated = repeated
    return found


AFFINITY = b"x-model-affinity"


@pytest.mark.parametrize(
    ("found", "problem"),
    [
        pytest.param(request((b"content-encoding", b"gzip")), UnsupportedEncoding, id="gzip"),
        pytest.param(request((b"content-encoding", b"identity, gzip")), UnsupportedEncoding, id="a list"),
        pytest.param(request((AFFINITY, b"")), InvalidAffinityId, id="empty"),
        pytest.param(request((AFFINITY, b"a b")), InvalidAffinityId, id="a space"),
        pytest.param(request((AFFINITY, b"a\x7f")), InvalidAffinityId, id="a control byte"),
        pytest.param(request((AFFINITY, b"\xc3\xa9")), InvalidAffinityId, id="beyond ASCII"),
        pytest.param(request((AFFINITY, b"a" * 257)), InvalidAffinityId, id="too long"),
        pytest.param(request((AFFINITY, b"a, b"), repeated=(AFFINITY,)), InvalidAffinityId, id="twice"),
    ],
)
def test_a_head_that_must_not_be_guessed_at_is_refused(found: Request, problem: type[PlanoError]) -> None:
    with pytest.raises(problem):
        inference.facts_of(found, inference.Sessions())


@pytest.mark.parametrize(
    "found",
    [
        request(),
        request((b"content-encoding", b"Identity ")),
        request((b"content-encoding", b"")),
        request((AFFINITY, b"!")),
        request((AFFINITY, b"~" * 256)),
        request((b"content-type", b"text/plain")),
    ],
)
def test_an_ordinary_head_passes(found: Request) -> None:
    """Content types are not looked at: the body says what it is."""
    inference.facts_of(found, inference.Sessions())
