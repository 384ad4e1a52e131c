"""Problems in the words of each dialect, and errors of providers as problems."""

from __future__ import annotations

import json

import pytest

from plano.chat.dialect import Dialect
from plano.errors import (
    ALL,
    KEY_REFUSED,
    InvalidRequest,
    KeyExhausted,
    MethodNotAllowed,
    PlanoError,
    UpstreamRefused,
    UpstreamTimeout,
)
from plano.wire import error_shapes
from plano.wire.dialects import DIALECTS, dialect_of
from plano.wire.facts import Complaint

CHAT, MESSAGES, RESPONSES = Dialect.OPENAI_CHAT, Dialect.ANTHROPIC_MESSAGES, Dialect.OPENAI_RESPONSES
PROBLEM = InvalidRequest("`n` must be “an integer”.", param="n")


def every_problem() -> list[PlanoError]:
    made: list[PlanoError] = []
    for leaf in ALL:
        if leaf is MethodNotAllowed:
            made.append(MethodNotAllowed("told", allowed="POST"))
        elif leaf is UpstreamRefused:
            made.append(UpstreamRefused("told", status=502))
        elif issubclass(leaf, KeyExhausted):
            made.append(leaf("told", key="a", limit="requests", retry_after_s=1.0))
        else:
            made.append(leaf("told"))
    return made


def rendered(dialect: Dialect, problem: PlanoError) -> object:
    return json.loads(DIALECTS[dialect].render_error(problem, "req-1"))


@pytest.mark.parametrize("dialect", [CHAT, RESPONSES])
def test_openais_error_has_four_members(dialect: Dialect) -> None:
    """Its clients read each of them."""
    assert rendered(dialect, PROBLEM) == {
        "error": {
            "message": "`n` must be “an integer”.",
            "type": "invalid_request_error",
            "param": "n",
            "code": "invalid_request",
        }
    }


def test_anthropics_error_carries_the_request_id() -> None:
    """People quote it when they ask for help."""
    assert rendered(MESSAGES, PROBLEM) == {
        "type": "error",
        "error": {"type": "invalid_request_error", "message": "`n` must be “an integer”."},
        "request_id": "req-1",
    }


def test_every_status_has_a_type_in_both_families() -> None:
    """Clients choose what to do by the type."""
    kinds = {
        problem.status: (
            json.loads(DIALECTS[CHAT].render_error(problem, "r"))["error"]["type"],
            json.loads(DIALECTS[MESSAGES].render_error(problem, "r"))["error"]["type"],
        )
        for problem in [*every_problem(), *(UpstreamRefused("told", status=status) for status in (429, 529))]
    }

    caller = ("invalid_request_error", "invalid_request_error")
    assert kinds == {
        400: caller,
        401: ("invalid_request_error", "authentication_error"),
        404: ("invalid_request_error", "not_found_error"),
        405: caller,
        408: caller,
        413: ("invalid_request_error", "request_too_large"),
        414: caller,
        415: caller,
        429: ("rate_limit_error", "rate_limit_error"),
        431: caller,
        499: caller,
        500: ("server_error", "api_error"),
        502: ("server_error", "api_error"),
        503: ("server_error", "overloaded_error"),
        504: ("server_error", "timeout_error"),
        529: ("server_error", "overloaded_error"),
    }


def test_the_last_event_of_a_chat_stream_is_an_error_and_no_end() -> None:
    """`[DONE]` would make it a success."""
    event = DIALECTS[CHAT].error_event(UpstreamTimeout("silence"), "req-1")

    assert event == (
        b'data: {"error":{"message":"silence","type":"server_error","param":null,'
        b'"code":"upstream_timeout"}}\n\n'
    )


def test_the_last_event_of_a_messages_stream_is_named() -> None:
    """Anthropic's client goes by the name."""
    event = DIALECTS[MESSAGES].error_event(UpstreamTimeout("silence"), "req-1")

    assert event == (
        b'event: error\ndata: {"type":"error","error":{"type":"timeout_error","message":"silence"},'
        b'"request_id":"req-1"}\n\n'
    )


def test_the_last_event_of_a_responses_stream_has_both_shapes() -> None:
    """The documented one and the one OpenAI sends: clients differ in which they read."""
    event = DIALECTS[RESPONSES].error_event(UpstreamTimeout("silence"), "req-1")

    name, _, payload = event.partition(b"\ndata: ")
    inner = {"message": "silence", "type": "server_error", "param": None, "code": "upstream_timeout"}
    assert (name, json.loads(payload)) == (
        b"event: error",
        {
            "type": "error",
            "sequence_number": 0,
            "code": "upstream_timeout",
            "message": "silence",
            "param": None,
            "error": inner,
        },
    )
    assert event.endswith(b"}\n\n")


@pytest.mark.parametrize(
    ("dialect", "kinds", "code", "status"),
    [
        (CHAT, ("rate_limit_exceeded", "tokens"), "upstream_error", 429),
        (CHAT, ("insufficient_quota",), "upstream_error", 429),
        (CHAT, ("429",), "upstream_error", 429),
        (CHAT, ("something_new", "server_error"), "upstream_error", 500),
        (CHAT, ("context_length_exceeded", "invalid_request_error"), "upstream_error", 400),
        (CHAT, ("invalid_api_key",), "upstream_auth", 502),
        (CHAT, ("something_new",), "upstream_error", 502),
        (CHAT, ("200",), "upstream_error", 502),
        (CHAT, (), "upstream_error", 502),
        (RESPONSES, ("server_error",), "upstream_error", 500),
        (MESSAGES, ("overloaded_error",), "upstream_error", 529),
        (MESSAGES, ("rate_limit_error",), "upstream_error", 429),
        (MESSAGES, ("permission_error",), "upstream_auth", 502),
        (MESSAGES, ("timeout_error",), "upstream_error", 504),
        (MESSAGES, ("something_new",), "upstream_error", 502),
        (MESSAGES, (), "upstream_error", 502),
    ],
)
def test_a_providers_error_has_the_status_of_its_kind(
    dialect: Dialect, kinds: tuple[str, ...], code: str, status: int
) -> None:
    """Its 200 was not one; the client is told what it would have been. A refused key is never a 401."""
    problem = DIALECTS[dialect].error_of(Complaint(kinds, "told"))

    assert (problem.code, problem.status) == (code, status)
    assert problem.message.endswith(": told") == (code != "upstream_auth")


@pytest.mark.parametrize(
    ("dialect", "kind"),
    [
        (CHAT, "invalid_api_key"),
        (RESPONSES, "401"),
        (CHAT, "permission_error"),
        (MESSAGES, "authentication_error"),
    ],
)
def test_a_refused_key_is_not_told_in_the_providers_words(dialect: Dialect, kind: str) -> None:
    """They may quote the key, which is the operator's and not the caller's."""
    problem = DIALECTS[dialect].error_of(Complaint((kind, "sk-canary"), "Incorrect API key: sk-canary"))

    assert problem.message == KEY_REFUSED


OPENAIS, ANTHROPICS, NOBODYS = (True, False, True), (False, True, False), (False, False, False)


@pytest.mark.parametrize(
    ("body", "readable"),
    [
        (b'{"error":{"message":"no"}}', OPENAIS),
        (b'{"error":{"message":"no","type":null,"param":null,"code":400}}', OPENAIS),
        (b'{"type":"error","error":{"type":"api_error","message":"no"}}', ANTHROPICS),
        (b'{"type":"error","error":{"type":"api_error","message":"no"},"request_id":"r"}', ANTHROPICS),
        (b'{"type":"error","error":{"message":"no"}}', NOBODYS),
        (b'{"error":{"message":null}}', NOBODYS),
        (b'{"error":"no"}', NOBODYS),
        (b'[{"error":{"message":"no"}}]', NOBODYS),
        (b'{"detail":"Not Found"}', NOBODYS),
        (b"{}", NOBODYS),
        (b"null", NOBODYS),
        (b"<html>", NOBODYS),
        (b"", NOBODYS),
        (b'"text"', NOBODYS),
        (b'{"error":', NOBODYS),
        (b'{"error":{"message":"\xff"}}', NOBODYS),
    ],
)
def test_an_error_of_a_dialect_has_its_shape(body: bytes, readable: tuple[bool, ...]) -> None:
    """Its clients read nothing else: another's error is a failure without a reason to them."""
    assert tuple(DIALECTS[dialect].is_error(body) for dialect in (CHAT, MESSAGES, RESPONSES)) == readable


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b'{"error":{"message":"no"}}', "no"),
        (b'{"type":"error","error":{"type":"api_error","message":"no"}}', "no"),
        (b'{"error":"no"}', "no"),
        (b'{"message":"no","type":"invalid_request_error"}', "no"),
        (b'{"detail":"no"}', "no"),
        (b'{"detail":[{"loc":["body","model"],"msg":"no","type":"missing"}]}', "no"),
        (b'{"detail":{"message":"no"}}', "no"),
        (b'{"errors":[{"message":"no"}]}', "no"),
        (b'{"errors":["no"]}', "no"),
        (b'[{"error":{"code":400,"message":"no","status":"INVALID_ARGUMENT"}}]', "no"),
        (b'{"error":{"message":""},"message":"no"}', "no"),
        (b'{"message":"' + b"x" * 5000 + b'"}', "x" * 1000),
        (b"{}", None),
        (b'{"error":{}}', None),
        (b'{"error":null,"detail":7}', None),
        (b"[]", None),
        (b"null", None),
        (b'"no"', None),
        (b"<html>no</html>", None),
    ],
)
def test_what_an_error_of_any_shape_says_is_found(body: bytes, message: str | None) -> None:
    """Gateways in front of providers have shapes of their own; their reasons help all the same."""
    assert error_shapes.message_of(body) == message


@pytest.mark.parametrize(
    ("body", "quoted"),
    [
        (b"upstream connect error", "upstream connect error"),
        (b'{"code":\n 7}\n', '{"code": 7}'),
        (b"bad \x00\x1b[31m bytes \xff", "bad [31m bytes \ufffd"),
        (b"y" * 5000, "y" * 200),
        (b" <!doctype html><p>no", ""),
        (b"", ""),
    ],
)
def test_what_says_nothing_known_is_quoted_in_part(body: bytes, quoted: str) -> None:
    """On one line, and no pages."""
    assert error_shapes.quotation(body) == quoted


@pytest.mark.parametrize(
    ("path", "dialect"),
    [
        ("/v1/chat/completions", CHAT),
        ("/v1/messages", MESSAGES),
        ("/v1/responses", RESPONSES),
        ("/routing/v1/messages", MESSAGES),
        ("/v1/models", None),
        ("/", None),
        ("/v1/chat/completions/routing", None),
    ],
)
def test_a_path_has_a_dialect(path: str, dialect: Dialect | None) -> None:
    """Problems are told in it before anything was read."""
    assert dialect_of(path) is dialect
