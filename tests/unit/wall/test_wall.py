"""The wall's own tests: a fault that is not played would make every fault test pass."""

from __future__ import annotations

import asyncio
import json

import pytest

from plano.chat.dialect import Dialect
from tests.wall.answers import CHAT, EVENTS, cut_stream, good, refusal
from tests.wall.authority import Authority
from tests.wall.raw_client import RawClient
from tests.wall.script import Chunk, Fin, Head, Pause, Raw, Rst, Script, Stall, chunked, close_delimited
from tests.wall.upstream import ScriptedUpstream, refusing_port

ASK = b'{"model":"a","messages":[{"role":"user","content":"hi"}]}'
CHAT_PATH = "/v1/chat/completions"


async def test_a_good_answer_comes_whole_and_the_request_is_noted_as_it_was() -> None:
    """Tests compare what went upstream byte for byte."""
    async with ScriptedUpstream() as upstream, RawClient(upstream.port) as client:
        await client.post(CHAT_PATH, ASK, "X-Odd: 1")

        reply = await client.reply()

        noted = (await upstream.attempt(0)).request
        assert (reply.status, reply.body, reply.whole) == (200, CHAT, True)
        assert (noted.method, noted.target, noted.body) == ("POST", CHAT_PATH, ASK)
        assert b"\r\nX-Odd: 1\r\n" in noted.head


@pytest.mark.parametrize("dialect", Dialect)
async def test_a_good_stream_is_chosen_by_path_and_body(dialect: Dialect) -> None:
    """Most tests need nothing but a provider that works."""
    path = {
        Dialect.OPENAI_CHAT: "/v1/chat/completions?a=b",
        Dialect.ANTHROPIC_MESSAGES: "/v1/messages",
        Dialect.OPENAI_RESPONSES: "/v1/responses",
    }[dialect]
    async with ScriptedUpstream() as upstream, RawClient(upstream.port) as client:
        await client.post(path, b'{"stream":true}')

        reply = await client.reply()

        assert (reply.body, reply.whole) == (b"".join(EVENTS[dialect]), True)


async def test_scripts_are_used_in_the_order_of_requests_on_one_connection() -> None:
    """Keep-alive, and a second attempt that finds another mood."""
    busy = refusal(429, Dialect.OPENAI_CHAT, headers=(("retry-after", "7"),))
    async with ScriptedUpstream([busy]) as upstream, RawClient(upstream.port) as client:
        await client.post(CHAT_PATH, ASK)
        first = await client.reply()
        await client.post(CHAT_PATH, ASK)
        second = await client.reply()

        assert (first.status, first.header("retry-after"), second.status) == (429, "7", 200)
        assert len(upstream.connections) == 1


async def test_a_chunked_request_is_understood() -> None:
    """The gateway may send a body in pieces."""
    head = f"POST {CHAT_PATH} HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n".encode()
    async with ScriptedUpstream() as upstream, RawClient(upstream.port) as client:
        await client.send(head + b"3\r\n{}\n\r\n2;x=y\r\n\n\n\r\n0\r\n\r\n")

        await client.reply()

        assert upstream.attempts[0].body == b"{}\n\n\n"


@pytest.mark.parametrize(
    ("ending", "expected"), [pytest.param(Fin(), "fin", id="fin"), pytest.param(Rst(), "rst", id="rst")]
)
async def test_an_ending_is_told_from_the_other_and_loses_no_byte(ending: Fin | Rst, expected: str) -> None:
    """A reset and a clean end are different faults to whoever reads."""
    script: Script = [*cut_stream(Dialect.OPENAI_CHAT, 40), ending]
    async with ScriptedUpstream([script]) as upstream, RawClient(upstream.port) as client:
        await client.post(CHAT_PATH, ASK)

        received, how = await client.read_to_end()

        assert (received.partition(b"\r\n\r\n")[2], how) == (
            b"28\r\n" + EVENTS[Dialect.OPENAI_CHAT][0][:40] + b"\r\n",
            expected,
        )


async def test_an_answer_without_its_last_chunk_is_not_whole() -> None:
    """This is how the tests see that the gateway ended loudly."""
    script: Script = [Head(), Chunk(b"{}"), Fin()]
    async with ScriptedUpstream([script]) as upstream, RawClient(upstream.port) as client:
        await client.post(CHAT_PATH, ASK)

        reply = await client.reply()

        assert (reply.status, reply.body, reply.whole) == (200, b"{}", False)


async def test_a_close_delimited_answer_ends_with_its_connection() -> None:
    """HTTP/1.0 style: only the dialect can tell whether it is whole."""
    async with ScriptedUpstream([close_delimited(b"all")]) as upstream, RawClient(upstream.port) as client:
        await client.post(CHAT_PATH, ASK)

        reply = await client.reply()

        assert (reply.body, reply.whole, reply.header("transfer-encoding")) == (b"all", True, None)


async def test_a_pause_holds_what_follows_until_released() -> None:
    """Order without sleeping: the test says when the next byte comes."""
    script: Script = [Head(), Chunk(b"one"), Pause(), Chunk(b"two"), Fin()]
    async with ScriptedUpstream([script]) as upstream, RawClient(upstream.port) as client:
        await client.post(CHAT_PATH, ASK)
        before = await client.read_until(b"one")
        upstream.release()
        after = await client.read_until(b"two")

        assert (b"two" in before, b"two" in after) == (False, True)


@pytest.mark.parametrize("how", ["fin", "rst"])
async def test_a_client_that_leaves_during_a_stall_is_noticed_at_once(how: str) -> None:
    """The point of the wall: nobody may pay for an answer that nobody reads."""
    async with ScriptedUpstream([[Head(), Stall()]]) as upstream, RawClient(upstream.port) as client:
        await client.post(CHAT_PATH, ASK)
        await client.read_until(b"\r\n\r\n")
        attempt = await upstream.attempt(0)
        if how == "rst":
            client.reset()
        else:
            client.close()

        ending = await attempt.gone()

        assert (ending, attempt.connection.closed_at is not None) == (how, True)


async def test_an_upstream_can_speak_before_it_is_asked() -> None:
    """Garbage, or a reset, as the greeting."""
    async with ScriptedUpstream(on_connect=[Raw(b"220 smtp\r\n"), Rst()]) as upstream:
        async with RawClient(upstream.port) as client:
            received = await client.read_to_end()

        assert received == (b"220 smtp\r\n", "rst")


async def test_idle_connections_are_closed_on_demand() -> None:
    """The stale pooled connection."""
    async with ScriptedUpstream() as upstream, RawClient(upstream.port) as client:
        await client.post(CHAT_PATH, ASK)
        await client.reply()
        await upstream.attempts[0].done()
        upstream.close_idle()

        assert await client.read_to_end() == (b"", "fin")


async def test_tls_is_spoken_with_a_certificate_of_its_own_authority() -> None:
    """Verification is tested against an authority that nobody else knows."""
    authority = Authority()
    async with ScriptedUpstream(tls=authority.serving()) as upstream:
        reader, writer = await asyncio.open_connection(upstream.host, upstream.port, ssl=authority.trusting())
        writer.write(b"POST /v1/messages HTTP/1.1\r\ncontent-length: 2\r\n\r\n{}")

        status = await reader.readline()
        writer.transport.abort()

        assert status == b"HTTP/1.1 200 Scripted\r\n"


async def test_nobody_listens_on_a_refusing_port() -> None:
    """Connection refused must be a fact, not a hope."""
    with pytest.raises(ConnectionRefusedError):
        async with RawClient(refusing_port()):
            pass


async def test_what_the_upstream_cannot_read_fails_the_test() -> None:
    """A request on an unknown path must not look like a provider's fault."""
    upstream = await ScriptedUpstream().__aenter__()
    async with RawClient(upstream.port) as client:
        await client.post("/nowhere", ASK)
        await client.read_to_end()

    with pytest.raises(AssertionError, match="expected the path of a dialect; got '/nowhere'"):
        await upstream.__aexit__(None, None, None)


def test_the_canned_answers_are_what_their_dialects_say() -> None:
    """JSON in every event but `[DONE]`; the framing is the one thing that is checked here."""
    for dialect in Dialect:
        for event in EVENTS[dialect]:
            data = event.decode().rstrip("\n").rpartition("data: ")[2]
            assert event.endswith(b"\n\n")
            assert data == "[DONE]" or isinstance(json.loads(data), dict)


def test_the_scripts_of_good_answers_frame_their_bodies() -> None:
    """Chunked streams, sized documents."""
    plain = good(Dialect.OPENAI_CHAT, stream=False)
    stream = chunked([b"a"])

    assert b"".join(
        step.wire() for step in stream if not isinstance(step, Pause | Stall | Fin | Rst)
    ).endswith(b"transfer-encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n")
    assert isinstance(plain[0], Head)
    assert b"content-length: %d\r\n" % len(CHAT) in plain[0].wire()
