"""What the connections of one listener share: how a server drains, sheds and ends."""

from __future__ import annotations

import asyncio

import pytest

from plano.http1.connection import LINGER_S, SHED_AT_ONCE
from plano.http1.limits import ServerLimits
from plano.http1.reply import InvalidField, Reply, field_line
from plano.http1.request import Request
from tests.unit.http1.clients import Answer, Edge, answers, chunked, get, post, settle


async def test_draining_is_announced_with_the_next_answer(edge: Edge) -> None:
    """A connection closed without that word loses the request that crosses its end: about one a client in
    every restart."""
    client = await edge.exchange(get("/a"))
    edge.server.drain()
    await settle()
    before = client.ended
    client.send(get("/b") + get("/c"))
    await settle()

    assert before is None
    assert answers(bytes(client.received)) == [Answer(200, b"GET /a "), Answer(200, b"GET /b ", closes=True)]
    assert client.ended == "fin"


async def test_an_answer_begun_before_the_drain_is_finished(held: Edge) -> None:
    """Its head is out and promised a kept connection; the next answer takes that back."""
    client = held.connect()
    client.send(get("/a"))
    await settle()
    reply = held.desk.replies[0]
    reply.start(200, b"", 2)
    reply.flush()
    held.server.drain()
    reply.write(b"ok")
    reply.end()
    held.desk.tell()
    await settle()
    before = client.ended
    client.send(get("/b"))
    await settle()
    held.desk.tell()
    await settle()

    assert before is None
    assert answers(bytes(client.received)) == [Answer(200, b"ok"), Answer(200, b"GET /b ", closes=True)]


@pytest.mark.parametrize(
    "data", [get("/a"), post("/a", b"abc"), chunked("/a", b"abc")], ids=["plain", "sized", "chunked"]
)
async def test_a_request_under_way_is_answered_while_idle_connections_are_closed(
    edge: Edge, data: bytes
) -> None:
    """Closing what is idle must not touch what is not, wherever in its request it is."""
    idle = await edge.exchange(get())
    halfway = edge.connect()
    halfway.send(data[:-2])
    edge.server.drain()
    edge.server.close_idle()
    await settle()
    before = (idle.ended, halfway.ended)
    halfway.send(data[-2:])
    await settle()

    assert before == ("fin", None)
    assert [(each.status, each.closes) for each in answers(bytes(halfway.received))] == [(200, True)]
    assert halfway.ended == "fin"


async def test_an_answer_under_way_closes_its_connection_once_idle_ones_are(held: Edge) -> None:
    """It comes to rest after the others were closed."""
    client = held.connect()
    client.send(get("/a"))
    await settle()
    held.desk.replies[0].start(200, b"", 0)
    held.server.drain()
    held.server.close_idle()
    held.desk.replies[0].end()
    held.desk.tell()
    await settle()

    assert (client.ended, client.lost, held.server.idle.is_set()) == ("fin", True, True)


async def test_a_fresh_connection_gets_a_moment_for_its_request(edge: Edge) -> None:
    """It was accepted a moment ago and its request is on the way: clients do not repeat the first request of
    a new connection."""
    fresh = edge.connect()
    edge.server.drain()
    edge.server.close_idle()
    later = edge.connect()
    await edge.elapse(LINGER_S / 2)
    fresh.send(get("/a"))
    later.send(get("/b"))
    await settle()

    found = [answers(bytes(client.received)) for client in (fresh, later)]
    assert found == [[Answer(200, b"GET /a ", closes=True)], [Answer(200, b"GET /b ", closes=True)]]


async def test_a_fresh_connection_that_stays_silent_does_not_hold_up_the_drain(edge: Edge) -> None:
    """Clients also open connections that they never use."""
    fresh = edge.connect()
    edge.server.close_idle()
    later = edge.connect()
    await edge.elapse(LINGER_S + 0.1)

    assert (fresh.ended, later.ended, edge.server.idle.is_set()) == ("fin", "fin", True)


@pytest.mark.parametrize("begun", [True, False], ids=["begun", "not begun"])
async def test_what_is_still_answered_at_the_end_is_told_why(edge: Edge, begun: bool) -> None:
    """The drain limit is reached: a handler gets a last word, also one that was about to begin."""

    async def handler(request: Request, reply: Reply) -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            reply.send(503, b"", b"bye")
            raise

    edge.server.handler = handler
    client = edge.connect()
    client.send(get())
    if begun:
        await settle()
    edge.server.drain()
    edge.server.cancel_active()
    await settle()

    assert answers(bytes(client.received)) == [Answer(503, b"bye", closes=True)]
    assert (client.ended, edge.in_flight.count) == ("fin", 0)


async def test_aborting_ends_every_connection_at_once(held: Edge) -> None:
    """The very last resort."""
    clients = [held.connect() for _ in range(3)]
    clients[0].send(get())
    clients[1].send(get()[:-2])
    await settle()

    held.server.abort()
    await settle()

    assert [client.lost for client in clients] == [True] * 3
    assert (held.desk.cancelled, held.server.idle.is_set()) == (["/"], True)


async def test_a_connection_too_many_is_told_so() -> None:
    """Shed before descriptors run out, with words and not with silence; the others stay."""
    edge = Edge(limits=ServerLimits(max_connections=2))
    clients = [edge.connect() for _ in range(3)]
    clients[2].send(get())
    clients[0].send(get())
    await settle()

    found = [[each.status for each in answers(bytes(client.received))] for client in clients]
    assert (found, clients[2].ended) == ([[200], [], [503]], "fin")


async def test_of_connections_too_many_only_a_few_linger() -> None:
    """Each one that lingers holds a descriptor, and a flood of them would take those of the clients that
    are being served: every one is told, most are closed at once."""
    edge = Edge(limits=ServerLimits(max_connections=2))
    clients = [edge.connect() for _ in range(2 + SHED_AT_ONCE + 30)]
    await settle()

    told = [[each.status for each in answers(bytes(client.received))] for client in clients]
    assert told == [[], []] + [[503]] * (SHED_AT_ONCE + 30)
    assert [client.ended for client in clients] == [None] * 2 + ["fin"] * (SHED_AT_ONCE + 30)
    assert len(edge.server.connections) == 2 + SHED_AT_ONCE


async def test_requests_in_flight_are_counted(held: Edge) -> None:
    """Load balancers and the drain go by it."""
    clients = [held.connect() for _ in range(2)]
    counts = [held.in_flight.count]
    for client in clients:
        client.send(get() + get())
        await settle()
        counts.append(held.in_flight.count)
    held.desk.tell(0)
    held.desk.tell(1)
    await settle()
    counts.append(held.in_flight.count)
    clients[0].leave()
    await settle()
    counts.append(held.in_flight.count)

    assert counts == [0, 1, 2, 2, 1]


async def test_a_forged_field_becomes_an_error_and_not_a_field(edge: Edge) -> None:
    """A value from outside that reaches a head must not get out as two fields."""

    async def handler(request: Request, reply: Reply) -> None:
        reply.send(200, field_line(b"x-route", request.query.encode() + b"\r\nset-cookie: a"), b"")

    edge.server.handler = handler
    client = await edge.exchange(get())

    assert [each.status for each in answers(bytes(client.received))] == [500]
    assert (b"set-cookie" in client.received, [type(each) for each in edge.defects]) == (
        False,
        [InvalidField],
    )


async def test_the_date_moves_with_the_clock(edge: Edge) -> None:
    """It is rendered once a second and used for every answer in between."""
    dates = [edge.server.date()]
    edge.today += 1.0
    dates.append(edge.server.date())
    edge.clock.advance(1.0)
    dates.append(edge.server.date())

    assert dates == [
        b"date: Sun, 06 Nov 1994 08:49:37 GMT\r\n",
        b"date: Sun, 06 Nov 1994 08:49:37 GMT\r\n",
        b"date: Sun, 06 Nov 1994 08:49:38 GMT\r\n",
    ]
