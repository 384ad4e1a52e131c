"""The relay's own tests: a network that is well where it should not be would make every test of it pass."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from tests.fault.baseline import turns
from tests.wall.authority import Authority
from tests.wall.raw_client import RawClient
from tests.wall.relay import BLACK_HOLE, Cut, Hold, Pass, Plan, Relay, Spoil, Swallow, Way
from tests.wall.script import Fin, Raw, Rst, Script, Stall, close_delimited
from tests.wall.upstream import ScriptedUpstream, refusing_port

CHAT_PATH = "/v1/chat/completions"
ANSWER = b"HTTP/1.1 200 Scripted\r\ncontent-length: 5\r\n\r\nhello"
SAYS: Script = [Raw(ANSWER)]
ASK = b"{}"
ENDS = [pytest.param(Fin(), "fin", id="FIN"), pytest.param(Rst(), "rst", id="RST")]


@asynccontextmanager
async def between(
    plan: Plan, script: Script = SAYS
) -> AsyncIterator[tuple[RawClient, Relay, ScriptedUpstream]]:
    """A client, the relay, and an upstream that plays the script for whoever gets through."""
    async with (
        ScriptedUpstream(otherwise=lambda _: script) as upstream,
        Relay(upstream.port, [plan]) as relay,
        RawClient(relay.port) as client,
    ):
        yield client, relay, upstream


async def test_everything_passes_both_ways_and_is_counted() -> None:
    """Without a plan it is not there."""
    async with between(Plan()) as (client, relay, upstream):
        await client.post(CHAT_PATH, ASK)
        reply = await client.reply()
        link = await relay.link(0)

        sent = len(upstream.attempts[0].request.head) + len(ASK)
        assert (reply.body, reply.whole) == (b"hello", True)
        assert [(each.taken, each.given) for each in link.passed.values()] == [
            (sent, sent),
            (len(ANSWER),) * 2,
        ]


async def test_ends_pass_as_they_came() -> None:
    """A FIN stays a FIN, the other way stays open until it ends as well; a reset stays a reset."""
    async with between(Plan()) as (client, relay, upstream):
        await client.post(CHAT_PATH, ASK)
        client.half_close()
        rest = await client.read_to_end()
        seen = await upstream.attempts[0].gone()
        first = await (await relay.link(0)).closed("up")
    async with between(Plan(), [Stall()]) as (client, relay, upstream):
        await client.post(CHAT_PATH, ASK)
        attempt = await upstream.attempt(0)
        client.reset()
        reset = await attempt.gone(), await (await relay.link(0)).closed("up")
    async with between(Plan(), [Raw(ANSWER), Rst()]) as (client, _, _):
        await client.post(CHAT_PATH, ASK)
        answered = await client.read_to_end()

    assert (rest, seen, first) == ((ANSWER, "fin"), "fin", "fin")
    assert (reset, answered) == (("rst", "rst"), (ANSWER, "rst"))


async def test_a_megabyte_passes_whole_to_a_slow_reader() -> None:
    """Who does not read is waited for."""
    body = bytes(range(256)) * 8192
    async with (
        ScriptedUpstream([close_delimited(body)]) as upstream,
        Relay(upstream.port) as relay,
        RawClient(relay.port, receive_buffer=4096) as client,
    ):
        await client.post(CHAT_PATH, ASK)
        await turns()
        received, ended = await client.read_to_end()

    assert (received.partition(b"\r\n\r\n")[2] == body, ended) == (True, "fin")


@pytest.mark.parametrize(("how", "ended"), ENDS)
@pytest.mark.parametrize("after", [0, 1, 20, len(ANSWER)])
async def test_an_answer_is_cut_behind_so_many_bytes(after: int, how: Fin | Rst, ended: str) -> None:
    """On both sides, and no byte is lost that was to pass."""
    async with between(Plan(down=Cut(after, how))) as (client, _, upstream):
        await client.post(CHAT_PATH, ASK)
        received = await client.read_to_end()
        seen = await upstream.attempts[0].gone()

    assert (received, seen) == ((ANSWER[:after], ended), ended)


@pytest.mark.parametrize(("how", "ended"), ENDS)
@pytest.mark.parametrize("after", [0, 30])
async def test_a_request_is_cut_behind_so_many_bytes(after: int, how: Fin | Rst, ended: str) -> None:
    """The upstream gets a part, and an end."""
    async with between(Plan(up=Cut(after, how))) as (client, relay, upstream):
        await client.post(CHAT_PATH, ASK)
        received = await client.read_to_end()
        link = await relay.link(0)

        assert (received, link.passed["up"].given) == ((b"", ended), after)
        assert upstream.attempts == []


async def test_one_side_alone_is_told_of_a_cut() -> None:
    """The other one holds a connection that is open, and leads nowhere."""
    async with between(Plan(down=Cut(9, side="client"))) as (client, relay, upstream):
        await client.post(CHAT_PATH, ASK)
        received = await client.read_to_end()
        await turns()
        link = await relay.link(0)

        assert (received, upstream.connections[0].gone.is_set()) == ((ANSWER[:9], "fin"), False)
        assert link.passed["down"].closed is None


@pytest.mark.parametrize("after", [0, 30])
async def test_what_is_swallowed_comes_out_nowhere(after: int) -> None:
    """Not even the end: each side believes that the other is silent."""
    async with between(Plan(up=Swallow(after))) as (client, relay, upstream):
        await client.post(CHAT_PATH, ASK)
        link = await relay.link(0)
        await link.took("up", len(ASK) + 30)
        client.close()
        await link.closed("up")
        await turns()

        assert (link.passed["up"].given, upstream.attempts) == (after, [])
        assert not upstream.connections[0].gone.is_set()


async def test_a_black_hole_accepts_and_asks_nobody() -> None:
    """From the start, on command, and not for what comes after it."""
    async with ScriptedUpstream(otherwise=lambda _: SAYS) as upstream, Relay(upstream.port) as relay:
        async with RawClient(relay.port) as before:
            await before.post(CHAT_PATH, ASK)
            assert (await before.reply()).status == 200
            relay.swallow()
            await before.post(CHAT_PATH, ASK)
            async with RawClient(relay.port) as into:
                await into.post(CHAT_PATH, ASK)
                await (await relay.link(1)).took("up", 50)
                await turns()
                asked = len(upstream.attempts), len(upstream.connections)
        relay.recover()
        async with RawClient(relay.port) as after:
            await after.post(CHAT_PATH, ASK)
            reply = await after.reply()

    assert (asked, reply.status, BLACK_HOLE.connects) == ((1, 1), 200, False)


@pytest.mark.parametrize("way", ["up", "down"])
@pytest.mark.parametrize("after", [0, 20])
async def test_what_is_held_comes_when_it_is_released(way: Way, after: int) -> None:
    """In order, and the end behind it."""
    plan = Plan(up=Hold(after)) if way == "up" else Plan(down=Hold(after))
    async with between(plan) as (client, relay, upstream):
        await client.post(CHAT_PATH, ASK)
        link = await relay.link(0)
        await link.took(way, after + 1)
        await turns()
        before = link.passed[way].given, len(upstream.attempts)
        client.half_close()
        link.release()
        received = await client.read_to_end()

    assert before == (after, int(way == "down"))
    assert received == (ANSWER, "fin")


async def test_a_delay_keeps_the_order() -> None:
    """Many pieces of one moment come out as they went in, after their time."""
    loop = asyncio.get_running_loop()
    pieces = [b"%03d" % number for number in range(200)]
    async with between(Plan(down=Pass(0.02)), [*map(Raw, pieces), Fin()]) as (client, _, _):
        asked_at = loop.time()
        await client.post(CHAT_PATH, ASK)
        received = await client.read_to_end()
        took = loop.time() - asked_at

    assert (received, took >= 0.02) == ((b"".join(pieces), "fin"), True)


async def test_on_command_it_holds_swallows_and_cuts_what_is_under_way() -> None:
    """The moment is the test's to choose."""
    async with between(Plan(), [Raw(ANSWER), Stall()]) as (client, relay, upstream):
        await client.post(CHAT_PATH, ASK)
        await client.read_until(ANSWER)
        link = await relay.link(0)
        link.hold("up")
        await client.send(b"more")
        await link.took("up", link.passed["up"].given + 4)
        held = link.passed["up"].given
        link.release()
        await turns()
        released = link.passed["up"].given
        link.cut(Rst(), "client")

        assert (released - held, await client.read_to_end()) == (4, (b"", "rst"))
        assert not upstream.connections[0].gone.is_set()


async def test_what_is_spoilt_is_none_of_what_was_sent() -> None:
    """Every bit of it: no checksum holds."""
    async with between(Plan(down=Spoil(17))) as (client, _, _):
        await client.post(CHAT_PATH, ASK)
        received = await client.read_until(bytes(byte ^ 0xFF for byte in b"hello"))

    assert received == ANSWER[:17] + bytes(byte ^ 0xFF for byte in ANSWER[17:])


async def test_tls_passes_through_it() -> None:
    """It knows nothing of what it carries."""
    authority = Authority()
    async with (
        ScriptedUpstream([SAYS], tls=authority.serving()) as upstream,
        Relay(upstream.port, host="localhost") as relay,
    ):
        reader, writer = await asyncio.open_connection("localhost", relay.port, ssl=authority.trusting())
        writer.write(b"POST /v1/messages HTTP/1.1\r\ncontent-length: 2\r\n\r\n{}")
        answer = await reader.readexactly(len(ANSWER))
        writer.transport.abort()

    assert (answer, relay.url("https")) == (ANSWER, f"https://localhost:{relay.port}")


async def test_a_target_that_is_not_there_is_a_reset() -> None:
    """As a balancer does whose backend is gone."""
    async with Relay(refusing_port()) as relay, RawClient(relay.port) as client:
        assert await client.read_to_end() == (b"", "rst")
