"""What a turn writes leaves at its end, in order; what closes meanwhile is passed over."""

from __future__ import annotations

import asyncio
from typing import cast

from plano.http1.outbox import Outbox
from tests.unit.http1.hands import HandTransport


class Turns:
    """A loop whose turns end when told."""

    def __init__(self) -> None:
        self.due: list[object] = []

    def call_soon(self, call: object) -> None:
        self.due.append(call)

    def end(self) -> None:
        due, self.due = self.due, []
        for call in due:
            assert callable(call)
            call()


def outbox() -> tuple[Turns, Outbox]:
    turns = Turns()
    return turns, Outbox(cast("asyncio.AbstractEventLoop", turns))


def test_nothing_leaves_before_the_turn_ends_and_then_everything() -> None:
    """One wake-up for all readers of a turn is the point of it."""
    turns, box = outbox()
    first, second = HandTransport(), HandTransport()

    box.put(first, b"a")
    box.put(second, b"b")
    before = first.written + second.written
    turns.end()

    assert (before, first.written, second.written, box.turn) == ([], [b"a"], [b"b"], 1)


def test_a_flush_comes_first_and_is_not_repeated() -> None:
    """Who closes, or writes more, must not overtake what was put there before."""
    turns, box = outbox()
    transport = HandTransport()

    box.put(transport, b"a")
    box.flush()
    transport.write(b"b")
    turns.end()

    assert transport.written == [b"a", b"b"]


def test_a_transport_that_closes_meanwhile_keeps_nobody_from_the_others() -> None:
    """Writing to one that is closed raises."""
    turns, box = outbox()
    closed, other = HandTransport(), HandTransport()

    box.put(closed, b"a")
    box.put(other, b"b")
    closed.abort()
    turns.end()

    assert (closed.written, other.written) == ([], [b"b"])


def test_what_is_put_while_it_is_emptied_waits_for_the_next_turn() -> None:
    """A write may bring about another one."""
    turns, box = outbox()
    transport = HandTransport()

    class Answering(HandTransport):
        def write(self, data: bytes | memoryview) -> None:  # type: ignore[override]  # as in HandTransport
            box.put(transport, b"then")

    box.put(Answering(), b"a")
    turns.end()
    before = list(transport.written)
    turns.end()

    assert (before, transport.written) == ([], [b"then"])
