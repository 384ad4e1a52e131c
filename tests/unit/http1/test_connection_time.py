"""How long anybody waits on a connection, and how it ends."""

from __future__ import annotations

import pytest

from plano.http1.connection import HEARD_BODIES, LINGER_S, LONGEST_LINGER_S
from plano.http1.limits import ServerLimits
from plano.http1.reply import Reply
from plano.http1.request import Request
from tests.unit.http1.clients import (
    EDGE_LIMITS,
    Answer,
    Edge,
    Faucet,
    HandClient,
    answers,
    get,
    post,
    settle,
)

# --- how long ---


async def test_an_idle_connection_is_closed(edge: Edge) -> None:
    """Whether or not it has ever carried anything; the client may open another."""
    fresh = edge.connect()
    used = await edge.exchange(get())

    await edge.elapse(74.0)
    before = (fresh.ended, used.ended)
    await edge.elapse(2.0)

    assert (before, fresh.ended, used.ended) == ((None, None), "fin", "fin")


async def test_requests_keep_a_connection_open(edge: Edge) -> None:
    """The idle time counts from the last answer."""
    client = edge.connect()
    for _ in range(5):
        client.send(get())
        await edge.elapse(60.0)

    assert (client.ended, len(answers(bytes(client.received)))) == (None, 5)


@pytest.mark.parametrize(
    ("start", "trickle", "limit_s"),
    [(get()[:-2], b"X: y\r\n", 10.0), (b"G", b"", 10.0), (post("/a", b"x" * 99)[:-99], b"x", 60.0)],
    ids=["headers", "first byte alone", "body"],
)
async def test_trickled_bytes_do_not_extend_a_deadline(
    edge: Edge, start: bytes, trickle: bytes, limit_s: float
) -> None:
    """Deadlines are absolute: a slow-loris would hold a connection for ever with a byte a second."""
    client = edge.connect()
    client.send(start)
    for _ in range(int(limit_s) - 1):
        await edge.elapse(1.0)
        client.send(trickle)
    before = bytes(client.received)
    await edge.elapse(1.1)

    assert before == b""
    assert answers(bytes(client.received)) == [Answer(408, b"timeout", closes=True)]
    assert (client.ended, edge.server.buffered_bytes) == ("fin", 0)


async def test_the_body_has_its_own_time(edge: Edge) -> None:
    """It begins at the end of the head, also when no byte of the body came with it."""
    client = edge.connect()
    client.send(post("/", b"abc")[:-3])
    await edge.elapse(59.0)
    client.send(b"abc")
    await settle()

    assert answers(bytes(client.received), "POST") == [Answer(200, b"POST / abc")]


async def test_a_second_request_has_the_same_deadlines(edge: Edge) -> None:
    """They are set anew for each, also in the middle of a read."""
    client = edge.connect()
    client.send(post("/", b"abc")[:-1])
    client.send(b"c" + post("/b", b"abc")[:-1])
    await settle()
    await edge.elapse(59.0)
    before = client.ended
    await edge.elapse(2.0)

    assert (before, [each.status for each in answers(bytes(client.received), "POST")]) == (None, [200, 408])


async def test_no_deadline_runs_while_an_answer_is_under_way(held: Edge) -> None:
    """The client may be waiting for us before it sends the rest; its time begins when it has its answer."""
    client = held.connect()
    client.send(get("/a") + get("/b")[:-2])
    await held.elapse(1000.0)
    before = client.ended
    held.desk.tell()
    await settle()
    await held.elapse(9.0)
    still = client.ended
    await held.elapse(2.0)

    assert (before, still) == (None, None)
    assert [each.status for each in answers(bytes(client.received))] == [200, 408]


async def test_a_client_that_takes_nothing_is_dropped(edge: Edge) -> None:
    """It holds buffers here and a stream upstream; its handler is told at once."""
    faucet, client = await stalled(edge)

    await edge.elapse(59.0)
    before = client.ended
    await edge.elapse(2.0)

    assert (before, client.ended, faucet.told) == (None, "aborted", ["pause"])
    assert edge.in_flight.count == 0


async def test_a_client_that_takes_a_little_is_not_dropped(edge: Edge) -> None:
    """Also when more was written meanwhile than it took."""
    _, client = await stalled(edge)
    for _ in range(5):
        await edge.elapse(50.0)
        edge_reply(edge).write(b"x" * 200)
        edge_reply(edge).flush()
        client.take(100)
        await edge.elapse(9.0)

    assert client.ended is None


async def test_a_slow_client_pauses_where_the_answer_comes_from(edge: Edge) -> None:
    """At most the limit and one read are held; a client that catches up gets the rest."""
    faucet, client = await stalled(edge)
    client.take()

    assert faucet.told == ["pause", "resume"]


async def test_an_answer_that_begins_while_the_client_is_behind_is_paused_at_once(edge: Edge) -> None:
    """The next answer on the connection must not pile up on the last."""
    _, client = await stalled(edge)
    client.send(get("/next"))
    edge_reply(edge).end()
    edge.desk.tell(0)
    await settle()
    faucet = Faucet()
    edge_reply(edge).attach(faucet)

    assert faucet.told == ["pause"]


@pytest.mark.parametrize(
    ("rest", "waits_s", "ends"),
    [(b"", 75.0, []), (get("/b")[:-2], 10.0, [408]), (post("/b", b"x")[:-1], 60.0, [408])],
    ids=["idle", "in a head", "in a body"],
)
async def test_catching_up_does_not_make_a_connection_immortal(
    edge: Edge, rest: bytes, waits_s: float, ends: list[int]
) -> None:
    """A client that was slow with one answer is still expected to send the next request in time."""
    _, client = await stalled(edge)
    edge_reply(edge).end()
    edge.desk.tell(0)
    await settle()
    client.send(rest)
    client.take()
    await edge.elapse(waits_s - 1.0)
    before = client.ended
    await edge.elapse(2.0)

    assert before is None
    assert ([each.status for each in answers(bytes(client.received))][1:], client.ended) == (ends, "fin")


async def test_a_client_that_takes_nothing_of_a_finished_answer_is_dropped(edge: Edge) -> None:
    """Nobody is answering any more, and still its buffer is held."""
    _, client = await stalled(edge)
    edge_reply(edge).end()
    edge.desk.tell(0)
    await edge.elapse(61.0)

    assert client.ended == "aborted"


async def test_patience_with_a_slow_client_counts_from_what_it_took_last(edge: Edge) -> None:
    """Not from when it was last looked at: what is held for it would be held twice as long."""
    _, client = await stalled(edge)
    await edge.elapse(30.0)
    client.take(1000)
    await edge.elapse(59.0)
    before = client.ended
    await edge.elapse(2.0)

    assert (before, client.ended) == (None, "aborted")


def edge_reply(edge: Edge) -> Reply:
    return edge.desk.replies[-1]


async def stalled(edge: Edge) -> tuple[Faucet, HandClient]:
    """A client that has taken some of a stream and has more waiting for it than it may."""
    edge.hold()
    client = edge.connect(room=500)
    client.send(get("/slow"))
    await settle()
    faucet, reply = Faucet(), edge_reply(edge)
    reply.attach(faucet)
    reply.start(200, b"", None)
    reply.write(b"x" * (EDGE_LIMITS.held_reply_bytes - 1))
    reply.flush()
    assert faucet.told == []
    reply.write(b"x" * 1000)
    reply.flush()
    return faucet, client


# --- ending ---


async def test_a_half_closed_connection_listens_until_the_client_closes(edge: Edge) -> None:
    """Closing with unread input sends a RST, which can destroy the answer on its way."""
    client = await edge.exchange(get("/", "Connection: close"))
    client.send(b"more")
    await edge.elapse(LINGER_S / 2)
    before = client.lost
    client.leave()
    await settle()

    assert (client.ended, before, client.lost) == ("fin", False, True)


async def test_a_client_that_neither_closes_nor_speaks_is_not_waited_for(edge: Edge) -> None:
    """It has had its answer."""
    client = await edge.exchange(get("/", "Connection: close"))

    await edge.elapse(LINGER_S + 0.1)

    assert client.lost


async def test_a_client_that_goes_on_sending_is_heard_for_a_while(edge: Edge) -> None:
    """Many clients read the refusal of a body only when they have sent all of it."""
    client = edge.connect()
    client.send(post("/", b"", "Transfer-Encoding: chunked"))
    heard_s = 0.0
    while not client.lost and heard_s < 100:
        client.send(b"x" * 1000)
        await edge.elapse(1.0)
        heard_s += 1.0

    assert LONGEST_LINGER_S - 1 <= heard_s <= LONGEST_LINGER_S + LINGER_S + 1
    assert [each.status for each in answers(bytes(client.received))] == [400]


async def test_a_client_that_sends_without_end_is_cut_off(edge: Edge) -> None:
    """The hearing is bounded in bytes too."""
    edge.server.limits = ServerLimits(body_bytes=10_000)
    client = edge.connect()
    client.send(b"GARBAGE\r\n\r\n")
    for _ in range(HEARD_BODIES):
        client.send(b"x" * 10_000)
    await settle()
    before = client.lost
    client.send(b"x")
    await settle()

    assert (before, client.lost) == (False, True)


async def test_a_slow_reader_gets_the_end_of_its_last_answer(edge: Edge) -> None:
    """Half-closing must wait for what is still to be taken, as long as some of it is."""
    client = edge.connect(room=100)
    edge.server.handler = large
    client.send(get("/", "Connection: close"))
    for _ in range(50):
        await edge.elapse(50.0)
        client.take(200)
    client.take()
    await settle()

    assert answers(bytes(client.received)) == [Answer(200, b"x" * 20_000, closes=True)]
    assert client.ended == "fin"


async def test_a_reader_that_stops_before_the_end_of_its_last_answer_is_dropped(edge: Edge) -> None:
    """And one that takes nothing of it does not keep the connection."""
    client = edge.connect(room=100)
    edge.server.handler = large
    client.send(get("/", "Connection: close"))
    await settle()
    await edge.elapse(58.0)
    before = client.lost
    await edge.elapse(5.0)

    assert (before, client.lost) == (False, True)


async def test_a_reader_that_catches_up_and_then_stops_is_dropped(edge: Edge) -> None:
    """It left too little unread to count as stalled, and still there is no end without it."""
    client = edge.connect(room=100)
    edge.server.handler = large
    client.send(get("/", "Connection: close"))
    await settle()
    client.take(19_000)
    await edge.elapse(130.0)

    assert client.lost


async def test_a_client_that_closed_its_side_and_reads_nothing_is_dropped(edge: Edge) -> None:
    """The transport is closing already and waits for a buffer that nobody empties."""
    client = edge.connect(room=19_000)
    edge.server.handler = large
    client.send(get())
    await settle()
    client.leave()
    await edge.elapse(63.0)

    assert client.lost


async def test_an_idle_client_that_reads_nothing_is_dropped(edge: Edge) -> None:
    """Its answer is out, as far as we are concerned, and too little of it waits to count as a stall."""
    client = edge.connect(room=19_000)
    edge.server.handler = large
    client.send(get())
    await settle()
    await edge.elapse(76.0)
    await edge.elapse(63.0)

    assert client.lost


async def large(request: Request, reply: Reply) -> None:
    reply.send(200, b"", b"x" * 20_000)
