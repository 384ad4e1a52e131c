"""Requests that need no task: begun over an idle connection, heard of by who began them."""

from __future__ import annotations

from plano.http1.client import ClientConnection
from plano.http1.origin import Origin
from plano.http1.pool import Pool
from tests.unit.http1.upstreams import HEAD, Peer, RecordingSink, ask, forever, pool, until, upstream

ANSWERED = ["head", "body", "end"]


class Told:
    """An outcome that notes what it was told."""

    def __init__(self) -> None:
        self.was: list[object] = []

    def done(self) -> bool:
        return bool(self.was)

    def set_result(self, delivered: bool, /) -> None:
        self.was.append(delivered)

    def set_exception(self, error: BaseException, /) -> None:
        self.was.append(error)


def begin(connections: Pool, origin: Origin, sink: RecordingSink, told: Told) -> ClientConnection | None:
    deadline = connections.loop.time() + 30.0
    return connections.begin(origin, HEAD % 2, (b"{}",), sink, told, first_byte_s=20.0, deadline=deadline)


async def test_where_no_idle_connection_is_at_hand_nothing_is_begun() -> None:
    """Connecting waits, and whoever waits needs a task."""
    async with upstream(forever) as up, pool() as connections:
        sink, told = RecordingSink(), Told()

        begun = begin(connections, up.origin, sink, told)

        assert (begun, sink.names, told.was, connections.taken(up.origin)) == (None, [], [], 0)


async def test_over_an_idle_connection_a_request_is_answered_without_a_task() -> None:
    """And the connection is free again when its outcome hears of it, so that the next may take it."""
    async with upstream(forever) as up, pool() as connections:
        await ask(connections, up.origin)
        sink, told = RecordingSink(), Told()

        begun = begin(connections, up.origin, sink, told)
        early = list(told.was)
        await until(told.done)

        assert begun is not None
        assert (early, told.was, sink.names) == ([], [True], ANSWERED)
        assert (up.connections, connections.idle(up.origin)) == (1, 1)


async def test_abandoning_it_closes_the_connection_and_tells_nobody() -> None:
    """The client has left: the provider must see it at once."""

    async def answers_once(peer: Peer) -> None:
        await peer.answer()
        await peer.request()
        await peer.gone()

    async with upstream(answers_once) as up, pool() as connections:
        await ask(connections, up.origin)
        sink, told = RecordingSink(), Told()
        begun = begin(connections, up.origin, sink, told)
        assert begun is not None

        begun.abandon(told)
        await until(lambda: connections.sockets == 0)

        assert (told.was, sink.names, connections.taken(up.origin)) == ([], [], 0)


async def test_a_connection_that_turns_out_dead_is_told_and_can_be_replayed() -> None:
    """Nothing was delivered, so the same request may be sent once more, over a new connection."""

    async def leaves_with_the_second(peer: Peer) -> None:
        await peer.answer()
        await peer.read(1)
        peer.reset()

    async with upstream(leaves_with_the_second, forever) as up, pool() as connections:
        await ask(connections, up.origin)
        sink, told = RecordingSink(), Told()
        begin(connections, up.origin, sink, told)
        await until(told.done)
        assert (told.was, sink.names) == ([False], [])

        deadline = connections.loop.time() + 30.0
        await connections.send(
            up.origin, HEAD % 2, (b"{}",), sink, first_byte_s=20.0, deadline=deadline, fresh=True
        )

        assert (sink.names, connections.replays, up.connections) == (ANSWERED, 1, 2)
