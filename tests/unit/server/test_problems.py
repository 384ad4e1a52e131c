"""Refusals of the HTTP edge as our errors, and the dialect they are told in."""

from __future__ import annotations

import json
from typing import get_args

import pytest

from plano.errors import NotFound
from plano.http1.request import Refusal, RefusalKind
from plano.server import problems

VERSION = {b"anthropic-version": b"2023-06-01"}


def test_every_refusal_is_an_error_of_ours() -> None:
    """A new kind must be given a code before it is met."""
    kinds: tuple[RefusalKind, ...] = get_args(RefusalKind)

    found = [problems.problem_of(Refusal(kind, "why")) for kind in kinds]

    assert len({problem.code for problem in found}) == len(kinds)
    assert {problem.message for problem in found} == {"why"}


@pytest.mark.parametrize(
    ("path", "fields", "is_anthropics"),
    [
        ("/v1/messages", {}, True),
        ("/routing/v1/messages", {}, True),
        ("/v1/messages/count_tokens", {}, True),
        ("/v1/files", VERSION, True),
        ("", VERSION, True),
        ("/v1/chat/completions", VERSION, False),
        ("/v1/messages.txt", {}, False),
        ("/v1/files", {}, False),
        ("", {}, False),
    ],
)
def test_a_problem_is_told_in_the_clients_words(
    path: str, fields: dict[bytes, bytes], is_anthropics: bool
) -> None:
    """A path that is a dialect's own decides; elsewhere whatever tells something."""
    status, lines, body = problems.rendered(NotFound("nothing"), path, "req-1", fields)

    assert (status, b"x-request-id: req-1\r\n" in lines) == (404, True)
    assert (json.loads(body).get("type") == "error") == is_anthropics
