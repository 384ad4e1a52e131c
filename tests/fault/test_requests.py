"""Requests that cannot be read, or will not end: refused in the caller's dialect, and sent nowhere."""

from __future__ import annotations

import asyncio
import gzip

import pytest

from plano.chat.dialect import Dialect
from tests.fault.asks import PATHS, answered, ask, request
from tests.fault.baseline import unharmed, until
from tests.fault.cuts import Cuts
from tests.fault.told import Told, told
from tests.fault.watched import gateway
from tests.wall.gateway import config_at, listener
from tests.wall.raw_client import RawClient

CHAT = Dialect.OPENAI_CHAT
ANTHROPIC_TYPES = {
    400: "invalid_request_error",
    408: "invalid_request_error",
    413: "request_too_large",
    414: "invalid_request_error",
    415: "invalid_request_error",
    431: "invalid_request_error",
}


def assert_refused(dialect: Dialect, reply: Told, status: int, code: str) -> None:
    """In the dialect, with the code where the dialect has a place for one."""
    error = reply.error(dialect)
    assert reply.status == status
    if dialect is Dialect.ANTHROPIC_MESSAGES:
        assert error["type"] == ANTHROPIC_TYPES[status]
    else:
        assert (error["code"], error["type"]) == (code, "invalid_request_error")
    assert error["message"]


GOOD = b"<a good request>"
OPEN = b"<a good request without its last brace>"
"""Stand for what differs between the dialects."""


def _written(template: bytes, dialect: Dialect) -> bytes:
    good = ask(dialect, stream=False)
    return template.replace(OPEN, good[:-1]).replace(GOOD, good)


def _nested(levels: int) -> bytes:
    """A good request of that many levels, the outermost object among them."""
    return OPEN + b', "x": ' + b"[" * (levels - 1) + b"]" * (levels - 1) + b"}"


def _with(members: bytes) -> bytes:
    return OPEN + b", " + members + b"}"


MALFORMED = [
    pytest.param(b"", id="empty"),
    pytest.param(b" \r\n", id="blank"),
    pytest.param(b"model=x", id="no JSON"),
    pytest.param(OPEN, id="JSON without its end"),
    pytest.param(GOOD + b"}", id="JSON and more"),
    pytest.param(GOOD * 2, id="two documents"),
    pytest.param(b"\xef\xbb\xbf" + GOOD, id="a byte order mark"),
    pytest.param("{}".encode("utf-16"), id="UTF-16"),
    pytest.param(_with(b"'x': 1"), id="single quotes"),
    pytest.param(_with(b'"x": 01'), id="a leading zero"),
    pytest.param(_with(b'"x": NaN'), id="NaN"),
    pytest.param(_with(b'"x": -Infinity'), id="-Infinity"),
    pytest.param(_with(b'"x": [{"y": NaN}]'), id="NaN, deep"),
    pytest.param(_with(b'"x": "\xff"'), id="invalid UTF-8"),
    pytest.param(_with(b'"x": "\xed\xa0\x80"'), id="a surrogate in UTF-8"),
    pytest.param(_with(b'"x": "\xc0\xaf"'), id="overlong UTF-8"),
    pytest.param(_with(b'"x": {"y": ["\xe4"]}'), id="invalid UTF-8, deep"),
    pytest.param(_with(b'"x": "\\ud800"'), id="a lone high surrogate"),
    pytest.param(_with(b'"x": "\\udc00 "'), id="a lone low surrogate"),
    pytest.param(_with(b'"x": "a\nb"'), id="a bare newline in a text"),
    pytest.param(_with(b'"x": "\x00"'), id="NUL in a text"),
    pytest.param(_with(b'"model": "other"'), id="the model twice"),
    pytest.param(_with(b'"mod\\u0065l": "other"'), id="the model twice, escaped"),
    pytest.param(_with(b'"x": 1, "x": 1'), id="any key twice"),
    pytest.param(_nested(65), id="65 levels"),
    pytest.param(_nested(100_000), id="100,000 levels"),
    pytest.param(b'{"x":' * 100_000, id="100,000 objects without an end"),
]
MISTYPED = [
    pytest.param(b"[]", id="a list"),
    pytest.param(b"null", id="null"),
    pytest.param(b'"text"', id="a text"),
    pytest.param(b"12", id="a number"),
    pytest.param(b'{"model": 12}', id="a number for the model"),
    pytest.param(b'{"model": ["openai/gpt-wall"]}', id="a list for the model"),
    pytest.param(b'{"model": {"name": "x"}}', id="an object for the model"),
    pytest.param(_with(b'"tools": {}'), id="an object for the tools"),
    pytest.param(_with(b'"routing_preferences": "x"'), id="a text for the routes"),
    pytest.param(b'{"model": null, "stream": "yes"}', id="a text for the stream"),
]
UNREADABLE = (("invalid_json", MALFORMED), ("invalid_request", MISTYPED))
BODIES = [pytest.param(*case.values, code, id=case.id) for code, cases in UNREADABLE for case in cases]


@pytest.mark.parametrize("dialect", list(Dialect))
@pytest.mark.parametrize(("template", "code"), BODIES)
async def test_a_body_that_cannot_be_read_is_refused_and_sent_nowhere(
    template: bytes, code: str, dialect: Dialect
) -> None:
    """What one parser reads in another way than the next must not get past the first. The framing is sound,
    so the connection goes on."""
    async with Cuts() as upstream, gateway(config_at(upstream)) as running, unharmed(running):
        async with RawClient(running.port) as client:
            await client.send(request(dialect, body=_written(template, dialect)))
            first = await client.reply()
            await client.send(request(dialect, "connection: close"))
            rest = told(*await client.read_to_end())

        refusal = Told(first.status, dict(first.headers), first.body, first.whole, "fin")
        assert_refused(dialect, refusal, 400, code)
        assert (rest.status, len(upstream.attempts)) == (200, 2)


@pytest.mark.parametrize("dialect", list(Dialect))
async def test_64_levels_are_not_too_many(dialect: Dialect) -> None:
    """Tool schemas nest; the limit is where no honest request has been."""
    body = _written(_nested(64), dialect)
    async with Cuts() as upstream, gateway(config_at(upstream)) as running:
        reply = await answered(running.port, request(dialect, "connection: close", body=body))

    assert (reply.status, upstream.attempts[0].body.endswith(b"]" * 63 + b"}")) == (200, True)


HEADS = [
    pytest.param(("content-encoding: gzip",), 415, "unsupported_encoding", id="compressed"),
    pytest.param(("content-encoding: br",), 415, "unsupported_encoding", id="brotli"),
    pytest.param(("content-encoding: made-up",), 415, "unsupported_encoding", id="an encoding nobody knows"),
    pytest.param(("x-model-affinity: ",), 400, "invalid_affinity_id", id="an empty affinity id"),
    pytest.param((f"x-model-affinity: {'a' * 257}",), 400, "invalid_affinity_id", id="a long affinity id"),
    pytest.param(("x-model-affinity: a b",), 400, "invalid_affinity_id", id="a blank in it"),
    pytest.param(("x-model-affinity: \xe4",), 400, "invalid_affinity_id", id="an affinity id past ASCII"),
    pytest.param(("x-model-affinity: a",) * 2, 400, "invalid_affinity_id", id="two affinity ids"),
    pytest.param((f"x-a: {'a' * 33_000}",), 431, "headers_too_large", id="a huge field"),
    pytest.param([f"x-{number}: a" for number in range(129)], 431, "headers_too_large", id="too many fields"),
    pytest.param(["x-a: a"] * 129, 431, "headers_too_large", id="one field too many times"),
    pytest.param([f"x-{n}: {'a' * 400}" for n in range(90)], 431, "headers_too_large", id="large together"),
]


@pytest.mark.parametrize("dialect", list(Dialect))
@pytest.mark.parametrize(("headers", "status", "code"), HEADS)
async def test_a_head_that_cannot_be_served_is_refused(
    headers: tuple[str, ...], status: int, code: str, dialect: Dialect
) -> None:
    """With the status that says what to change."""
    wire = request(dialect, "connection: close", *headers)
    async with Cuts() as upstream, gateway(config_at(upstream)) as running, unharmed(running):
        reply = await answered(running.port, wire)
        (_, line) = await running.logged(2)

        assert_refused(dialect, reply, status, code)
        told_of = (line["status"], line["code"], line["ending"], line["phase"])
        assert told_of == (status, code, "refused", "read")
        assert len(upstream.attempts) == 1


async def test_a_compressed_body_is_refused_although_it_could_be_read() -> None:
    """The body goes up as it came: an upstream that was told nothing of gzip would not know it."""
    body = gzip.compress(ask(CHAT, stream=False))
    wire = request(CHAT, "connection: close", "content-encoding: gzip", body=body)
    async with Cuts() as upstream, gateway(config_at(upstream)) as running:
        reply = await answered(running.port, wire)

    assert (reply.status, upstream.attempts) == (415, [])


async def test_a_target_over_the_limit_is_refused() -> None:
    """414 says which part of the head is at fault."""
    wire = request(CHAT, "connection: close").replace(b" HTTP/1.1", b"?%b HTTP/1.1" % (b"a" * 8200), 1)
    async with Cuts() as upstream, gateway(config_at(upstream)) as running, unharmed(running):
        reply = await answered(running.port, wire)

        assert_refused(CHAT, reply, 414, "uri_too_long")
        assert len(upstream.attempts) == 1


SMALL = listener(body_bytes="64KiB")
OVERSIZED = [
    pytest.param("content-length: 70000\r\n\r\n", id="announced"),
    pytest.param(
        "content-length: 70000\r\nexpect: 100-continue\r\n\r\n", id="announced, and waiting to be invited"
    ),
    pytest.param("content-length: 99999999999999999999\r\n\r\n", id="announced beyond all numbers"),
    pytest.param(
        "transfer-encoding: chunked\r\n\r\n" + ("2000\r\n" + "a" * 8192 + "\r\n") * 9, id="in chunks"
    ),
]


@pytest.mark.parametrize("dialect", list(Dialect))
@pytest.mark.parametrize("rest", OVERSIZED)
async def test_a_body_over_the_limit_is_refused_before_it_is_read(rest: str, dialect: Dialect) -> None:
    """As soon as it is known: nobody pays for an upload that cannot be used."""
    wire = f"POST {PATHS[dialect]} HTTP/1.1\r\nhost: wall\r\n{rest}".encode()
    async with Cuts() as upstream, gateway(config_at(upstream, **SMALL)) as running, unharmed(running):
        reply = await answered(running.port, wire)

        if "9999" in rest:
            assert reply.status in (400, 413)
        else:
            assert_refused(dialect, reply, 413, "request_too_large")
        assert reply.headers["connection"] == "close"
        assert len(upstream.attempts) == 1


async def test_bodies_that_are_too_many_together_are_shed() -> None:
    """Each of them is allowed; their sum is what a worker can hold."""
    limits = listener(buffered_bodies_bytes="100KiB")
    body = b'{"model": "openai/gpt-wall", "x": "%b"}' % (b"x" * 60_000)
    half = request(CHAT, body=body)[:50_000]
    async with Cuts() as upstream, gateway(config_at(upstream, **limits)) as running, unharmed(running):
        async with RawClient(running.port) as first:
            await first.send(half)
            await until(lambda: running.worker.server.buffered_bytes > 40_000)
            shed = await answered(running.port, request(CHAT, "connection: close", body=body))
            await first.send(request(CHAT, body=body)[50_000:])
            kept = await first.reply()

        assert (shed.status, shed.error(CHAT)["code"]) == (503, "overloaded")
        assert shed.headers["retry-after"] == "1"
        assert kept.status == 200


async def test_connections_that_are_too_many_are_shed() -> None:
    """Before descriptors run out, and with a word about coming again; who was here first is served."""
    limits = listener(max_connections="2")
    async with Cuts() as upstream, gateway(config_at(upstream, **limits)) as running, unharmed(running):
        async with RawClient(running.port) as first, RawClient(running.port) as second:
            await until(lambda: len(running.worker.server.connections) == 2)
            async with RawClient(running.port) as third:
                shed = told(*await third.read_to_end())
            kept = []
            for client in (first, second):
                await client.send(WHOLE)
                kept.append((await client.reply()).status)

        assert (shed.status, shed.error(CHAT)["code"]) == (503, "overloaded")
        assert shed.headers["retry-after"] == "1"
        assert kept == [200, 200]


SLOW = listener(request_headers_s="150ms", request_body_s="150ms")
WHOLE = request(CHAT)
HEAD_BYTES = WHOLE.index(b"\r\n\r\n") + 4
TIMED_OUT_WITHIN_S = 2.0


async def _dawdle(client: RawClient, wire: bytes, *, bytewise: bool) -> Told:
    """Sends all but the last byte, at once or one every few milliseconds, until the gateway has enough."""
    reading = asyncio.ensure_future(client.read_to_end(within_s=TIMED_OUT_WITHIN_S))
    pieces = [bytes([byte]) for byte in wire] if bytewise else [wire]
    for piece in pieces:
        if reading.done():
            break
        await client.send(piece)
        if bytewise:
            await asyncio.wait([reading], timeout=0.005)
    return told(*await reading)


@pytest.mark.parametrize("dialect", list(Dialect))
@pytest.mark.parametrize("bytewise", [False, True])
@pytest.mark.parametrize("part", ["headers", "body"])
async def test_a_request_that_takes_too_long_to_arrive_is_refused(
    part: str, bytewise: bool, dialect: Dialect
) -> None:
    """The deadlines are absolute: a byte now and then does not buy more time."""
    wire = request(dialect, *[f"x-{number}: {'a' * 90}" for number in range(3)])
    head = wire.index(b"\r\n\r\n")
    sent = wire[: head + 3] if part == "headers" else wire[:-1]
    async with Cuts() as upstream, gateway(config_at(upstream, **SLOW)) as running, unharmed(running):
        async with RawClient(running.port) as client:
            # What comes at once says which dialect it is.
            at_once = head + 4 if part == "body" else sent.index(b"\r\n") + 2
            await client.send(sent[:at_once])
            sent = sent[at_once:]
            reply = await _dawdle(client, sent, bytewise=bytewise)
        (_, line) = await running.logged(2)

        assert_refused(dialect, reply, 408, "request_timeout")
        assert part in reply.error(dialect)["message"]
        assert (line["status"], line["code"], line["ending"]) == (408, "request_timeout", "refused")
        assert len(upstream.attempts) == 1


async def test_a_request_line_that_takes_too_long_is_refused_in_openais_words() -> None:
    """Nobody knows yet which dialect it would have been."""
    async with Cuts() as upstream, gateway(config_at(upstream, **SLOW)) as running, unharmed(running):
        async with RawClient(running.port) as client:
            reply = await _dawdle(client, b"POST /v1/mess", bytewise=False)

        assert_refused(CHAT, reply, 408, "request_timeout")


async def test_a_connection_that_says_nothing_is_closed_without_a_word() -> None:
    """Nothing was asked, so nothing is answered."""
    limits = listener(keep_alive_s="150ms")
    async with Cuts() as upstream, gateway(config_at(upstream, **limits)) as running, unharmed(running):
        async with RawClient(running.port) as silent, RawClient(running.port) as used:
            await used.send(WHOLE)
            assert (await used.reply()).status == 200
            ends = [await client.read_to_end(within_s=TIMED_OUT_WITHIN_S) for client in (silent, used)]

        assert ends == [(b"", "fin"), (b"", "fin")]
