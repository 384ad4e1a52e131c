"""In a crowd, small writes leave together at the end of a turn; alone, and behind one of them, at once."""

from __future__ import annotations

import pytest

from plano.http1.outbox import FEW
from plano.http1.reply import Reply
from tests.unit.http1.clients import Answer, Edge, answers, get, settle


def reply_of(edge: Edge) -> Reply:
    (connection,) = edge.server.connections
    assert connection.reply is not None
    return connection.reply


@pytest.mark.parametrize(("others", "received"), [(0, True), (FEW, False)], ids=["alone", "in a crowd"])
async def test_a_first_write_waits_only_in_a_crowd(held: Edge, others: int, received: bool) -> None:
    """Alone there is nobody to wait for, and whoever reads waits for every microsecond."""
    held.in_flight.count += others
    client = held.connect()
    client.send(get())
    await settle()

    reply_of(held).send(200, b"", b"ok")
    at_once = bool(client.received)
    await settle()

    assert (at_once, b"\r\n\r\nok" in client.received) == (received, True)


async def test_a_second_write_of_a_turn_leaves_behind_the_first_and_at_once(held: Edge) -> None:
    """Who writes much must learn in time that the client does not keep up."""
    held.in_flight.count += FEW
    client = held.connect()
    client.send(get())
    await settle()
    reply = reply_of(held)

    reply.start(200, b"", 2)
    reply.flush()
    reply.write(b"o")
    reply.flush()
    reply.write(b"k")
    reply.flush()

    assert client.received.endswith(b"\r\n\r\nok")


@pytest.mark.parametrize("end", ["whole", "loud"])
async def test_what_waits_leaves_before_the_connection_ends(held: Edge, end: str) -> None:
    """An end that overtook the answer would cut it off."""
    held.in_flight.count += FEW
    client = held.connect()
    client.send(get("/", "Connection: close"))
    await settle()
    reply = reply_of(held)

    if end == "whole":
        reply.send(200, b"", b"ok")
    else:
        reply.start(200, b"", 9)
        reply.write(b"ok")
        reply.end_loudly()
    held.desk.tell()
    await settle()

    assert client.ended == "fin"
    assert answers(bytes(client.received)) == [Answer(200, b"ok", closes=True, whole=end == "whole")]
