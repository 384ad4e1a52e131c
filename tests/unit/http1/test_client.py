"""One connection by hand: endings, back-pressure, and what is never used again."""

from __future__ import annotations

import ssl
from collections.abc import Callable

import pytest

from plano.http1.limits import ClientLimits
from plano.http1.slicing import JOINED_BYTES, WRITTEN_BYTES
from tests.unit.http1.hands import Hands
from tests.unit.http1.upstreams import OK, RecordingSink, timeout_of

HEAD_ONLY = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"
STREAM = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"
UNTIL_END = b"HTTP/1.1 200 OK\r\n\r\nabc"
LIMITS = ClientLimits(silence_s=60.0, idle_s=30.0)


async def test_an_exchange_frees_its_connection_and_a_second_follows() -> None:
    hands = Hands()
    first, first_outcome = hands.start()
    hands.connection.data_received(OK)
    second, second_outcome = hands.start()
    hands.connection.data_received(OK)

    assert (first.names, second.names, hands.heard, first_outcome.result(), second_outcome.result()) == (
        ["head", "body", "end"],
        ["head", "body", "end"],
        ["opened", "freed", "freed"],
        True,
        True,
    )


async def test_one_read_is_told_head_body_end_and_then_flush() -> None:
    """`end` before `flush`: head, body and last chunk leave in one write to the client."""

    class Ordered(RecordingSink):
        def flush(self) -> None:
            self._note("flush")

    hands = Hands()
    sink = Ordered()
    hands.connection.start(b"GET / HTTP/1.1\r\n\r\n", (), sink, 1.0, hands.loop.now + 9)
    hands.connection.data_received(OK[:-1])
    hands.connection.data_received(OK[-1:])

    assert sink.names == ["head", "body", "flush", "body", "end", "flush"]


async def test_flow_is_the_sinks_only_while_its_exchange_runs() -> None:
    """A late `resume` must not reach into somebody else's exchange."""
    hands = Hands()
    sink, _ = hands.start()
    during = sink.flow
    hands.connection.data_received(OK)

    assert (during, sink.flow) == (hands.connection, None)


# --- how an answer can end ---


def eof(hands: Hands) -> None:
    hands.connection.eof_received()
    hands.connection.connection_lost(None)


def lost(error: Exception | None) -> Callable[[Hands], None]:
    return lambda hands: hands.connection.connection_lost(error)


def garbage(hands: Hands) -> None:
    hands.connection.data_received(b"zzz\r\nwhat\r\n")


ENDINGS = [
    pytest.param(b"", eof, ["broke ResetBeforeHead"], id="FIN before a byte"),
    pytest.param(b"", lost(ConnectionResetError()), ["broke ResetBeforeHead"], id="RST before a byte"),
    pytest.param(b"", lost(TimeoutError()), ["broke ResetBeforeHead"], id="the network gives up"),
    pytest.param(b"HTTP/1.1 20", eof, ["broke ResetBeforeHead"], id="FIN inside the head"),
    pytest.param(HEAD_ONLY + b"abc", eof, ["head", "body", "broke Truncated"], id="FIN inside a sized body"),
    pytest.param(STREAM, eof, ["head", "body", "broke Truncated"], id="FIN between chunks"),
    pytest.param(
        STREAM, lost(BrokenPipeError()), ["head", "body", "broke Truncated"], id="RST between chunks"
    ),
    pytest.param(
        STREAM, lost(ssl.SSLError("bad record")), ["head", "body", "broke Truncated"], id="TLS breaks"
    ),
    pytest.param(STREAM, garbage, ["head", "body", "broke BrokenFraming"], id="garbage between chunks"),
    pytest.param(UNTIL_END, eof, ["head", "body", "end"], id="FIN where it is the framing"),
    pytest.param(
        UNTIL_END, lost(ssl.SSLEOFError()), ["head", "body", "end"], id="TLS without a farewell, likewise"
    ),
    pytest.param(
        UNTIL_END,
        lost(ConnectionResetError()),
        ["head", "body", "broke Truncated"],
        id="RST is never the end",
    ),
]


@pytest.mark.parametrize(("received", "ending", "told"), ENDINGS)
async def test_every_ending_is_told_once(
    received: bytes, ending: Callable[[Hands], None], told: list[str]
) -> None:
    hands = Hands()
    sink, outcome = hands.start()
    if received:
        hands.connection.data_received(received)

    ending(hands)

    assert (
        [" ".join(map(str, event[:2])) if event[0] == "broke" else event[0] for event in sink.events],
        outcome.result(),
        hands.transport.aborted,
        hands.heard.count("spent"),
    ) == (told, True, True, 1)


@pytest.mark.parametrize("at", range(len(HEAD_ONLY) + 5))
async def test_a_cut_after_any_byte_never_looks_complete(at: int) -> None:
    """EOF is not success where the framing promised more."""
    hands = Hands()
    sink, _ = hands.start()
    if at:
        hands.connection.data_received((HEAD_ONLY + b"hello")[:at])

    eof(hands)

    expected = "ResetBeforeHead" if at < len(HEAD_ONLY) else "Truncated"
    assert sink.events[-1] == ("broke", expected)


# --- a used connection that turns out dead ---


@pytest.mark.parametrize(
    "ending",
    [
        pytest.param(eof, id="FIN"),
        pytest.param(lost(None), id="closed"),
        pytest.param(lost(ConnectionResetError()), id="RST"),
        pytest.param(lost(BrokenPipeError()), id="EPIPE"),
    ],
)
async def test_a_dead_used_connection_tells_the_sink_nothing(ending: Callable[[Hands], None]) -> None:
    """So that the pool may send the request again unseen."""
    hands = Hands()
    hands.start()
    hands.connection.data_received(OK)
    sink, outcome = hands.start()

    ending(hands)

    assert (sink.events, outcome.result()) == ([], False)


@pytest.mark.parametrize("received", [b"H", b"HTTP/1.1 100 Continue\r\n\r\n"])
async def test_after_a_byte_of_an_answer_a_used_connection_is_no_excuse(received: bytes) -> None:
    """The upstream has begun to work on the request: sending it again might do it twice."""
    hands = Hands()
    hands.start()
    hands.connection.data_received(OK)
    sink, outcome = hands.start()
    hands.connection.data_received(received)

    eof(hands)

    assert (sink.names, outcome.result()) == (["broke"], True)


async def test_a_network_that_gives_up_is_no_stale_connection() -> None:
    hands = Hands()
    hands.start()
    hands.connection.data_received(OK)
    sink, _ = hands.start()

    lost(TimeoutError("timed out"))(hands)

    assert sink.events == [("broke", "ResetBeforeHead")]


# --- what is never used again ---


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(OK + b"x", id="bytes after the end"),
        pytest.param(OK + OK, id="a second answer"),
        pytest.param(OK.replace(b"200 OK\r\n", b"200 OK\r\nConnection: close\r\n"), id="announced"),
        pytest.param(OK.replace(b"HTTP/1.1", b"HTTP/1.0"), id="HTTP/1.0"),
    ],
)
async def test_such_a_connection_is_closed_after_its_answer(answer: bytes) -> None:
    hands = Hands()
    sink, outcome = hands.start()

    hands.connection.data_received(answer)

    assert (sink.names, outcome.result(), hands.heard, hands.transport.aborted) == (
        ["head", "body", "end"],
        True,
        ["opened", "spent"],
        True,
    )


async def test_bytes_that_nobody_asked_for_close_an_idle_connection() -> None:
    """They would be taken for the next answer."""
    hands = Hands()
    hands.start()
    hands.connection.data_received(OK)

    hands.connection.data_received(b"HTTP/1.1 408 Request Timeout\r\n\r\n")

    assert (hands.heard, hands.transport.aborted) == (["opened", "freed", "spent"], True)


async def test_a_peer_that_closes_takes_an_idle_connection_away() -> None:
    hands = Hands()
    hands.start()
    hands.connection.data_received(OK)

    eof(hands)

    assert hands.heard == ["opened", "freed", "spent", "closed"]


async def test_an_idle_connection_expires() -> None:
    hands = Hands(LIMITS)
    hands.start()
    hands.connection.data_received(OK)

    hands.loop.advance(29)
    kept = hands.transport.aborted
    hands.loop.advance(2)

    assert (kept, hands.transport.aborted) == (False, True)


# --- writing ---


async def test_a_small_request_is_one_write() -> None:
    hands = Hands()
    hands.start([b'{"model":"', b"m", memoryview(b'"}')])

    assert hands.transport.written == [b'POST / HTTP/1.1\r\nHost: a\r\n\r\n{"model":"m"}']


async def test_a_large_body_is_written_as_it_lies() -> None:
    """A copy of a megabyte costs more than a system call."""
    hands = Hands()
    large = bytes(range(256)) * 4096
    hands.start([b"{", large, b"}"])

    written = hands.transport.written
    assert b"".join(written) == b"POST / HTTP/1.1\r\nHost: a\r\n\r\n{" + large + b"}"
    assert [len(piece) for piece in written] == [29, *[WRITTEN_BYTES] * 4, 1]
    assert all(isinstance(piece, memoryview) and piece.obj is large for piece in written[1:-1])


async def test_a_slice_waits_until_the_one_before_has_left() -> None:
    hands = Hands(room=JOINED_BYTES)
    hands.start([b"x" * (WRITTEN_BYTES + 1)])
    before = len(hands.transport.written)
    hands.transport.room = float("inf")
    hands.transport.drain(hands.transport.waiting)

    assert (before, [len(piece) for piece in hands.transport.written]) == (2, [28, WRITTEN_BYTES, 1])


async def test_an_upstream_that_takes_nothing_of_the_request_is_given_up() -> None:
    hands = Hands(LIMITS, room=1000)
    sink, _ = hands.start([b"x" * 100_000])
    hands.loop.advance(61)

    assert (timeout_of(sink), hands.transport.aborted) == (("Silence", "request"), True)


async def test_an_upstream_that_takes_the_request_slowly_is_waited_for() -> None:
    """And the time for its head begins when it has the whole request."""
    hands = Hands(LIMITS, room=1000)
    sink, _ = hands.start([b"x" * 100_000], first_byte_s=30)
    for _ in range(3):
        hands.loop.advance(50)
        hands.transport.drain(1000)
    hands.transport.drain(hands.transport.waiting)
    hands.loop.advance(29)
    quiet = list(sink.events)
    hands.loop.advance(2)

    assert (quiet, timeout_of(sink)) == ([], ("Silence", "head"))


async def test_an_early_answer_is_delivered_and_ends_the_connection() -> None:
    """A 413 while the body is still being sent; what follows on this connection is half a body."""
    hands = Hands(room=1000)
    sink, outcome = hands.start([b"x" * 100_000])
    hands.connection.data_received(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")

    assert (sink.names, outcome.result(), hands.heard) == (["head", "end"], True, ["opened", "spent"])


# --- a sink that raises, a caller that leaves ---


@pytest.mark.parametrize("call", ["head", "body", "end", "flush"])
@pytest.mark.parametrize(
    "error", [ValueError(), KeyboardInterrupt(), StopIteration()], ids=lambda e: type(e).__name__
)
async def test_what_a_sink_raises_closes_the_connection_and_is_raised(
    call: str, error: BaseException
) -> None:
    """A connection in an unknown state must never serve another request."""

    def fail(*_: object) -> None:
        raise error

    hands = Hands()
    sink = RecordingSink()
    setattr(sink, call, fail)
    outcome = hands.connection.start(b"GET / HTTP/1.1\r\n\r\n", (), sink, 1.0, hands.loop.now + 9)

    hands.connection.data_received(OK)

    expected = RuntimeError if isinstance(error, StopIteration) else type(error)
    assert (type(outcome.exception()), hands.heard, "broke" in sink.names) == (
        expected,
        ["opened", "spent"],
        False,
    )


async def test_what_a_sink_raises_when_told_of_a_failure_is_raised() -> None:
    class Failing(RecordingSink):
        def broke(self, error: Exception) -> None:
            raise ValueError

    hands = Hands()
    outcome = hands.connection.start(b"GET / HTTP/1.1\r\n\r\n", (), Failing(), 1.0, hands.loop.now + 9)

    eof(hands)

    assert isinstance(outcome.exception(), ValueError)


async def test_between_a_cancellation_and_its_effect_nothing_is_told() -> None:
    """The task has been cancelled, its handler has not run, and the answer arrives."""
    hands = Hands()
    sink, outcome = hands.start()
    outcome.cancel()

    hands.connection.data_received(OK)
    hands.connection.connection_lost(None)

    assert (sink.events, hands.heard) == ([], ["opened", "spent", "closed"])


async def test_a_sink_that_has_itself_cancelled_is_told_no_more() -> None:
    """Its client left while the body was being written."""

    class Leaving(RecordingSink):
        def body(self, data: bytes) -> None:
            outcome.cancel()

    hands = Hands()
    sink = Leaving()
    outcome = hands.connection.start(b"GET / HTTP/1.1\r\n\r\n", (), sink, 1.0, hands.loop.now + 9)
    hands.connection.data_received(OK)

    assert (sink.names, hands.heard) == (["head"], ["opened", "spent"])


async def test_abandoning_an_exchange_that_is_over_leaves_the_next_alone() -> None:
    """The cancellation came after the answer: the connection may be somebody else's by now."""
    hands = Hands()
    _, first = hands.start()
    hands.connection.data_received(OK)
    sink, second = hands.start()

    hands.connection.abandon(first)
    hands.connection.data_received(OK)

    assert (sink.names, second.result(), hands.transport.aborted) == (["head", "body", "end"], True, False)
