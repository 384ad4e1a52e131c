"""Answers that are not what their dialect promises: each an upstream's failure, and told as one."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable
from typing import Any

import pytest

from plano.chat.dialect import Dialect
from tests.fault.asks import asked
from tests.fault.baseline import unharmed
from tests.fault.cuts import STREAMS, Cuts
from tests.fault.watched import gateway
from tests.wall.answers import CHAT_EVENTS, EVENTS, PLAIN, good, refusal
from tests.wall.gateway import config_at, listener
from tests.wall.script import (
    EVENT_STREAM,
    JSON,
    Chunk,
    Fin,
    Head,
    Headers,
    LastChunk,
    Raw,
    Script,
    Stall,
    chunked,
    close_delimited,
    sized,
)

CHAT = Dialect.OPENAI_CHAT
HTML = b"<!doctype html>\n<title>Bad day</title>\n"
AS_HTML: Headers = [("content-type", "text/html")]
SMALL = listener(reply_bytes="64KiB")
"""A limit that can be passed in a test."""


def _gzipped(data: bytes) -> bytes:
    return gzip.compress(data, mtime=0)


def _coded(coding: str, headers: Headers = JSON) -> Headers:
    return [*headers, ("content-encoding", coding)]


def _redirect(status: int, *, stream: bool) -> Script:
    """To somewhere else, with a body that would pass for an answer (a 304 has none)."""
    location = ("location", "/v1/elsewhere")
    if status == 304:
        return [Head(status, [location], framed=False)]
    body, headers = (STREAMS[CHAT], EVENT_STREAM) if stream else (PLAIN[CHAT], JSON)
    return sized(body, status=status, headers=[*headers, location])


BOMB = _gzipped(b'{"x": "' + b" " * 64 * 1024 * 1024 + b'"}')
"""64 MiB in 64 KiB."""

INVALID = [
    pytest.param(False, sized(b""), id="empty"),
    pytest.param(False, [Head(204, framed=False), Fin()], id="204"),
    pytest.param(False, sized(b"", status=204), id="204 with a length"),
    pytest.param(False, sized(HTML, headers=AS_HTML), id="HTML"),
    pytest.param(False, sized(HTML), id="HTML that says it is JSON"),
    pytest.param(False, sized(b'{"choices": [}'), id="broken JSON"),
    pytest.param(False, sized(b"[1, 2]"), id="a list"),
    pytest.param(False, sized(b"null"), id="null"),
    pytest.param(False, sized(b'"text"'), id="a text"),
    pytest.param(False, sized(b"\xff\xfe{}"), id="not UTF-8"),
    pytest.param(False, sized(b"[" * 100_000), id="nested without end"),
    pytest.param(False, good(CHAT, stream=True), id="a stream, unasked"),
    pytest.param(False, close_delimited(b"", headers=JSON), id="closed at once"),
    pytest.param(True, chunked([]), id="a stream of nothing"),
    pytest.param(True, sized(b"", headers=EVENT_STREAM), id="an empty stream"),
    pytest.param(True, sized(b""), id="nothing, for a stream"),
    pytest.param(True, sized(b"", status=204), id="204, for a stream"),
    pytest.param(True, good(CHAT, stream=False), id="one JSON document, for a stream"),
    pytest.param(True, sized(HTML, headers=AS_HTML), id="HTML, for a stream"),
    pytest.param(True, sized(HTML, headers=EVENT_STREAM), id="HTML that says it is a stream"),
    pytest.param(True, chunked([b"data: <html>\n\n"]), id="HTML in an event"),
    pytest.param(True, chunked([b"data: [1]\n\n"]), id="a list in an event"),
    pytest.param(True, chunked([b": nothing but\n\n", b": comments\n\n"]), id="comments alone"),
    pytest.param(True, chunked([b"data: [DONE]\n\n"]), id="[DONE] alone"),
    pytest.param(True, chunked([b"data: {}\n\n" * 3]), id="empty objects"),
    *[
        pytest.param(
            stream, _redirect(status, stream=stream), id=f"{status}, {'stream' if stream else 'plain'}"
        )
        for status in (300, 301, 302, 303, 304, 307, 308)
        for stream in (False, True)
    ],
    pytest.param(False, [Raw(b"HTTP/2.0 200 OK\r\ncontent-length: 2\r\n\r\n{}"), Stall()], id="another HTTP"),
    pytest.param(False, [Raw(b"<html>no HTTP at all</html>"), Fin()], id="no HTTP at all"),
    pytest.param(False, [Raw(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), Stall()], id="HTTP/2's preface"),
    pytest.param(False, [Raw(b"\x16\x03\x01\x02\x00\x01"), Stall()], id="TLS"),
    pytest.param(False, [Raw(b"HTTP/1.1 101 Go\r\nupgrade: x\r\n\r\n"), Stall()], id="an upgrade, unasked"),
    pytest.param(
        False,
        [Raw(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n"), Stall()],
        id="two framings",
    ),
    pytest.param(
        False,
        [Raw(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\n{}"), Stall()],
        id="lengths",
    ),
    pytest.param(
        False, [Raw(b"HTTP/1.1 200 OK\r\ncontent-length: -2\r\n\r\n{}"), Stall()], id="a negative length"
    ),
    pytest.param(
        False,
        [Raw(b"HTTP/1.1 200 OK\r\ntransfer-encoding: gzip\r\n\r\n"), Stall()],
        id="a transfer coding",
    ),
    pytest.param(False, [Raw(b"HTTP/1.1 200 OK\r\nx y: 1\r\n\r\n"), Stall()], id="a blank in a name"),
    pytest.param(False, [Raw(b"HTTP/1.1 200 OK\r\nx: a\x00b\r\n\r\n"), Stall()], id="NUL in a field"),
    pytest.param(
        False,
        [Raw(b"HTTP/1.1 200 OK\r\nretry-after: a\x7fb\r\ncontent-length: 2\r\n\r\n{}"), Stall()],
        id="DEL in a field that travels on",
    ),
    pytest.param(False, [Raw(b"HTTP/1.1 200 OK\r\nx: %b\r\n" % (b"a" * 70_000)), Stall()], id="a huge field"),
    pytest.param(
        False, [Raw(b"HTTP/1.1 200 OK\r\n" + b"x: a\r\n" * 300 + b"\r\n"), Stall()], id="too many fields"
    ),
    pytest.param(
        False, [Raw(b"HTTP/1.1 103 Early Hints\r\n\r\n" * 5000), Stall()], id="interim answers without end"
    ),
    pytest.param(
        False, [Head(), Raw(b"1" + b";x=y" * 250_000 + b"\r\n"), Stall()], id="chunk extensions without end"
    ),
    pytest.param(False, [Head(), Raw(b"fffffffffffffffff\r\n"), Stall()], id="a chunk of 16 exbibytes"),
    pytest.param(False, sized(PLAIN[CHAT], headers=_coded("br")), id="brotli"),
    pytest.param(False, sized(PLAIN[CHAT], headers=_coded("gzip, gzip")), id="gzip twice"),
    pytest.param(False, sized(PLAIN[CHAT], headers=_coded("gzip")), id="gzip that is none"),
    pytest.param(False, sized(_gzipped(PLAIN[CHAT])[:-20], headers=_coded("gzip")), id="half a gzip"),
    pytest.param(False, sized(BOMB, headers=_coded("gzip")), id="a bomb"),
    pytest.param(
        True, [Head(200, _coded("gzip", EVENT_STREAM)), Chunk(BOMB), Stall()], id="a bomb of events"
    ),
    pytest.param(True, [Head(200, _coded("br", EVENT_STREAM)), Stall()], id="brotli, for a stream"),
]


@pytest.mark.parametrize(("stream", "script"), INVALID)
async def test_an_answer_that_is_none_is_the_upstreams_failure(stream: bool, script: Script) -> None:
    """Every client can read a 502 in its dialect; none can read what this upstream said. The request
    is sent once, and its connection closed where more might come."""
    async with Cuts() as upstream, gateway(config_at(upstream)) as running, unharmed(running):
        upstream.script = script
        reply = await asked(running.port, CHAT, stream=stream)
        (_, line) = await running.logged(2)

        code = reply.error(CHAT)["code"]
        assert (reply.status, line["ending"], len(upstream.attempts)) == (502, "upstream_failed", 2)
        assert code == line["code"]
        assert code in ("upstream_invalid", "upstream_broke")


OVERSIZED = [
    pytest.param(False, sized(b'{"x": "%b"}' % (b"x" * 70_000)), id="a plain answer"),
    pytest.param(False, chunked([b'{"x": "', *[b"x" * 9_000] * 8, b'"}'], headers=JSON), id="in chunks"),
    pytest.param(False, [Head(200, [*JSON, ("content-length", "70000")]), Stall()], id="by its length alone"),
    pytest.param(True, [Head(200, EVENT_STREAM), Chunk(b"data: " + b"x" * 70_000), Stall()], id="an event"),
    pytest.param(True, [Head(200, EVENT_STREAM), *[Chunk(b"x" * 9_000)] * 8, Stall()], id="a long line"),
    pytest.param(
        False, sized(_gzipped(b'{"x": "%b"}' % (b"x" * 70_000)), headers=_coded("gzip")), id="decompressed"
    ),
]


@pytest.mark.parametrize(("stream", "script"), OVERSIZED)
async def test_an_answer_over_the_limit_is_the_upstreams_failure(stream: bool, script: Script) -> None:
    """Memory is bounded by configuration, not by what a provider sends."""
    async with Cuts() as upstream, gateway(config_at(upstream, **SMALL)) as running, unharmed(running):
        upstream.script = script
        reply = await asked(running.port, CHAT, stream=stream)
        (_, line) = await running.logged(2)

        assert (reply.status, reply.error(CHAT)["code"]) == (502, "upstream_invalid")
        assert line["code"] == "upstream_invalid"


async def test_a_plain_answer_over_the_limit_that_has_begun_to_go_out_ends_loudly() -> None:
    """Long answers are relayed as they come, and still end at the limit: not as if they were whole."""
    script: Script = [Head(), Chunk(b'{"x": "'), *[Chunk(b"x" * 65536)] * 40, LastChunk()]
    limits = listener(reply_bytes="2MiB")
    async with Cuts() as upstream, gateway(config_at(upstream, **limits)) as running, unharmed(running):
        upstream.script = script
        reply = await asked(running.port, CHAT, stream=False)
        (_, line) = await running.logged(2)

        assert (reply.status, reply.loud) == (200, True)
        assert len(reply.body) <= 2 * 1024 * 1024
        assert (line["code"], line["ending"], line["phase"]) == (
            "upstream_invalid",
            "upstream_failed",
            "stream",
        )


async def test_a_large_event_after_content_is_told_in_the_stream() -> None:
    """What went before it has gone out already."""
    script: Script = [
        Head(200, EVENT_STREAM),
        Chunk(b"".join(CHAT_EVENTS[:2])),
        Chunk(b"data: " + b"x" * 70_000),
        Stall(),
    ]
    async with Cuts() as upstream, gateway(config_at(upstream, **SMALL)) as running, unharmed(running):
        upstream.script = script
        reply = await asked(running.port, CHAT, stream=True)

        assert (reply.status, reply.loud) == (200, True)
        assert reply.body.startswith(b"".join(CHAT_EVENTS[:2]) + b'data: {"error":')


PACKS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": _gzipped,
    "x-gzip": _gzipped,
    "GZIP": _gzipped,
    "deflate": zlib.compress,
    "identity": bytes,
}
COMPRESSED = [
    pytest.param(dialect, stream, coding, id=f"{dialect.value}, {'stream' if stream else 'plain'}, {coding}")
    for dialect in Dialect
    for stream in (False, True)
    for coding in PACKS
]


@pytest.mark.parametrize(("dialect", "stream", "coding"), COMPRESSED)
async def test_an_answer_that_is_compressed_unasked_is_relayed_in_clear(
    dialect: Dialect, stream: bool, coding: str
) -> None:
    """`accept-encoding: identity` went out; who compresses all the same is understood."""
    plain = STREAMS[dialect] if stream else PLAIN[dialect]
    packed = PACKS[coding](plain)
    headers = _coded(coding, EVENT_STREAM if stream else JSON)
    pieces = [packed[at : at + 100] for at in range(0, len(packed), 100)]
    async with Cuts() as upstream, gateway(config_at(upstream)) as running:
        upstream.script = chunked(pieces, headers=headers)
        reply = await asked(running.port, dialect, stream=stream)
        (line,) = await running.logged(1)

    assert (reply.status, reply.body, reply.whole) == (200, plain, True)
    assert "content-encoding" not in reply.headers
    assert (line["ending"], line["output_tokens"]) == ("answered", 5)


async def test_a_compressed_stream_that_lacks_its_trailer_is_whole_at_its_terminal_event() -> None:
    """The dialect says when an answer is whole; a checksum that never came does not take that back."""
    packed = _gzipped(STREAMS[CHAT])[:-8]
    async with Cuts() as upstream, gateway(config_at(upstream)) as running:
        upstream.script = chunked([packed], headers=_coded("gzip", EVENT_STREAM))
        reply = await asked(running.port, CHAT, stream=True)

    assert (reply.status, reply.body, reply.whole) == (200, STREAMS[CHAT], True)


async def test_a_compressed_error_is_relayed_in_clear() -> None:
    """Errors are read, and passed on, like answers."""
    clear = refusal(400, CHAT)[1]
    assert isinstance(clear, Raw)
    async with Cuts() as upstream, gateway(config_at(upstream)) as running:
        upstream.script = sized(_gzipped(clear.data), status=400, headers=_coded("gzip"))
        reply = await asked(running.port, CHAT, stream=True)

    assert (reply.status, reply.body) == (400, clear.data)


INTERIM = [
    pytest.param(b"HTTP/1.1 100 Continue\r\n\r\n", id="100"),
    pytest.param(b"HTTP/1.1 102 Processing\r\n\r\n" * 3, id="102, three times"),
    pytest.param(b"HTTP/1.1 103 Early Hints\r\nlink: </x>\r\nretry-after: 7\r\n\r\n", id="103 with fields"),
]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("interim", INTERIM)
async def test_interim_answers_are_swallowed(interim: bytes, stream: bool) -> None:
    """Nobody asked for them, and their fields are not those of the answer."""
    async with Cuts() as upstream, gateway(config_at(upstream)) as running, unharmed(running):
        upstream.script = [Raw(interim), *good(CHAT, stream=stream)]
        reply = await asked(running.port, CHAT, stream=stream)

        assert (reply.status, reply.body) == (200, STREAMS[CHAT] if stream else PLAIN[CHAT])
        assert "retry-after" not in reply.headers
        assert len({attempt.connection.number for attempt in upstream.attempts}) == 1


FORGOTTEN: list[Any] = [
    pytest.param(EVENT_STREAM, id="as it should be"),
    pytest.param([("Content-Type", "TEXT/EVENT-STREAM")], id="in capitals"),
    pytest.param(JSON, id="called JSON"),
    pytest.param([("content-type", "text/plain")], id="called text"),
    pytest.param([("server", "forgetful")], id="not called anything"),
]


@pytest.mark.parametrize("dialect", list(Dialect))
@pytest.mark.parametrize("bytewise", [False, True])
@pytest.mark.parametrize("headers", FORGOTTEN)
async def test_a_stream_is_known_by_its_events(headers: Headers, bytewise: bool, dialect: Dialect) -> None:
    """Some servers name the wrong content type, or none; their streams are streams all the same."""
    pieces = [b"\n", *(bytes([byte]) for byte in STREAMS[dialect])] if bytewise else EVENTS[dialect]
    async with Cuts() as upstream, gateway(config_at(upstream)) as running:
        upstream.script = chunked(pieces, headers=headers)
        reply = await asked(running.port, dialect, stream=True)

    assert (reply.status, reply.body.lstrip(b"\n"), reply.whole) == (200, STREAMS[dialect], True)
