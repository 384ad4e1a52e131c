"""A connection and the books of the keys that its requests come with."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any

from plano.catalog.gateway_keys import GatewayKey
from plano.exchange.record import ExchangeRecord
from plano.http1.reply import Reply
from plano.http1.request import Request
from plano.keys.digests import digest_of
from plano.keys.opening import gate_for
from tests.unit.http1.clients import Edge, post, settle


class AtOnce:
    """The first request, under way without a task of its own."""

    def cancel(self) -> None:
        """Nothing is under way elsewhere."""


async def test_a_connection_that_is_going_leaves_no_request_in_a_keys_books() -> None:
    """A request that is admitted and then never concluded would hold one of its key's few places for ever:
    with `max_concurrent: 1` nobody would be let in again."""
    edge = Edge()
    key = GatewayKey("k", digest_of(b"s"), "o", max_concurrent=1)
    gate = gate_for([key], counts=None, prices=lambda _: None, now=edge.clock.time, today=lambda: edge.today)
    admitted: list[tuple[ExchangeRecord, Reply]] = []

    async def conclude(record: ExchangeRecord) -> None:
        gate.settle(record)

    def handle(request: Request, reply: Reply) -> Coroutine[Any, Any, None] | AtOnce:
        record = ExchangeRecord(request_id=request.path, method="POST", path="/", at=0, started=0)
        gate.admit(key, record)
        admitted.append((record, reply))
        return AtOnce() if len(admitted) == 1 else conclude(record)

    edge.server.handler = handle
    client = edge.connect()
    client.send(post("/a", b"x") + post("/b", b"y"))

    client.leave()  # the connection is lost a turn later
    record, reply = admitted[0]
    gate.settle(record)
    reply.send(200, b"", b"")
    reply.done()
    await settle()

    assert (gate.counts.under_way, len(admitted), edge.in_flight.count) == ({}, 1, 0)
