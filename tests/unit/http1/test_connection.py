"""One client connection: whose turn it is, and what is let go of when the client leaves."""

from __future__ import annotations

import asyncio
import gc
from collections import Counter

import pytest

from plano.http1.connection import MOST_WAITING, Connection
from plano.http1.limits import SMALL_BODY_BYTES, ServerLimits
from plano.http1.reply import Reply
from plano.http1.request import Request
from tests.unit.http1.clients import Answer, Edge, answers, chunked, get, post, settle

# --- in order ---


async def test_requests_on_one_connection_are_answered_in_turn(edge: Edge) -> None:
    """The ordinary life of a kept-alive connection."""
    client = edge.connect()

    for number in range(3):
        client.send(post(f"/{number}", b"body"))
        await settle()

    assert answers(bytes(client.received)) == [Answer(200, b"POST /%d body" % number) for number in range(3)]


@pytest.mark.parametrize("cut", [1, 40, 1000])
async def test_pipelined_requests_are_answered_in_order(held: Edge, cut: int) -> None:
    """Even when the first takes long: whoever reads the answers counts them."""
    client = held.connect()
    data = get("/a") + post("/b", b"x") + chunked("/c", b"y")
    client.send(data[:cut])
    client.send(data[cut:])
    await settle()
    begun = [request.path for request in held.desk.asked]
    for _ in range(3):
        held.desk.tell()
        await settle()

    assert begun == ["/a"]
    assert [each.body for each in answers(bytes(client.received))] == [b"GET /a ", b"POST /b x", b"POST /c y"]


async def test_a_refusal_waits_behind_good_requests(held: Edge) -> None:
    """What came before it was sound and is answered first."""
    client = held.connect()
    client.send(get("/a") + get("/b") + b"GARBAGE\r\n\r\n" + get("/c"))
    for _ in range(2):
        await settle()
        held.desk.tell()
    await settle()

    assert answers(bytes(client.received)) == [
        Answer(200, b"GET /a "),
        Answer(200, b"GET /b "),
        Answer(400, b"malformed", closes=True),
    ]
    assert client.ended == "fin"


@pytest.mark.parametrize(
    "request_bytes",
    [pytest.param(get("/a"), id="many"), pytest.param(get("/a", "X: " + "a" * 4000), id="large heads"),
     pytest.param(post("/a", b"a" * 4000), id="large bodies")],
)  # fmt: skip
async def test_too_much_pipelining_is_answered_as_far_as_it_was_read(
    held: Edge, request_bytes: bytes
) -> None:
    """What may wait is bounded, whatever it consists of; the last answer says that the connection ends, so
    that the client sends the rest again."""
    client = held.connect()
    for _ in range(200):
        client.send(request_bytes)
    await settle()
    while not client.ended:
        held.desk.tell()
        await settle()

    found = answers(bytes(client.received), *["GET"] * 99)
    assert 3 <= len(found) <= MOST_WAITING + 1
    assert [each.closes for each in found] == [False] * (len(found) - 1) + [True]
    assert held.server.buffered_bytes == 0


@pytest.mark.parametrize(
    "request_bytes",
    [get("/", "Connection: close"), b"GET / HTTP/1.0\r\n\r\n", get("/", "Connection: x, close")],
)
async def test_the_client_may_say_that_it_is_the_last(edge: Edge, request_bytes: bytes) -> None:
    """Then the answer says so too, and nothing behind it is read."""
    client = await edge.exchange(request_bytes + get("/smuggled"))

    assert answers(bytes(client.received)) == [Answer(200, b"GET / ", closes=True)]
    assert (client.ended, [request.path for request in edge.desk.asked]) == ("fin", ["/"])


async def test_an_offer_to_upgrade_is_declined_by_answering(edge: Edge) -> None:
    """RFC 9110 §7.8; and no 101 is ever sent."""
    client = await edge.exchange(post("/", b"abc", "Upgrade: h2c", "Connection: Upgrade, HTTP2-Settings"))

    assert answers(bytes(client.received), "POST") == [Answer(200, b"POST / abc", closes=True)]


async def test_a_body_is_invited_at_once(edge: Edge) -> None:
    """curl waits a second for it with every body above a megabyte."""
    client = edge.connect()
    data = post("/", b"abc", "Expect: 100-continue")

    client.send(data[:-3])

    assert bytes(client.received) == b"HTTP/1.1 100 Continue\r\n\r\n"


async def test_a_pipelined_body_is_invited_when_it_is_its_turn(held: Edge) -> None:
    """An interim answer in the middle of another answer would be part of that one's body."""
    client = held.connect()
    client.send(get("/a") + post("/b", b"abc", "Expect: 100-continue")[:-3])
    await settle()
    before = bytes(client.received)
    held.desk.tell()
    await settle()

    assert before == b""
    assert bytes(client.received).endswith(b"GET /a HTTP/1.1 100 Continue\r\n\r\n")


async def test_a_body_that_came_uninvited_is_not_invited_later(held: Edge) -> None:
    """A stray interim answer on an idle connection would belong to the next request."""
    client = held.connect()
    client.send(get("/a") + post("/b", b"abc", "Expect: 100-continue"))
    for _ in range(2):
        await settle()
        held.desk.tell()
    await settle()

    assert b"100 Continue" not in client.received


async def test_a_defect_is_answered(edge: Edge) -> None:
    """A handler that raises is a bug, and still nobody may be left waiting."""

    async def broken(request: Request, reply: Reply) -> None:
        raise LookupError(request.path)

    edge.server.handler = broken
    client = await edge.exchange(get("/a") + get("/b"))

    assert [each.status for each in answers(bytes(client.received))] == [500, 500]
    assert [type(defect) for defect in edge.defects] == [LookupError, LookupError]


async def test_a_handler_that_says_nothing_ends_the_connection(edge: Edge) -> None:
    """The alternative is a client that waits for ever."""

    async def silent(request: Request, reply: Reply) -> None:
        pass

    edge.server.handler = silent
    client = await edge.exchange(get())

    assert (bytes(client.received), client.ended) == (b"", "fin")


# --- leaving ---

PHASES = [
    pytest.param(b"", id="connected"),
    pytest.param(get()[:-2], id="in a head"),
    pytest.param(post("/", b"abc")[:-1], id="in a sized body"),
    pytest.param(chunked("/", b"abc")[:-5], id="in a chunked body"),
    pytest.param(get(), id="being answered"),
    pytest.param(post("/", b"abc"), id="being answered with a body"),
    pytest.param(get() + post("/", b"abc"), id="with another waiting"),
    pytest.param(get() + post("/", b"abc")[:-1], id="with another being read"),
    pytest.param(get() + b"GARBAGE\r\n\r\n", id="with a refusal waiting"),
    pytest.param(b"GARBAGE\r\n\r\n", id="refused"),
    pytest.param(get("/", "Connection: close"), id="on its last"),
]


@pytest.mark.parametrize("data", PHASES)
@pytest.mark.parametrize("reset", [False, True], ids=["FIN", "RST"])
@pytest.mark.parametrize("settled", [False, True], ids=["at once", "later"])
async def test_departure_ends_everything(held: Edge, data: bytes, reset: bool, settled: bool) -> None:
    """Users pay for tokens that nobody reads: whoever answers is cancelled at once, and nothing is held."""
    client = held.connect()
    client.send(data)
    if settled:
        await settle()
    client.leave(reset=reset)
    await settle()

    assert client.lost
    assert [len(held.desk.cancelled), held.desk.finished] == [len(held.desk.asked), []]
    assert (held.in_flight.count, held.server.buffered_bytes, held.server.connections) == (0, 0, set())
    assert held.server.idle.is_set()


async def test_departure_in_mid_stream_cancels(held: Edge) -> None:
    """The most expensive phase: the model is generating."""
    client = held.connect()
    client.send(get("/stream"))
    await settle()
    held.desk.replies[0].start(200, b"", None)
    held.desk.replies[0].write(b"a")
    held.desk.replies[0].flush()
    client.leave()
    await settle()

    assert held.desk.cancelled == ["/stream"]


async def test_a_client_that_leaves_with_its_answer_does_not_disturb_the_record(held: Edge) -> None:
    """The answer is whole; what the handler still does is its bookkeeping, and is not cut short."""
    client = held.connect()
    client.send(get("/a"))
    await settle()
    held.desk.replies[0].send(200, b"", b"")
    client.leave()
    await settle()
    held.desk.tell()
    await settle()

    assert (held.desk.cancelled, held.desk.finished, held.in_flight.count) == ([], ["/a"], 0)


async def test_a_request_whose_client_left_before_its_turn_is_not_begun(held: Edge) -> None:
    """Its first act might be to pay for something."""
    client = held.connect()
    client.send(get("/a") + get("/b"))
    await settle()
    held.desk.tell()
    client.leave(reset=True)
    await settle()

    assert held.desk.finished + held.desk.cancelled == ["/a"]
    assert held.in_flight.count == 0


class AtOnce:
    """Work without a task: it ends when it is told, in the turn of whoever tells it."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.replies: list[Reply] = []

    def __call__(self, request: Request, reply: Reply) -> AtOnce:
        self.begun.append(request.path)
        self.replies.append(reply)
        return self

    def cancel(self) -> None:
        """Nothing is under way elsewhere."""

    def tell(self) -> None:
        self.replies[-1].send(200, b"", b"")
        self.replies[-1].done()


async def test_what_waits_is_not_begun_on_a_connection_that_is_going() -> None:
    """A client's FIN and the answer may come in one turn, in which the connection is not lost yet. What was
    begun then would be counted for its key and ended before it could be taken off."""
    handler = AtOnce()
    edge = Edge(handler)
    client = edge.connect()
    client.send(post("/a", b"x") + post("/b", b"y"))

    client.leave()
    handler.tell()
    await settle()

    assert handler.begun == ["/a"]
    assert (edge.in_flight.count, edge.server.buffered_bytes) == (0, 0)


# --- the account of bodies ---


async def test_bodies_count_as_long_as_they_are_held(held: Edge) -> None:
    """A body is held until its request is answered, not only until it was read."""
    client = held.connect()
    seen: list[int] = []
    for piece in (post("/a", b"x" * 100)[:-50], b"x" * 50, post("/b", b"y" * 30)):
        client.send(piece)
        await settle()
        seen.append(held.server.buffered_bytes)
    for _ in range(2):
        held.desk.tell()
        await settle()
        seen.append(held.server.buffered_bytes)

    waiting_head = len("/b" + "host" + "a" + "content-length" + "30")
    assert seen == [50, 100, 130 + waiting_head, 30, 0]


ENDINGS = [
    pytest.param(post("/", b"x" * 100), id="answered"),
    pytest.param(post("/", b"x" * 100) * 5, id="pipelined"),
    pytest.param(chunked("/", b"x" * 100), id="chunked"),
    pytest.param(post("/", b"x" * 301), id="too large by its head"),
    pytest.param(chunked("/", b"x" * 301), id="too large by its chunks"),
    pytest.param(chunked("/", b"x" * 100)[:-5] + b"g\r\n", id="malformed in the middle"),
    pytest.param(post("/", b"x" * 100) + post("/", b"x" * 301), id="too large behind another"),
    pytest.param(post("/", b"x" * 100, "Upgrade: h2c", "Connection: Upgrade"), id="with an offer"),
    pytest.param(post("/", b"x" * 250) * 3, id="over the sum"),
]


@pytest.mark.parametrize("data", ENDINGS)
@pytest.mark.parametrize("held", [False, True], ids=["answered at once", "left unanswered"])
async def test_the_account_of_bodies_comes_back_to_zero(data: bytes, held: bool) -> None:
    """An account that drifts sheds every request in the end, or none."""
    edge = Edge(limits=ServerLimits(body_bytes=300, buffered_bodies_bytes=600))
    if held:
        edge.hold()
    client = await edge.exchange(data)
    client.leave()
    await settle()

    assert (edge.server.buffered_bytes, edge.in_flight.count) == (0, 0)


async def test_larger_bodies_are_shed_when_memory_is_short(held: Edge) -> None:
    """The system ends a process that runs out, with everything it was answering: small requests go on, and a
    large one may come again in a while."""
    clients = [held.connect() for _ in range(3)]
    held.server.is_short_of_memory = True
    clients[0].send(post("/", b"x" * SMALL_BODY_BYTES))
    clients[1].send(post("/", b"x" * (SMALL_BODY_BYTES + 1)))
    await settle()
    held.server.is_short_of_memory = False
    clients[2].send(post("/", b"x" * (SMALL_BODY_BYTES + 1)))
    await settle()

    assert [bytes(client.received)[:12] for client in clients] == [b"", b"HTTP/1.1 503", b""]
    assert held.in_flight.count == 2


async def test_bodies_over_the_sum_are_shed_and_the_others_go_on(held: Edge) -> None:
    """A worker that is full refuses, before the system kills it."""
    held.server.limits = ServerLimits(buffered_bodies_bytes=1000)
    clients = [held.connect() for _ in range(3)]
    for client in clients:
        client.send(post("/", b"x" * 400))
    await settle()
    held.desk.tell(0)
    held.desk.tell(1)
    await settle()

    statuses = [[each.status for each in answers(bytes(client.received), "POST")] for client in clients]
    assert statuses == [[200], [200], [503]]


# --- nothing is left ---


async def test_ten_thousand_requests_leave_nothing_behind(edge: Edge) -> None:
    """A connection may live for days."""
    edge.server.handler = _answer_nothing
    client = edge.connect()
    counts: list[Counter[str]] = []
    for number in range(10_000):
        if number in (100, 9_999):
            gc.collect()
            counts.append(Counter(type(each).__name__ for each in gc.get_objects()))
        client.send(post("/", b"body"))
        edge.clock.advance(0.01)
        await asyncio.sleep(0)
        client.received.clear()

    growth = {name: more for name, more in (counts[1] - counts[0]).items() if more > 20}
    assert growth == {}
    assert len(edge.alarms) < 20


async def _answer_nothing(request: Request, reply: Reply) -> None:
    reply.send(200, b"", b"")


async def test_short_connections_leave_nothing_behind(edge: Edge) -> None:
    """Health checks open one each."""
    for _ in range(1_000):
        client = edge.connect()
        client.send(get("/", "Connection: close"))
        await asyncio.sleep(0)
        client.leave()
    await settle()
    gc.collect()

    left = [each for each in gc.get_objects() if isinstance(each, Connection)]
    assert (left[1:], len(edge.alarms) < 200, edge.server.connections) == ([], True, set())
