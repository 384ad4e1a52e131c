"""What may stand in the head of an answer."""

from __future__ import annotations

import pytest

from plano.errors import (
    InvalidRequest,
    MethodNotAllowed,
    Overloaded,
    PlanoError,
    ShuttingDown,
    UpstreamAuth,
    UpstreamInvalid,
    UpstreamRefused,
)
from plano.exchange.heads import passed_on, problem_lines, visible, without_body

JSON = b"content-type: application/json\r\n"


def _refused(lines: bytes) -> UpstreamRefused:
    problem = UpstreamRefused("no", status=429)
    problem.lines = lines
    return problem


def _redirected() -> UpstreamInvalid:
    problem = UpstreamInvalid("moved")
    problem.is_lasting = True
    return problem


@pytest.mark.parametrize(
    ("problem", "lines"),
    [
        (InvalidRequest("x"), b""),
        (MethodNotAllowed("x", allowed="GET, HEAD"), b"allow: GET, HEAD\r\n"),
        (Overloaded("x"), b"retry-after: 1\r\n"),
        (ShuttingDown("x"), b"retry-after: 1\r\n"),
        (UpstreamAuth("x"), b"x-should-retry: false\r\n"),
        (UpstreamInvalid("x"), b""),
        (_redirected(), b"x-should-retry: false\r\n"),
        (_refused(b"retry-after: 7\r\n"), b"retry-after: 7\r\n"),
    ],
)
def test_an_error_says_whether_trying_again_helps(problem: PlanoError, lines: bytes) -> None:
    """The official clients go by these fields."""
    assert problem_lines(problem) == JSON + lines


def test_what_is_passed_on_is_on_a_list() -> None:
    """Nothing that a provider adds tomorrow gets out by itself."""
    fields = [
        (b"content-type", b"application/json"),
        (b"x-ratelimit-limit-requests", b"9"),
        (b"anthropic-ratelimit-tokens-limit", b"8"),
        (b"anthropic-organization-id", b"org"),
        (b"set-cookie", b"a=b"),
        (b"connection", b"close"),
        (b"content-length", b"3"),
        (b"retry-after", b"7"),
    ]

    lines = passed_on(fields)

    assert lines.split(b"\r\n") == [
        b"content-type: application/json",
        b"x-ratelimit-limit-requests: 9",
        b"anthropic-ratelimit-tokens-limit: 8",
        b"retry-after: 7",
        b"",
    ]
    assert without_body(lines) == lines[lines.index(b"x-ratelimit") :]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("openai/gpt-4o", "openai/gpt-4o"),
        ("a b", "a b"),
        ("a\r\nx: y", "a%0D%0Ax:%20y"),
        ("modèle", "mod%C3%A8le"),
        ("\x7f", "%7F"),
    ],
)
def test_a_name_cannot_forge_a_field(text: str, shown: str) -> None:
    """Model names come from configurations and, under wildcards, from clients."""
    assert visible(text) == shown
