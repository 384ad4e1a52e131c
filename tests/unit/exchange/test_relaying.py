"""The relay: what it holds, when it commits, and how it ends, read by read."""

from __future__ import annotations

import json
import zlib
from itertools import count

import pytest

from plano.catalog.catalog import Model, Secret
from plano.catalog.names import ModelId, ProviderId
from plano.chat.dialect import Dialect
from plano.errors import (
    Overloaded,
    PlanoError,
    UpstreamAuth,
    UpstreamBroke,
    UpstreamError,
    UpstreamInvalid,
    UpstreamRefused,
    UpstreamTimeout,
)
from plano.exchange.relaying import HELD_ERROR_BYTES, HELD_PLAIN_BYTES, HELD_PRELUDE_BYTES, Relay
from plano.wire.dialects import DIALECTS
from tests.unit.exchange.sides import ClientSide, UpstreamSide, blank
from tests.wall.answers import EVENTS, PLAIN

LINES = b"x-request-id: req-1\r\n"
STREAM = (b"content-type", b"text/event-stream")
JSON = (b"content-type", b"application/json")
CONTENT = {Dialect.OPENAI_CHAT: 1, Dialect.ANTHROPIC_MESSAGES: 3, Dialect.OPENAI_RESPONSES: 4}
"""The event of each good stream that first says something."""


class Played:
    """A relay between two played sides."""

    def __init__(
        self,
        dialect: Dialect = Dialect.OPENAI_CHAT,
        *,
        stream: bool = True,
        own_credential: bool = False,
        limit: int = 4 * 1024 * 1024,
        model: Model | None = None,
    ) -> None:
        self.client = ClientSide()
        self.upstream = UpstreamSide()
        ticks = count(1)
        self.relay = Relay(
            reply=self.client,
            record=blank(),
            codec=DIALECTS[dialect],
            choices=1,
            stream=stream,
            lines=LINES,
            own_credential=own_credential,
            reply_limit=limit,
            model=model,
            now=lambda: float(next(ticks)),
        )
        self.record = self.relay.record
        self.relay.flow = self.upstream

    def head(self, status: int, *fields: tuple[bytes, bytes]) -> Played:
        self.relay.head(status, list(fields))
        return self

    def body(self, *pieces: bytes) -> Played:
        for piece in pieces:
            self.relay.body(piece)
        return self

    def end(self) -> Played:
        self.relay.flow = None
        self.relay.end()
        return self

    def broke(self, error: PlanoError) -> Played:
        self.relay.flow = None
        self.relay.broke(error)
        return self

    @property
    def outcome(self) -> tuple[int | None, bytes, str | None]:
        return self.client.status, self.client.body, self.client.end_was


@pytest.mark.parametrize("dialect", list(Dialect))
def test_the_prelude_is_held_until_something_is_said(dialect: Dialect) -> None:
    """Until then another model could still answer."""
    events, at = EVENTS[dialect], CONTENT[dialect]
    played = Played(dialect).head(200, STREAM).body(*events[:1])
    before = played.client.started
    played.body(*events[1 : at + 1])

    assert (before, played.client.started) == (False, True)
    assert played.client.body == b"".join(events[: at + 1])
    assert played.upstream.asked == ["await content", "content came"]


@pytest.mark.parametrize(
    ("dialect", "asked"),
    [
        (Dialect.OPENAI_CHAT, ["end within 5 s", "end within 0.1 s"]),
        (Dialect.ANTHROPIC_MESSAGES, ["end within 1 s"]),
        (Dialect.OPENAI_RESPONSES, ["end within 1 s"]),
    ],
)
def test_a_provider_that_has_said_all_is_not_waited_for(dialect: Dialect, asked: list[str]) -> None:
    """Some hold the connection open behind the terminal event. The time for the end counts from that event,
    whatever comes after it, and then the answer is whole."""
    events = EVENTS[dialect]
    played = Played(dialect).head(200, STREAM).body(*events, b": ping\n\n", b": ping\n\n")
    played.broke(UpstreamTimeout("the end did not come"))

    assert played.upstream.asked == ["await content", "content came", *asked]
    assert played.outcome == (200, b"".join(events) + b": ping\n\n" * 2, "whole")
    assert played.relay.problem is None


@pytest.mark.parametrize("dialect", list(Dialect))
def test_half_an_event_never_leaves(dialect: Dialect) -> None:
    """An error event behind it would be glued to it."""
    data = b"".join(EVENTS[dialect])
    played = Played(dialect).head(200, STREAM)
    ragged = []
    for byte in data:
        played.body(bytes([byte]))
        if played.client.body and not played.client.body.endswith(b"\n\n"):
            ragged.append(played.client.body[-20:])
    played.end()

    assert (ragged, played.outcome) == ([], (200, data, "whole"))


def test_a_prelude_without_end_goes_out() -> None:
    """Holding it is for a moment, not for a megabyte."""
    event = b"data: " + json.dumps({"choices": [], "pad": "x" * 1000}).encode() + b"\n\n"
    many = HELD_PRELUDE_BYTES // len(event) + 2

    played = Played().head(200, STREAM).body(*[event] * many)

    assert played.client.body == event * many


@pytest.mark.parametrize("dialect", list(Dialect))
def test_a_stream_that_breaks_after_the_commit_is_told_and_ended_loudly(dialect: Dialect) -> None:
    """The error event stands by itself, and no terminal event is forged."""
    sent = EVENTS[dialect][: CONTENT[dialect] + 1]
    problem = UpstreamBroke("cut")
    played = Played(dialect).head(200, STREAM).body(*sent, EVENTS[dialect][-2][:9]).broke(problem)

    told = DIALECTS[dialect].error_event(problem, "req-1")
    assert played.outcome == (200, b"".join(sent) + told, "loud")
    assert (played.relay.problem, played.record.status, played.record.phase) == (problem, 200, "stream")


def test_what_breaks_before_the_commit_sends_nothing() -> None:
    """Whatever the failure, the gateway's own among them: the exchange answers, or tries another."""
    problem = Overloaded("no descriptors")
    played = Played().head(200, STREAM).body(EVENTS[Dialect.OPENAI_CHAT][0]).broke(problem)

    assert (played.outcome, played.relay.problem) == ((None, b"", None), problem)


def test_an_end_behind_the_terminal_event_is_a_success_however_it_comes() -> None:
    """Some servers reset when they have said all."""
    events = EVENTS[Dialect.ANTHROPIC_MESSAGES]
    played = Played(Dialect.ANTHROPIC_MESSAGES).head(200, STREAM).body(*events).broke(UpstreamBroke("reset"))

    assert (played.outcome, played.relay.problem) == ((200, b"".join(events), "whole"), None)


@pytest.mark.parametrize("dialect", list(Dialect))
def test_a_plain_answer_is_held_until_it_is_whole(dialect: Dialect) -> None:
    """Half of one helps nobody; whole, it is what the provider sent, with its length."""
    body = PLAIN[dialect]
    played = Played(dialect, stream=False).head(200, JSON).body(body[:40], body[40:])
    before = played.client.started
    played.end()

    assert (before, played.outcome, played.client.length) == (False, (200, body, "whole"), len(body))
    assert played.client.fields == b"content-type: application/json\r\n" + LINES


def test_a_long_plain_answer_goes_out_as_it_comes() -> None:
    """Holding a generated image to its end would be felt."""
    start = b'{"choices": "' + b"x" * HELD_PLAIN_BYTES
    played = Played(stream=False).head(200, JSON, (b"content-length", b"2000000")).body(start)

    assert (played.client.length, played.client.body) == (2_000_000, start)


@pytest.mark.parametrize(
    ("stream", "status", "fields", "body"),
    [
        pytest.param(False, 200, [JSON, (b"content-length", b"9999")], b"", id="announced"),
        pytest.param(False, 200, [JSON], b"{" + b"x" * 2000, id="by and by"),
        pytest.param(True, 200, [JSON, (b"content-length", b"9999")], b"", id="announced, for a stream"),
        pytest.param(True, 200, [STREAM], b"data: {" + b"x" * 2000, id="one event"),
        pytest.param(True, 200, [JSON], b'{"a": "' + b"x" * HELD_ERROR_BYTES, id="no stream"),
        pytest.param(False, 500, [JSON], b'{"a": "' + b"x" * HELD_ERROR_BYTES, id="an error"),
    ],
)
def test_what_is_too_large_is_dropped(
    stream: bool, status: int, fields: list[tuple[bytes, bytes]], body: bytes
) -> None:
    """Raised too: it makes the upstream close its connection."""
    played = Played(stream=stream, limit=1000)

    with pytest.raises(UpstreamError) as raised:
        played.head(status, *fields).body(body)

    assert (played.relay.problem, played.outcome) == (raised.value, (None, b"", None))


@pytest.mark.parametrize("stream", [False, True])
def test_nothing_is_relayed_behind_a_failure(stream: bool) -> None:
    """A read may bring more after the piece that failed."""
    played = Played(stream=stream)
    with pytest.raises(UpstreamInvalid):
        played.head(302, (b"location", b"/"))
    played.body(b"data: {}\n\n").end().broke(UpstreamBroke("late"))

    assert (played.outcome, type(played.relay.problem)) == ((None, b"", None), UpstreamInvalid)


def test_a_refusal_takes_over_what_still_holds_of_the_head() -> None:
    """When to come back, and not the type of a page that is gone."""
    fields = [(b"content-type", b"text/html"), (b"retry-after", b"7"), (b"cache-control", b"no-store")]
    played = Played(stream=False).head(429, *fields).body(b"<html>").end()

    problem = played.relay.problem
    assert isinstance(problem, UpstreamRefused)
    assert (problem.status, problem.lines) == (429, b"retry-after: 7\r\n")


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_a_compressed_answer_is_read_through(size: int) -> None:
    """Cut anywhere; its length is not the length of what goes out."""
    packed = zlib.compress(PLAIN[Dialect.OPENAI_CHAT])
    pieces = [packed[at : at + size] for at in range(0, len(packed), size)]
    length = (b"content-length", str(len(packed)).encode())
    played = (
        Played(stream=False).head(200, JSON, length, (b"content-encoding", b"deflate")).body(*pieces).end()
    )

    assert played.outcome == (200, PLAIN[Dialect.OPENAI_CHAT], "whole")
    assert played.client.length == len(PLAIN[Dialect.OPENAI_CHAT])


def test_a_compressed_answer_without_its_end_is_none() -> None:
    """Whatever HTTP says of it."""
    packed = zlib.compress(PLAIN[Dialect.OPENAI_CHAT])
    played = Played(stream=False).head(200, JSON, (b"content-encoding", b"deflate")).body(packed[:-4]).end()

    assert (played.outcome, type(played.relay.problem)) == ((None, b"", None), UpstreamBroke)


def test_the_moments_are_in_the_record() -> None:
    """By the clock that was handed in."""
    record = Played().head(200, STREAM).body(*EVENTS[Dialect.OPENAI_CHAT]).end().record

    assert (record.sent, record.first_byte, record.first_content, record.phase) == (1.0, 2.0, 3.0, "done")


# --- errors of the provider's own ---

KEY = "sk-the-operators-own"
ASKED = Model(
    id=ModelId("lab/m"),
    name="m",
    provider=ProviderId("lab"),
    upstream_model="m",
    endpoints={},
    auth="bearer",
    access_key=Secret(KEY),
)


def error_event(dialect: Dialect, kind: str = "server_error") -> bytes:
    """As the dialect's providers send it, quoting the key."""
    error = {"type": kind, "code": kind, "message": f"no {KEY}", "param": None}
    match dialect:
        case Dialect.OPENAI_CHAT:
            return b"data: " + json.dumps({"error": error}).encode() + b"\n\n"
        case Dialect.ANTHROPIC_MESSAGES:
            return b"event: error\ndata: " + json.dumps({"type": "error", "error": error}).encode() + b"\n\n"
        case Dialect.OPENAI_RESPONSES:
            return b"event: error\ndata: " + json.dumps({**error, "type": "error"}).encode() + b"\n\n"


@pytest.mark.parametrize("together", [False, True])
@pytest.mark.parametrize("dialect", list(Dialect))
def test_an_error_event_after_content_is_the_last(dialect: Dialect, together: bool) -> None:
    """It goes out without the key, the end is loud at once, and nothing follows: no second error for the
    silence that may come, and no content. That it is raised closes the connection."""
    begun, error = EVENTS[dialect][: CONTENT[dialect] + 1], error_event(dialect)
    pieces = [*begun, error, EVENTS[dialect][-1]]
    played = Played(dialect, model=ASKED).head(200, STREAM)

    with pytest.raises(UpstreamRefused) as raised:
        played.body(b"".join(pieces)) if together else played.body(*pieces)
    played.body(EVENTS[dialect][-1]).broke(UpstreamTimeout("silence"))

    told = b"".join(begun) + error.replace(KEY.encode(), b"***")
    assert played.outcome == (200, told, "loud")
    assert (played.relay.problem, KEY in raised.value.message) == (raised.value, False)


@pytest.mark.parametrize("how", ["apart", "together", "without its empty line"])
@pytest.mark.parametrize("dialect", [Dialect.ANTHROPIC_MESSAGES, Dialect.OPENAI_RESPONSES])
def test_an_error_behind_the_last_event_is_ignored(dialect: Dialect, how: str) -> None:
    """The answer was whole; clients that raise at the event would throw it away."""
    events, error = EVENTS[dialect], error_event(dialect)
    pieces = [*events, error.rstrip(b"\n") if how == "without its empty line" else error]
    played = Played(dialect, model=ASKED).head(200, STREAM)

    played.body(b"".join(pieces)) if how == "together" else played.body(*pieces)
    played.end()

    assert played.outcome == (200, b"".join(events), "whole")
    assert (played.relay.problem, played.relay.complaint, played.record.code) == (None, None, None)


@pytest.mark.parametrize("together", [False, True])
def test_an_error_behind_a_chats_finish_reason_is_passed_on(together: bool) -> None:
    """Counts were still to come, and it says why they do not; the answer ends as the whole one that it is."""
    events = EVENTS[Dialect.OPENAI_CHAT]
    finished = next(at for at, event in enumerate(events) if b'"finish_reason":"stop"' in event)
    pieces = [*events[: finished + 1], error_event(Dialect.OPENAI_CHAT)]
    played = Played(model=ASKED).head(200, STREAM)

    played.body(b"".join(pieces)) if together else played.body(*pieces)
    played.end()

    assert played.outcome == (200, b"".join(pieces).replace(KEY.encode(), b"***"), "whole")


@pytest.mark.parametrize("dialect", list(Dialect))
def test_an_error_event_of_any_length_is_told_in_few_words(dialect: Dialect) -> None:
    """It is searched for secrets while everybody waits: half a megabyte of it is told in our own event."""
    begun = EVENTS[dialect][: CONTENT[dialect] + 1]
    long = error_event(dialect).replace(b"no ", b"no " + b"x" * 2 * HELD_ERROR_BYTES)
    played = Played(dialect, model=ASKED).head(200, STREAM)

    with pytest.raises(UpstreamRefused) as raised:
        played.body(*begun, long)

    told = DIALECTS[dialect].error_event(raised.value, "req-1")
    assert played.outcome == (200, b"".join(begun) + told, "loud")
    assert 1000 < len(raised.value.message) < 1100


@pytest.mark.parametrize("dialect", list(Dialect))
def test_an_error_event_before_content_is_an_error_to_answer_with(dialect: Dialect) -> None:
    """Also in one read with the prelude and with content that comes too late."""
    events, at = EVENTS[dialect], CONTENT[dialect]
    played = Played(dialect, model=ASKED).head(200, STREAM)

    with pytest.raises(UpstreamRefused) as raised:
        played.body(b"".join([*events[:at], error_event(dialect), *events[at:]]))

    assert (played.outcome, played.relay.problem) == ((None, b"", None), raised.value)
    assert KEY not in raised.value.message


@pytest.mark.parametrize(
    ("dialect", "kind"),
    [
        (Dialect.OPENAI_CHAT, "invalid_api_key"),
        (Dialect.ANTHROPIC_MESSAGES, "authentication_error"),
        (Dialect.OPENAI_RESPONSES, "invalid_api_key"),
    ],
)
def test_a_key_that_is_refused_in_mid_stream_is_told_in_our_words(dialect: Dialect, kind: str) -> None:
    """As before the content: what the provider says about a key is for the operator."""
    begun = EVENTS[dialect][: CONTENT[dialect] + 1]
    played = Played(dialect).head(200, STREAM)

    with pytest.raises(UpstreamAuth) as raised:
        played.body(*begun, error_event(dialect, kind))

    told = DIALECTS[dialect].error_event(raised.value, "req-1")
    assert played.outcome == (200, b"".join(begun) + told, "loud")


def test_an_error_without_its_empty_line_is_told_as_any_other() -> None:
    """Some providers close right behind it."""
    begun = EVENTS[Dialect.OPENAI_CHAT][:2]
    error = error_event(Dialect.OPENAI_CHAT)
    played = Played().head(200, STREAM).body(*begun, error.rstrip(b"\n")).end()

    assert played.outcome == (200, b"".join(begun) + error, "loud")
    assert type(played.relay.problem) is UpstreamRefused


def test_a_response_that_failed_ends_as_its_dialect_says() -> None:
    """Its terminal event says so; the key in it is not told."""
    begun = EVENTS[Dialect.OPENAI_RESPONSES][:5]
    failed = {"type": "response.failed", "response": {"status": "failed", "error": {"message": KEY}}}
    event = b"event: response.failed\ndata: " + json.dumps(failed).encode() + b"\n\n"
    played = Played(Dialect.OPENAI_RESPONSES, model=ASKED).head(200, STREAM).body(*begun, event).end()

    assert played.outcome == (200, b"".join(begun) + event.replace(KEY.encode(), b"***"), "whole")
    assert (played.relay.problem, played.record.code) == (None, "upstream_error")


@pytest.mark.parametrize("status", [400, 404, 409, 422, 429, 500, 529])
def test_an_error_that_quotes_the_key_is_told_without_it(status: int) -> None:
    """Else of the provider's, byte for byte and with the length that is left; whether it is answered with at
    once, or when nobody else has answered."""
    body = b'{"error":  {"message": "Bearer ' + KEY.encode() + b'", "type": null, "x": 1}}\n'
    fields = [JSON, (b"x-ratelimit-key", KEY.encode()), (b"retry-after", KEY.encode())]
    played = Played(stream=False, model=ASKED).head(status, *fields).body(body).end()

    told, lines = body.replace(KEY.encode(), b"***"), b"x-ratelimit-key: ***\r\n"
    problem = played.relay.problem
    if isinstance(problem, UpstreamRefused):
        assert (problem.body, problem.lines) == (told, b"content-type: application/json\r\n" + lines)
    else:
        assert (played.outcome, played.client.length) == ((status, told, "whole"), len(told))
        assert played.client.fields == b"content-type: application/json\r\n" + lines + LINES


def test_an_answer_is_not_searched() -> None:
    """What a model says is the caller's, whatever it is."""
    body = PLAIN[Dialect.OPENAI_CHAT].replace(b"hello", KEY.encode())
    played = Played(stream=False, model=ASKED).head(200, JSON).body(body).end()

    assert played.outcome == (200, body, "whole")


@pytest.mark.parametrize(
    ("dialect", "body", "message"),
    [
        (
            Dialect.OPENAI_CHAT,
            b'{"type":"error","error":{"type":"invalid_request_error","message":"no"}}',
            "no",
        ),
        (Dialect.ANTHROPIC_MESSAGES, b'{"error":{"message":"no","type":"x","param":null}}', "no"),
        (Dialect.OPENAI_RESPONSES, b'{"detail":"no"}', "no"),
        (Dialect.ANTHROPIC_MESSAGES, b'{"error":"no ' + KEY.encode() + b'"}', "no ***"),
        (
            Dialect.OPENAI_CHAT,
            b"null",
            "The provider answered with status 422 and a body that is not an error of its dialect (null).",
        ),
        (
            Dialect.OPENAI_CHAT,
            b"<html>",
            "The provider answered with status 422 and a body that is not an error of its dialect.",
        ),
    ],
)
def test_an_error_in_other_words_is_put_into_the_clients(dialect: Dialect, body: bytes, message: str) -> None:
    """The status is the provider's, the message too where it can be found."""
    problem = Played(dialect, stream=False, model=ASKED).head(422, JSON).body(body).end().relay.problem

    assert isinstance(problem, UpstreamRefused)
    assert (problem.status, problem.body, problem.message) == (422, None, message)


@pytest.mark.parametrize("dialect", list(Dialect))
@pytest.mark.parametrize("body", [b"{}", b'{"error":{}}', b'{"type":"x"}'])
def test_a_document_that_is_no_answer_is_a_failure(dialect: Dialect, body: bytes) -> None:
    """Another candidate may have one."""
    played = Played(dialect, stream=False).head(200, JSON).body(body).end()

    assert (played.outcome, type(played.relay.problem)) == ((None, b"", None), UpstreamInvalid)


@pytest.mark.parametrize("dialect", list(Dialect))
def test_an_answer_that_is_not_utf_8_is_a_failure(dialect: Dialect) -> None:
    """Wherever the broken byte is: clients decode all of it."""
    body = PLAIN[dialect].rstrip().removesuffix(b"}") + b',"x":"\xff"}'
    played = Played(dialect, stream=False).head(200, JSON).body(body).end()

    assert (played.outcome, type(played.relay.problem)) == ((None, b"", None), UpstreamInvalid)
