"""Both edges of HTTP/1.1: what clients and providers send, wherever it is cut, and what h11 makes of it."""

from __future__ import annotations

import re
from dataclasses import replace

import h11

from plano.catalog.gateway_keys import GatewayKey
from plano.errors import PlanoError
from plano.http1.failures import Failure
from plano.http1.limits import ClientLimits
from plano.http1.request import Request
from plano.http1.response import ResponseReader
from plano.keys.digests import digest_of
from plano.keys.opening import gate_for
from plano.routing.affinity import is_session_id
from plano.routing.decision_object import trace_id_of
from plano.server.app import given_id
from plano.server.inference import FORWARDED, Sessions, facts_of
from plano.server.problems import problem_of, rendered
from tests.fuzz.target import Target, cut, uncut
from tests.unit.http1.pages import Page, Read, as_h11_likes_it, as_h11_says_it, read_by_h11
from tests.unit.http1.upstreams import Event, RecordingSink

MANY_ZEROS = b"\r\n" + b"0" * 15
LINES = re.compile(rb"(?:[!-9;-~]+: [\t -~\x80-\xff]*\r\n)*")

# --- requests ---


def check_request(data: bytes) -> None:
    """One outcome wherever it is cut, an account that comes back to nothing, and h11 reads alike what we read
    of the first request."""
    text, pieces = cut(data)
    if not text:
        return
    whole, cut_up = Page().feed(text), Page()
    for piece in pieces:
        cut_up.feed(piece)
    for page in (whole, cut_up):
        page.reader.release()
    assert (_requests(cut_up), cut_up.kept_alive, cut_up.kinds) == (
        _requests(whole),
        whole.kept_alive,
        whole.kinds,
    )
    assert (cut_up.buffered_bytes, whole.buffered_bytes) == (0, 0)
    for refusal in whole.refusals:
        _check_problem(problem_of(refusal), refusal.path)
    if MANY_ZEROS in text:
        return  # Either a chunk size that h11 does not read, or content that must not be changed for it.
    first = as_h11_says_it(whole.read[:1])
    assert first == read_by_h11(as_h11_likes_it(text))[: len(first)]


def _requests(page: Page) -> list[Read]:
    """Without their length, which a head that is known again leaves out."""
    return [
        replace(each, fields=tuple(field for field in each.fields if field[0] != b"content-length"))
        for each in page.read
    ]


def _check_problem(problem: PlanoError, path: str) -> None:
    status, lines, body = rendered(problem, path, "an-id")
    assert 400 <= status < 600
    assert LINES.fullmatch(lines)
    assert body.startswith(b"{")


# --- what a head says ---

KEY = b"pk-canary-fuzz-0123456789abcdefghijklmnop"
GATE = gate_for(
    [GatewayKey("research", digest_of(KEY), "team")],
    counts=None,
    prices=lambda _: None,
    now=lambda: 0.0,
    today=lambda: 0.0,
)
SESSIONS = Sessions(b"x-tenant", are_implicit=True)
HEAD = b"POST /v1/messages HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n"


def check_head(data: bytes) -> None:
    """What a head says of key, session, trace and id is well formed, or refused without repeating a key."""
    for request in Page().feed(HEAD + data + b"\r\n\r\n").requests:
        found_id = given_id(request.fields)
        assert found_id is None or re.fullmatch(r"[A-Za-z0-9._-]{1,128}", found_id)
        trace_id = trace_id_of(request.fields)
        assert trace_id is None or (re.fullmatch("[0-9a-f]{32}", trace_id) and int(trace_id, 16))
        _check_facts(request)


def _check_facts(request: Request) -> None:
    bearer, bare = request.fields.get(b"authorization", b""), request.fields.get(b"x-api-key", b"")
    is_shown = KEY in (bearer.removeprefix(b"Bearer ").strip(), bare)
    for gate in (None, GATE):
        try:
            facts = facts_of(request, SESSIONS, gate)
        except PlanoError as problem:
            _check_problem(problem, request.path)
            assert problem.status != 401 or not (is_shown or "canary" in problem.message)
            continue
        assert gate is None or (facts.key is not None and KEY in bearer + bare)
        assert FORWARDED.issuperset(name for name, _ in facts.forwarded)
        if facts.claim is not None:
            session_id, pct = facts.claim.session_id, facts.claim.max_switch_spend_pct
            assert session_id is None or is_session_id(session_id)
            assert pct is None or 0 <= pct <= 100


# --- responses ---

LIMITS = ClientLimits(headers_bytes=2048, header_count=16)


def check_response(data: bytes) -> None:
    """The same events wherever it is cut; and where h11 reads it too, it reads the same."""
    text, pieces = cut(data)
    if not text:
        return
    whole = read([text])
    assert read(pieces) == whole
    if whole[-1] == ("end",):
        theirs = by_h11(text)
        assert theirs is None or theirs == whole


def read(pieces: list[bytes]) -> list[Event]:
    """What a sink is told of one answer that then ends with its connection. What comes behind an answer in
    the same read only forbids another on this connection."""
    sink = RecordingSink()
    reader = ResponseReader(LIMITS, "upstream:80")
    reader.expect(sink, bodiless=False)
    try:
        for piece in pieces:
            reader.feed(piece)
            if reader.complete:
                break
    except Failure:
        return [*_told(sink.events), ("broke",)]
    finally:
        is_over = reader.complete or reader.ends_with_connection
        reader.close()
    return [*_told(sink.events), ("end",) if is_over else ("waits",)]


def _told(events: list[Event]) -> list[Event]:
    """Values in lower case, as h11 makes those of framing fields."""
    return [
        ("head", event[1], tuple((name, value.lower()) for name, value in event[2]))  # type: ignore[attr-defined]  # a head's fields
        if event[0] == "head"
        else event
        for event in events
    ]


def by_h11(text: bytes) -> list[Event] | None:
    """The same as h11 sees it; None where it refuses or waits for more."""
    connection = h11.Connection(h11.CLIENT)
    connection.send(h11.Request(method="POST", target="/", headers=[("Host", "a"), ("Content-Length", "0")]))
    connection.send(h11.EndOfMessage())
    head: list[Event] = []
    body = b""
    try:
        connection.receive_data(text)
        connection.receive_data(b"")
        while True:
            match connection.next_event():
                case h11.Response() as found:
                    head = _told([("head", found.status_code, tuple(found.headers))])
                case h11.Data() as content:
                    body += bytes(content.data)
                case h11.EndOfMessage():
                    return [*head, *([("body", body)] if body else []), ("end",)]
                case h11.InformationalResponse():
                    pass
                case _:
                    return None
    except h11.RemoteProtocolError:
        return None


# --- what fuzzing begins with ---

FRAMING = (
    b"\r\n", b"\r\n\r\n", b"0\r\n\r\n", b"Content-Length: ", b"Transfer-Encoding: chunked\r\n",
    b"Connection: close\r\n", b"Connection: keep-alive\r\n", b"Host: a\r\n", b" HTTP/1.1\r\n",
    b" HTTP/1.0\r\n", b"Upgrade: h2c\r\n", b"Expect: 100-continue\r\n", b"Trailer: t\r\n", b"5\r\nabcde\r\n",
    b";x=y", b"chunked, chunked", b"gzip, chunked", b"\xff", b"\x00", b"\t",
)  # fmt: skip
REQUESTS = uncut(
    b"GET /a HTTP/1.1\r\nHost: a\r\n\r\nPOST /b?c=d HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody",
    b"POST /v1/messages HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"3\r\nabc\r\n2;a=b\r\nde\r\n0\r\nX: y\r\n\r\nGET /c HTTP/1.0\r\n\r\n",
    b"\r\nGET http://a/ HTTP/1.1\r\nHost: a:80\r\nConnection: close\r\n\r\n",
    b"OPTIONS * HTTP/1.1\r\nHost: [::1]:80\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\nPRI * HTTP/2\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nhi",
)
RESPONSES = uncut(
    b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n4;x=y\r\n0123\r\n0\r\nT: t\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: 1\n\n",
    b"HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n",
    b"HTTP/1.0 502\r\nConnection: close\r\nRetry-After: 3\r\n\r\n<html>",
)
HEADS = (
    b"x-model-affinity: session-1\r\nx-tenant: acme\r\nx-plano-max-switch-spend-pct: 12.5",
    b"traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r\ntracestate: a=b",
    b"authorization: Bearer " + KEY + b"\r\nx-request-id: req_1.a-b",
    b"x-api-key: " + KEY + b"\r\nx-plano-cache: off\r\nx-plano-debug: true",
    b"content-encoding: gzip\r\nanthropic-version: 2023-06-01\r\nopenai-beta: a",
)
HEAD_WORDS = (
    b"\r\n", b": ", b"x-model-affinity: ", b"x-tenant: ", b"x-plano-max-switch-spend-pct: ", b"traceparent: ",
    b"tracestate: ", b"authorization: ", b"Bearer ", b"bearer\t", b"x-api-key: ", b"x-request-id: ",
    b"content-encoding: ", b"identity", b"x-plano-cache: off", b"x-plano-debug: true", KEY, b"ff-", b"-00-",
    b"anthropic-version: ", b"\xff", b"\t", b"\x7f",
)  # fmt: skip

TARGETS = (
    Target(
        "http_request", check_request, REQUESTS, (*FRAMING, b"GET / ", b"POST / ", b"PRI * ", b"RTSP/1.0")
    ),
    Target("request_head", check_head, HEADS, HEAD_WORDS),
    Target(
        "http_response", check_response, RESPONSES, (*FRAMING, b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 ")
    ),
)
