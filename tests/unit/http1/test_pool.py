"""Connections kept, replaced, shared and given back, against scripted upstreams on loopback."""

from __future__ import annotations

import asyncio
import random

import pytest

from plano.http1.failures import ConnectFailed, Overdue, Silence
from plano.http1.limits import ClientLimits
from plano.http1.origin import Origin
from plano.http1.pool import Pool
from plano.http1.sink import Buffer
from tests.unit.http1.upstreams import HEAD, OK, Peer, RecordingSink, ask, forever, pool, until, upstream

ANSWERED = ["head", "body", "end"]


async def hang(peer: Peer) -> None:
    """Takes the request and says nothing until the other side has gone."""
    await peer.request()
    await peer.gone()


async def test_one_connection_carries_request_after_request() -> None:
    async with upstream(forever) as up, pool() as connections:
        sinks = [await ask(connections, up.origin) for _ in range(3)]

        assert ([sink.names for sink in sinks], up.connections, connections.idle(up.origin)) == (
            [ANSWERED] * 3,
            1,
            1,
        )


async def test_requests_at_once_get_connections_of_their_own() -> None:
    async with upstream(forever) as up, pool() as connections:
        async with asyncio.TaskGroup() as group:
            asked = [group.create_task(ask(connections, up.origin)) for _ in range(5)]

        assert ([task.result().names for task in asked], connections.idle(up.origin)) == ([ANSWERED] * 5, 5)


async def test_more_idle_connections_than_the_limit_are_closed() -> None:
    async with upstream(forever) as up, pool(ClientLimits(idle_per_origin=2)) as connections:
        async with asyncio.TaskGroup() as group:
            for _ in range(5):
                group.create_task(ask(connections, up.origin))

        assert (connections.idle(up.origin), connections.taken(up.origin)) == (2, 2)


# --- the silent replay ---


@pytest.mark.parametrize("size", [2, 3_000_000])
async def test_a_stale_connection_is_replaced_once_and_unseen(size: int) -> None:
    """Idle connections are closed by peers at any moment, also in the one in which we write."""
    body: list[Buffer] = [b"[", memoryview(b"x" * size), b"]"]
    seen: list[bytes] = []

    async def leaves_with_the_second(peer: Peer) -> None:
        await peer.answer()
        await peer.read(1)
        peer.reset()

    async def notes(peer: Peer) -> None:
        seen.append(await peer.answer())

    async with upstream(leaves_with_the_second, notes) as up, pool() as connections:
        await ask(connections, up.origin)
        sink = await ask(connections, up.origin, body)

        assert (sink.names, connections.replays, up.connections) == (ANSWERED, 1, 2)
    assert seen == [HEAD % (size + 2) + b"[" + b"x" * size + b"]"]


async def test_there_is_no_second_replay() -> None:
    """A request that kills every upstream must not be sent around for ever."""

    async def leaves_with_the_second(peer: Peer) -> None:
        await peer.answer()
        await peer.request()

    async def leaves(peer: Peer) -> None:
        await peer.request()

    async with upstream(leaves_with_the_second, leaves) as up, pool() as connections:
        await ask(connections, up.origin)
        sink = await ask(connections, up.origin)

        assert (sink.events, connections.replays, up.connections) == ([("broke", "ResetBeforeHead")], 1, 2)


async def test_a_replay_takes_a_new_connection_though_others_are_idle() -> None:
    """All of them may have gone stale together: the peer restarted."""

    async def leaves_with_the_second(peer: Peer) -> None:
        await peer.answer()
        await peer.request()

    async with upstream(leaves_with_the_second, leaves_with_the_second, forever) as up, pool() as connections:
        async with asyncio.TaskGroup() as group:
            group.create_task(ask(connections, up.origin))
            group.create_task(ask(connections, up.origin))
        sink = await ask(connections, up.origin)

        assert (sink.names, connections.replays, up.connections) == (ANSWERED, 1, 3)


async def test_a_fresh_connection_that_dies_is_not_replayed() -> None:
    async def leaves(peer: Peer) -> None:
        await peer.request()

    async with upstream(leaves, forever) as up, pool() as connections:
        sink = await ask(connections, up.origin)

        assert (sink.events, connections.replays, up.connections) == ([("broke", "ResetBeforeHead")], 0, 1)


async def test_after_a_byte_of_an_answer_nothing_is_replayed() -> None:
    async def breaks_the_second(peer: Peer) -> None:
        await peer.answer()
        await peer.answer(b"HTTP/1.1 2")

    async with upstream(breaks_the_second, forever) as up, pool() as connections:
        await ask(connections, up.origin)
        sink = await ask(connections, up.origin)

        assert (sink.events, connections.replays, up.connections) == ([("broke", "ResetBeforeHead")], 0, 1)


async def test_a_timeout_on_a_used_connection_is_not_replayed() -> None:
    """The upstream has had the request for long; asking it again doubles the bill."""

    async def ignores_the_second(peer: Peer) -> None:
        await peer.answer()
        await hang(peer)

    async with upstream(ignores_the_second, forever) as up, pool() as connections:
        await ask(connections, up.origin)
        sink = await ask(connections, up.origin, first_byte_s=0.03)

        assert (sink.events, connections.replays, up.connections) == ([("broke", "Silence")], 0, 1)


async def test_an_idle_connection_that_the_peer_closes_is_let_go_at_once() -> None:
    closed = asyncio.Event()

    async def answers_once(peer: Peer) -> None:
        await peer.answer()
        await closed.wait()

    async with upstream(answers_once) as up, pool() as connections:
        await ask(connections, up.origin)
        before = connections.idle(up.origin)
        closed.set()
        await up.left.wait()
        await until(lambda: connections.sockets == 0)

        assert (before, connections.idle(up.origin), connections.taken(up.origin)) == (1, 0, 0)


# --- limits ---


async def test_past_the_limit_of_connections_a_request_waits_its_turn() -> None:
    async with upstream(forever) as up, pool(ClientLimits(connections_per_origin=2)) as connections:
        async with asyncio.TaskGroup() as group:
            asked = [group.create_task(ask(connections, up.origin)) for _ in range(20)]

        assert ([task.result().names for task in asked], up.connections) == ([ANSWERED] * 20, 2)


async def test_waiting_for_a_turn_counts_as_connecting() -> None:
    limits = ClientLimits(connections_per_origin=1, connect_s=0.03)
    async with upstream(hang) as up, pool(limits) as connections:
        first = asyncio.create_task(ask(connections, up.origin))
        await until(lambda: up.connections == 1)
        second = await ask(connections, up.origin)
        first.cancel()

        failure = second.failure
        assert isinstance(failure, ConnectFailed)
        assert failure.reason == "busy"


async def test_a_turn_whose_owner_left_goes_to_the_next() -> None:
    async with upstream(hang, forever) as up, pool(ClientLimits(connections_per_origin=1)) as connections:
        first = asyncio.create_task(ask(connections, up.origin))
        await until(lambda: up.connections == 1)
        impatient = [asyncio.create_task(ask(connections, up.origin)) for _ in range(3)]
        patient = asyncio.create_task(ask(connections, up.origin))
        await asyncio.sleep(0)
        impatient[1].cancel()
        first.cancel()
        await asyncio.sleep(0)
        impatient[0].cancel()
        impatient[2].cancel()

        assert (await patient).names == ANSWERED


async def test_the_deadline_holds_while_connecting() -> None:
    async with upstream(hang) as up, pool(ClientLimits(connections_per_origin=1)) as connections:
        first = asyncio.create_task(ask(connections, up.origin))
        await until(lambda: up.connections == 1)
        second = await ask(connections, up.origin, within_s=0.03)
        first.cancel()

        failure = second.failure
        assert isinstance(failure, Overdue)
        assert failure.phase == "connect"


@pytest.mark.parametrize(
    "said", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc"], ids=["head", "body"]
)
async def test_an_upstream_sees_its_connection_closed_after_a_timeout(said: bytes) -> None:
    """Silent upstreams go on computing, and somebody pays for it."""

    async def stalls(peer: Peer) -> None:
        await peer.answer(said)
        await peer.gone()

    async with upstream(stalls) as up, pool(ClientLimits(silence_s=0.03)) as connections:
        sink = await ask(connections, up.origin, first_byte_s=0.03)
        async with asyncio.timeout(1):
            await up.left.wait()

        assert isinstance(sink.failure, Silence)


async def test_an_upstream_that_stops_reading_the_request_is_given_up() -> None:
    async def stops_reading(peer: Peer) -> None:
        peer.stop_reading()
        await asyncio.get_running_loop().create_future()

    async with upstream(stops_reading) as up, pool(ClientLimits(silence_s=0.1)) as connections:
        sink = await ask(connections, up.origin, [b"x" * 30_000_000])

        failure = sink.failure
        assert isinstance(failure, Silence)
        assert failure.phase == "request"


async def test_an_early_answer_reaches_the_sink_before_the_body_was_taken() -> None:
    async def refuses_early(peer: Peer) -> None:
        await peer.read(1000)
        peer.stop_reading()
        await peer.send(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")
        await asyncio.get_running_loop().create_future()

    async with upstream(refuses_early) as up, pool() as connections:
        sink = await ask(connections, up.origin, [b"x" * 30_000_000])

        assert (sink.events[0][:2], sink.names, connections.taken(up.origin)) == (
            ("head", 413),
            ["head", "end"],
            0,
        )


async def test_a_slow_sink_pauses_the_upstream() -> None:
    """What is not read fills the upstream's own buffers, and none of ours."""
    sent = 0

    async def pours(peer: Peer) -> None:
        nonlocal sent
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 30000000\r\n\r\n")
        while sent < 30_000_000:
            await peer.send(b"x" * 100_000)
            sent += 100_000
        await peer.gone()

    class Slow(RecordingSink):
        held = 0

        def body(self, data: bytes) -> None:
            self.held += len(data)
            if self.flow is not None:
                self.flow.pause()
            self.told.set()

    async with upstream(pours) as up, pool() as connections:
        sink = Slow()
        asking = asyncio.create_task(ask(connections, up.origin, sink=sink))
        await sink.told.wait()
        in_pause = sink.held
        for _ in range(20):
            await asyncio.sleep(0)
        still = sink.held
        while not asking.done():
            if sink.flow is not None:
                sink.flow.resume()
            await asyncio.sleep(0)

        assert (still, in_pause < 1_000_000, sink.held, connections.idle(up.origin)) == (
            in_pause,
            True,
            30_000_000,
            1,
        )


# --- cancelling ---


@pytest.mark.parametrize(
    "said",
    [
        pytest.param(b"", id="before the head"),
        pytest.param(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", id="inside the body"
        ),
    ],
)
async def test_cancelling_closes_the_connection_at_once(said: bytes) -> None:
    """Common clients leave the upstream running; its tokens are paid for."""
    asked, gone = asyncio.Event(), asyncio.Event()

    async def notices(peer: Peer) -> None:
        await peer.answer(said)
        asked.set()
        await peer.gone()
        gone.set()

    async with upstream(notices) as up, pool() as connections:
        sink = RecordingSink()
        asking = asyncio.create_task(ask(connections, up.origin, sink=sink))
        await asked.wait()
        if said:
            await sink.told.wait()
        asking.cancel()
        async with asyncio.timeout(0.25):
            await gone.wait()

        assert (connections.taken(up.origin), "broke" in sink.names) == (0, False)


async def test_after_a_thousand_cancellations_at_random_moments_the_pool_is_clean() -> None:
    """No connection lost, none handed on with somebody else's answer in it."""
    chance = random.Random(1)

    async def echoes(peer: Peer) -> None:
        while True:
            request = await peer.request()
            number = request.partition(b"\r\n\r\n")[2]
            for _ in range(chance.randrange(4)):
                await asyncio.sleep(0)
            await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(number))
            await peer.send(number)

    async def asks(connections: Pool, origin: Origin, number: int) -> str:
        sink = RecordingSink()
        asking = asyncio.create_task(ask(connections, origin, [b"%d" % number], sink=sink))
        for _ in range(chance.randrange(30)):
            await asyncio.sleep(0)
        asking.cancel()
        await asyncio.wait([asking])
        if asking.cancelled():
            return "cancelled"
        return "answered" if sink.content == b"%d" % number else "wrong"

    async with upstream(echoes) as up, pool(ClientLimits(connections_per_origin=8)) as connections:
        endings = set()
        for round_ in range(50):
            async with asyncio.TaskGroup() as group:
                asked = [group.create_task(asks(connections, up.origin, round_ * 20 + n)) for n in range(20)]
            endings |= {task.result() for task in asked}
        await until(lambda: connections.sockets == connections.idle(up.origin))
        last = await ask(connections, up.origin, [b"last"])

        assert endings == {"cancelled", "answered"}
        assert last.content == b"last"
        assert connections.taken(up.origin) == connections.idle(up.origin) <= 8


async def test_what_a_sink_raises_reaches_the_caller_and_costs_the_connection() -> None:
    class Failing(RecordingSink):
        def body(self, data: bytes) -> None:
            raise LookupError

    async with upstream(forever) as up, pool() as connections:
        with pytest.raises(LookupError):
            await ask(connections, up.origin, sink=Failing())
        after = await ask(connections, up.origin)

        assert (after.names, connections.taken(up.origin), up.connections) == (ANSWERED, 1, 2)


# --- leaving ---


async def test_a_drained_origin_finishes_what_it_carries_and_nothing_more() -> None:
    may_answer = asyncio.Event()

    async def answers_late(peer: Peer) -> None:
        await peer.request()
        await may_answer.wait()
        await peer.send(OK)
        await peer.gone()

    async with upstream(forever, answers_late, forever) as up, pool() as connections:
        async with asyncio.TaskGroup() as group:
            idle = group.create_task(ask(connections, up.origin))
        running = asyncio.create_task(ask(connections, up.origin))
        second = asyncio.create_task(ask(connections, up.origin))
        await until(lambda: up.connections == 2)
        connections.drain_origin(up.origin)
        may_answer.set()
        await asyncio.wait([running, second])
        after = await ask(connections, up.origin)

        assert [asked.result().names for asked in (idle, running, second)] == [ANSWERED] * 3
        assert (after.names, up.connections, connections.taken(up.origin)) == (ANSWERED, 3, 1)
        await until(lambda: connections.sockets == 1)


async def test_closing_the_pool_breaks_what_is_under_way_and_leaves_no_socket() -> None:
    asked = asyncio.Event()

    async def hangs(peer: Peer) -> None:
        await peer.request()
        asked.set()
        await peer.gone()

    async with upstream(hangs) as up, pool(ClientLimits(connections_per_origin=1)) as connections:
        running = asyncio.create_task(ask(connections, up.origin))
        waiting = asyncio.create_task(ask(connections, up.origin))
        await asked.wait()
        await connections.close()

        assert [(await running).events, (await waiting).failure.message, connections.sockets] == [
            [("broke", "ResetBeforeHead")],
            "this side has closed its connections",
            0,
        ]
