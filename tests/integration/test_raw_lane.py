"""Byte for byte: what a client wrote is what its provider reads, and the same on the way back.

Prompt caches, signatures and fields that nobody here has heard of hang on it.
"""

from __future__ import annotations

import gzip
from collections.abc import Callable, Sequence

import pytest

from plano.chat.dialect import Dialect
from tests.wall.answers import EVENTS, PLAIN
from tests.wall.gateway import config_at, gateway
from tests.wall.raw_client import RawClient, RawReply
from tests.wall.script import Chunk, Fin, Head, LastChunk, Raw, Script, close_delimited, sized
from tests.wall.upstream import ScriptedUpstream

PATHS = {
    Dialect.OPENAI_CHAT: "/v1/chat/completions",
    Dialect.ANTHROPIC_MESSAGES: "/v1/messages",
    Dialect.OPENAI_RESPONSES: "/v1/responses",
}
MODELS = {
    Dialect.OPENAI_CHAT: ("openai/gpt-wall", "gpt-wall"),
    Dialect.ANTHROPIC_MESSAGES: ("anthropic/claude-wall", "claude-wall"),
    Dialect.OPENAI_RESPONSES: ("openai/gpt-wall", "gpt-wall"),
}

BODIES = [
    pytest.param('{"model":"%"}', id="nothing else"),
    pytest.param('{"model":"%","x_future":{"a":[1,{"b":null}]},"metadata":{"":""}}', id="unknown fields"),
    pytest.param(' \r\n{\t"x" :\n1 , "model"\t: \r\n "%"\n,"y":[ ]  ,"z" : { } }\n\n', id="odd spacing"),
    pytest.param('{"a":"\\u0041\\/\\b\\ud83c\\udf0d\\\\\\"","model":"%","b":"\\u0000"}', id="escapes"),
    pytest.param('{"\\u006dessages":[],"model":"%","\\u00e9\\n":1}', id="escaped keys"),
    pytest.param('{"x":"ü ⚡ 🌍 \u2028 \u202e \ufeff \u007f","model":"%","ключ":"値"}', id="unicode"),
    pytest.param(
        '{"seed":123456789012345678901234567890,"e":-0.10E+02,"z":1e400,"model":"%","f":1.0}', id="numbers"
    ),
    pytest.param(
        '{"x":{"a":1,"a":2,"\\u0061":3,"model":"not this one"},"model":"%"}', id="nested duplicates"
    ),
    pytest.param('{"x":"\\"model\\":\\"no\\"","y":["model","gpt-wall"],"model":"%"}', id="decoys"),
    pytest.param('{"x":"' + "long and wide: äöü " * 3000 + '","model":"%","y":[1]}', id="54 KB"),
    pytest.param(
        '{"x":[' + '{"model":"gpt-wall"},' * 20000 + '1],"model":"%"}', id="300 KB of nested models"
    ),
]
"""A `%` is where the model stands."""


@pytest.mark.parametrize("dialect", Dialect)
@pytest.mark.parametrize("body", BODIES)
async def test_nothing_but_the_models_name_is_changed_on_the_way_up(
    client: RawClient, upstream: ScriptedUpstream, dialect: Dialect, body: str
) -> None:
    """A cache prefix that differs in one blank is a cache miss, at full price."""
    asked, sent = (body.replace("%", name) for name in MODELS[dialect])

    await client.post(PATHS[dialect], asked.encode())
    reply = await client.reply()

    assert reply.status == 200
    assert upstream.attempts[0].body == sent.encode()


async def test_a_body_in_chunks_goes_up_whole(client: RawClient, upstream: ScriptedUpstream) -> None:
    """Clients that do not know the length; the provider gets one that does."""
    body = '{"model":"gpt-wall","x":"ü","messages":[]}'.encode()
    pieces = b"".join(b"1\r\n%c\r\n" % byte for byte in body)
    head = b"POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n"

    await client.send(head + pieces + b"0\r\n\r\n")
    reply = await client.reply()

    request = upstream.attempts[0].request
    assert (reply.status, request.body) == (200, body)
    assert (request.header("content-length"), request.header("transfer-encoding")) == (str(len(body)), None)


@pytest.mark.parametrize(
    ("asked", "sent"),
    [
        (
            '{"routing_preferences":[{"name":"a","description":"b","models":["gpt-wall"]}],"model":"gpt-wall"}',
            '{"model":"gpt-wall"}',
        ),
        ('{"model":"gpt-wall", "routing_preferences" : [ ] , "n":1}', '{"model":"gpt-wall",  "n":1}'),
        ('{"model":"gpt-wall" ,"routing_preferences":[]}', '{"model":"gpt-wall" }'),
        ('{"routing_preferences":null}', '{"model":"gpt-wall"}'),
        (
            '{"x":{"routing_preferences":1},"\\u0072outing_preferences":[],"model":"fast"}',
            '{"x":{"routing_preferences":1},"model":"gpt-wall"}',
        ),
    ],
)
async def test_routing_preferences_are_never_sent_upstream(
    upstream: ScriptedUpstream, asked: str, sent: str
) -> None:
    """They are for this gateway; providers refuse members they do not know. The rest stays as it was."""
    aliases = {"fast": {"target": "gpt-wall"}}
    async with (
        gateway(config_at(upstream, model_aliases=aliases)) as running,
        RawClient(running.port) as client,
    ):
        await client.post("/v1/chat/completions", asked.encode())
        await client.reply()

    assert upstream.attempts[0].body.decode() == sent


# --- the way back


async def answered(scripts: Sequence[Script], dialect: Dialect, *, stream: bool) -> RawReply:
    """One answer to a request of `dialect` through a gateway before the first script."""
    body = f'{{"model":"{MODELS[dialect][0]}","stream":{str(stream).lower()}}}'
    async with (
        ScriptedUpstream(scripts) as upstream,
        gateway(config_at(upstream)) as running,
        RawClient(running.port) as client,
    ):
        await client.post(PATHS[dialect], body.encode())
        return await client.reply()


def as_it_is(events: list[bytes]) -> list[bytes]:
    return events


def with_crlf(events: list[bytes]) -> list[bytes]:
    return [event.replace(b"\n", b"\r\n") for event in events]


def with_cr(events: list[bytes]) -> list[bytes]:
    return [event.replace(b"\n", b"\r") for event in events]


def with_strangers(events: list[bytes]) -> list[bytes]:
    """Comments, ids, retries, unknown fields, an unknown event, a colon without its blank."""
    strange = [
        b": keep-alive\n\n",
        b"id: 7\nretry: 3000\n\n",
        b'event: x_wall.unknown\ndata: {"type":"x_wall.unknown", "a" : [ 1.50 ]}\n\n',
        b":\n\n",
        b'odd field\nevent:x_wall\nid:8\ndata:{"type":"x_wall",\ndata:"b":1}\n\n',
    ]
    return [strange[0], *events[:3], *strange, *events[3:], b": bye\n\n"]


def in_one_piece(events: list[bytes]) -> list[bytes]:
    return [b"".join(events)]


def byte_by_byte(events: list[bytes]) -> list[bytes]:
    return [bytes([byte]) for byte in b"".join(events)]


SHAPES = [as_it_is, with_crlf, with_cr, with_strangers, in_one_piece, byte_by_byte]


@pytest.mark.parametrize("dialect", Dialect)
@pytest.mark.parametrize("shape", SHAPES)
async def test_a_stream_comes_back_byte_for_byte(
    dialect: Dialect, shape: Callable[[list[bytes]], list[bytes]]
) -> None:
    """Whatever its line ends, its cuts and the events in it that nobody here knows."""
    pieces = shape(EVENTS[dialect])
    script: Script = [Head(200, (("content-type", "text/event-stream"),)), *map(Chunk, pieces), LastChunk()]

    reply = await answered([script], dialect, stream=True)

    assert (reply.status, reply.body, reply.whole) == (200, b"".join(pieces), True)


@pytest.mark.parametrize("dialect", Dialect)
@pytest.mark.parametrize("framing", ["sized", "chunked", "closed"])
async def test_a_plain_answer_comes_back_byte_for_byte(dialect: Dialect, framing: str) -> None:
    """However the provider frames it; spacing, escapes and numbers included."""
    body = PLAIN[dialect]
    head = Head(200)
    scripts: dict[str, Script] = {
        "sized": sized(body),
        "chunked": [head, *(Chunk(body[at : at + 7]) for at in range(0, len(body), 7)), LastChunk()],
        "closed": close_delimited(body),
    }

    reply = await answered([scripts[framing]], dialect, stream=False)

    assert (reply.status, reply.body, reply.whole) == (200, body, True)
    assert reply.header("content-length") == str(len(body))


async def test_a_stream_that_ends_with_its_connection_is_whole_by_its_last_event() -> None:
    """Some servers delimit by closing; the client gets a body with an end of its own."""
    data = b"".join(EVENTS[Dialect.OPENAI_CHAT])
    script: Script = [Head(200, (("content-type", "text/event-stream"),), framed=False), Raw(data), Fin()]

    reply = await answered([script], Dialect.OPENAI_CHAT, stream=True)

    assert (reply.body, reply.whole, reply.header("transfer-encoding")) == (data, True, "chunked")


async def test_a_stream_under_another_name_is_still_one() -> None:
    """A content type that a server forgot does not hide the events."""
    data = b"".join(EVENTS[Dialect.OPENAI_CHAT])

    reply = await answered([sized(data)], Dialect.OPENAI_CHAT, stream=True)

    assert (reply.status, reply.body, reply.whole) == (200, data, True)


@pytest.mark.parametrize("stream", [False, True])
async def test_what_nobody_asked_to_be_compressed_comes_back_plain(*, stream: bool) -> None:
    """Usage and endings must be seen on the way past, and the client asked for nothing else."""
    dialect = Dialect.OPENAI_CHAT
    data = b"".join(EVENTS[dialect]) if stream else PLAIN[dialect]
    kind = "text/event-stream" if stream else "application/json"
    headers = (("content-type", kind), ("content-encoding", "gzip"))

    reply = await answered([sized(gzip.compress(data), headers=headers)], dialect, stream=stream)

    assert (reply.status, reply.body, reply.whole) == (200, data, True)
    assert reply.header("content-encoding") is None


async def test_a_providers_error_comes_back_byte_for_byte() -> None:
    """Programs read fields of errors that only their provider knows."""
    body = '{ "error" : {"message":"n\\u00f6 ⚡","type":"odd","code":"context_length_exceeded","x":1.50}}\n'
    script = sized(body.encode(), status=400)

    reply = await answered([script], Dialect.OPENAI_CHAT, stream=True)

    assert (reply.status, reply.body) == (400, body.encode())
