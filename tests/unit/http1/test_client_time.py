"""A connection to an upstream: how long each part of an answer may take."""

from __future__ import annotations

import pytest

from plano.http1.limits import ClientLimits
from tests.unit.http1.hands import Hands
from tests.unit.http1.upstreams import OK, RecordingSink, timeout_of

STREAM = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"
LIMITS = ClientLimits(silence_s=60.0, idle_s=30.0)


async def test_no_head_in_time() -> None:
    """Also when it trickles in: a head that never ends is no head."""
    hands = Hands(LIMITS)
    sink, _ = hands.start(first_byte_s=30)
    for byte in OK[:20]:
        hands.connection.data_received(bytes([byte]))
        hands.loop.advance(1.4)
    quiet = list(sink.events)
    hands.loop.advance(3)

    assert (quiet, timeout_of(sink), hands.transport.aborted) == ([], ("Silence", "head"), True)


async def test_silence_inside_the_body() -> None:
    hands = Hands(LIMITS)
    sink, _ = hands.start()
    hands.connection.data_received(STREAM)
    hands.loop.advance(59)
    hands.connection.data_received(b"1\r\nx\r\n")
    hands.loop.advance(59)
    quiet = sink.names
    hands.loop.advance(2)

    assert (quiet, timeout_of(sink), hands.transport.aborted) == (["head", "body"], ("Silence", "body"), True)


@pytest.mark.parametrize("paused", [False, True])
async def test_an_end_that_is_awaited_comes_in_time_or_not_at_all(paused: bool) -> None:
    """However lively the rest is; a slow client has its time all the same."""

    class Ending(RecordingSink):
        def body(self, data: bytes) -> None:
            super().body(data)
            assert self.flow is not None
            if data == b"abc":
                self.flow.ending(1.0)

    ending = Ending()
    hands = Hands(LIMITS)
    hands.connection.start(b"GET / HTTP/1.1\r\n\r\n", (), ending, 30.0, hands.loop.now + 300)
    hands.connection.data_received(STREAM)
    if paused:
        hands.connection.pause()
        hands.loop.advance(9)
        hands.connection.resume()
    for _ in range(3):
        hands.loop.advance(0.3)
        hands.connection.data_received(b"1\r\nx\r\n")
    quiet = ending.names
    hands.loop.advance(0.2)

    assert (quiet, timeout_of(ending)) == (["head", "body"], ("Silence", "body"))
    assert hands.transport.aborted


async def test_an_end_that_is_awaited_and_comes_leaves_the_connection_usable() -> None:
    """It is not closed for the time it had."""

    class Ending(RecordingSink):
        def body(self, data: bytes) -> None:
            super().body(data)
            assert self.flow is not None
            self.flow.ending(1.0)

    hands = Hands(LIMITS)
    hands.connection.start(b"GET / HTTP/1.1\r\n\r\n", (), Ending(), 30.0, hands.loop.now + 300)
    hands.connection.data_received(STREAM)
    hands.connection.data_received(b"0\r\n\r\n")
    hands.loop.advance(20)

    assert (hands.heard, hands.transport.aborted) == (["opened", "freed"], False)


async def test_the_deadline_is_absolute() -> None:
    """However lively the stream is."""
    hands = Hands(LIMITS)
    sink, _ = hands.start(within_s=100)
    hands.connection.data_received(STREAM)
    while not hands.transport.aborted:
        hands.loop.advance(10)
        hands.connection.data_received(b"1\r\nx\r\n")

    assert (timeout_of(sink), round(hands.loop.now - 1000)) == (("Overdue", "body"), 100)


async def test_a_pause_is_not_silence() -> None:
    """A slow client is not the upstream's fault."""
    hands = Hands(LIMITS)
    sink, _ = hands.start()
    hands.connection.data_received(STREAM)
    assert sink.flow is not None
    sink.flow.pause()
    hands.loop.advance(200)
    during = (sink.names, hands.transport.is_read)
    sink.flow.resume()
    after = hands.transport.is_read
    hands.loop.advance(61)

    assert (during, after, timeout_of(sink)) == ((["head", "body"], False), True, ("Silence", "body"))


async def test_the_deadline_passes_in_a_pause_too() -> None:
    hands = Hands(LIMITS)
    sink, _ = hands.start(within_s=100)
    hands.connection.data_received(STREAM)
    assert sink.flow is not None
    sink.flow.pause()
    hands.loop.advance(101)

    assert timeout_of(sink) == ("Overdue", "body")


async def test_a_pause_in_the_last_read_does_not_outlive_the_answer() -> None:
    """An idle connection must be read, or nobody would notice that the peer has closed it."""

    class Pausing(RecordingSink):
        def body(self, data: bytes) -> None:
            assert self.flow is not None
            self.flow.pause()

    hands = Hands()
    hands.connection.start(b"GET / HTTP/1.1\r\n\r\n", (), Pausing(), 1.0, hands.loop.now + 9)
    hands.connection.data_received(OK)

    assert (hands.heard, hands.transport.is_read) == (["opened", "freed"], True)
