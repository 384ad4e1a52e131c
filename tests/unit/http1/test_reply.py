"""How an answer is framed, and that it cannot forge another."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from plano.http1.reply import InvalidField, Reply, WrongLength, field_line, status_line
from plano.http1.request import Request
from tests.unit.http1.clients import Answer, Edge, answers, get, settle

DATE = b"date: Sun, 06 Nov 1994 08:49:37 GMT\r\n"


def edge(act: Callable[[Reply], None]) -> Edge:
    async def handler(request: Request, reply: Reply) -> None:
        act(reply)

    return Edge(handler)


def whole(reply: Reply) -> None:
    reply.send(200, b"x-a: b\r\n", b"hello")


def sized(reply: Reply) -> None:
    reply.start(200, b"", 5)
    reply.write(b"he")
    reply.write(b"")
    reply.flush()
    reply.write(b"llo")
    reply.end()


def streamed(reply: Reply) -> None:
    reply.start(200, b"", None)
    reply.write(b"he")
    reply.write(b"")
    reply.write(b"llo")
    reply.flush()
    reply.end()


def empty(reply: Reply) -> None:
    reply.start(204, b"", None)
    reply.end()


ONE = "HTTP/1.1 200 OK\r\n" + DATE.decode()
WIRE = [
    pytest.param("GET", whole, "x-a: b\r\ncontent-length: 5\r\n\r\nhello", id="whole"),
    pytest.param("GET", sized, "content-length: 5\r\n\r\nhello", id="sized"),
    pytest.param(
        "GET", streamed, "transfer-encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n", id="streamed"
    ),
    pytest.param("HEAD", whole, "x-a: b\r\ncontent-length: 5\r\n\r\n", id="HEAD of whole"),
    pytest.param("HEAD", streamed, "transfer-encoding: chunked\r\n\r\n", id="HEAD of streamed"),
]


@pytest.mark.parametrize(("method", "act", "rest"), WIRE)
async def test_what_goes_over_the_wire(method: str, act: Callable[[Reply], None], rest: str) -> None:
    """The framing is all a client has to tell one answer from the next."""
    client = await edge(act).exchange(get().replace(b"GET", method.encode()))

    assert bytes(client.received) == (ONE + rest).encode()


@pytest.mark.parametrize("status", [204, 304])
@pytest.mark.parametrize("body", [b"", b"not for the wire"])
async def test_a_status_without_a_body_has_none(status: int, body: bytes) -> None:
    """A client reads whatever follows such a head as its next answer (RFC 9110 §8.6)."""
    client = await edge(lambda reply: reply.send(status, b"", body)).exchange(get() + get())

    assert [(each.status, each.body) for each in answers(bytes(client.received))] == [(status, b"")] * 2


@pytest.mark.parametrize(("act", "framing"), [(whole, b"content-length: 5\r\n"), (streamed, b"")])
async def test_http_1_0_gets_no_chunks_and_no_second_answer(
    act: Callable[[Reply], None], framing: bytes
) -> None:
    """It knows neither chunks nor, without asking, kept connections: the body ends with the connection."""
    client = await edge(act).exchange(b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n" + get())

    head, _, body = bytes(client.received).partition(b"\r\n\r\n")
    assert head + b"\r\n" == b"HTTP/1.1 200 OK\r\n" + DATE + (
        b"x-a: b\r\n" if act is whole else b""
    ) + framing + (b"connection: close\r\n")
    assert (body, client.ended) == (b"hello", "fin")


@pytest.mark.parametrize(("length", "written"), [(5, b"four"), (5, b"sixsix"), (0, b"a"), (1, b"")])
async def test_an_answer_of_another_length_than_announced_is_a_defect(length: int, written: bytes) -> None:
    """Otherwise the next answer on the connection would start inside this one: somebody else's words."""

    def act(reply: Reply) -> None:
        reply.start(200, b"", length)
        reply.write(written)
        reply.end()

    server = edge(act)
    client = await server.exchange(get() + get())

    assert [type(defect) for defect in server.defects] == [WrongLength]
    assert client.ended == "fin"


@pytest.mark.parametrize("start", [True, False], ids=["begun", "not begun"])
async def test_a_loud_ending_is_short_of_its_framing(start: bool) -> None:
    """A cut stream that ends cleanly is success to every official client library."""

    def act(reply: Reply) -> None:
        if start:
            reply.start(200, b"", None)
            reply.write(b"data: {}\n\n")
        reply.end_loudly()

    client = await edge(act).exchange(get() + get())

    expected = [Answer(200, b"data: {}\n\n", whole=False)] if start else []
    assert (answers(bytes(client.received)), client.ended) == (expected, "fin")


async def test_a_loud_ending_in_http_1_0_is_a_reset() -> None:
    """There a FIN is what completes a body; the reset comes behind the bytes, not instead of them."""

    def act(reply: Reply) -> None:
        reply.start(500, b"", None)
        reply.write(b"half")
        reply.end_loudly()

    client = await edge(act).exchange(b"GET / HTTP/1.0\r\n\r\n")

    assert (bytes(client.received).partition(b"\r\n\r\n")[2], client.ended) == (b"half", "rst")


async def test_a_sized_answer_cut_short_in_http_1_0_ends_with_fin() -> None:
    """Its length says already that it is not whole, and a FIN cannot discard anything unread."""

    def act(reply: Reply) -> None:
        reply.start(200, b"", 10)
        reply.write(b"half")
        reply.end_loudly()

    client = await edge(act).exchange(b"GET / HTTP/1.0\r\n\r\n")

    assert client.ended == "fin"


async def test_an_answer_ends_once() -> None:
    """The first end counts: bytes after it would be read as the next answer."""

    def act(reply: Reply) -> None:
        streamed(reply)
        reply.write(b"late")
        reply.flush()
        reply.end()
        reply.end_loudly()

    client = await edge(act).exchange(get() + get())

    assert answers(bytes(client.received)) == [Answer(200, b"hello")] * 2


async def test_after_a_loud_end_nothing_is_written() -> None:
    """Writing behind a FIN raises inside whoever is still relaying."""

    def act(reply: Reply) -> None:
        reply.start(200, b"", None)
        reply.end_loudly()
        reply.write(b"late")
        reply.flush()
        reply.start(500, b"", 0)
        reply.flush()

    server = edge(act)
    client = await server.exchange(get())

    assert (answers(bytes(client.received)), server.defects) == ([Answer(200, b"", whole=False)], [])


async def test_after_the_client_has_gone_every_call_does_nothing() -> None:
    """An answer may still be arriving from upstream; whoever relays it needs no case for that."""
    server = Edge()
    server.hold()
    client = server.connect()
    client.send(get())
    await settle()
    reply = server.desk.replies[0]
    before = reply.gone
    client.leave(reset=True)
    await settle()

    reply.start(200, b"", None)
    reply.write(b"a")
    reply.flush()
    reply.end()
    reply.end_loudly()

    assert (before, reply.gone, reply.started, reply.bytes_out, bytes(client.received)) == (
        False,
        True,
        False,
        0,
        b"",
    )


async def test_body_bytes_are_counted_without_their_framing() -> None:
    """They go into the record as what the client got."""
    counted: list[int] = []

    def act(reply: Reply) -> None:
        streamed(reply)
        counted.append(reply.bytes_out)

    await edge(act).exchange(get())

    assert counted == [5]


@pytest.mark.parametrize(
    "value", [b"a\r\nset-cookie: b", b"a\nb", b"a\rb", b"a\0b", b"\x01", b"\x7f"], ids=repr
)
def test_a_value_cannot_forge_a_field(value: bytes) -> None:
    """Values come from upstreams, configuration and clients; llhttp clients also refuse other controls."""
    with pytest.raises(InvalidField):
        field_line(b"x-a", value)


@pytest.mark.parametrize("name", [b"", b"a b", b"a:", b"a\r\nb", b"\xe9", b"a\0", b"(a)"], ids=repr)
def test_a_name_cannot_forge_a_field(name: bytes) -> None:
    """The same for names: a configured header is written by people."""
    with pytest.raises(InvalidField):
        field_line(name, b"b")


def test_fields_are_rendered_as_given() -> None:
    """Tabs and bytes beyond ASCII are allowed in values (RFC 9110 §5.5)."""
    lines = [field_line(*field) for field in [(b"x-a", b"b\tc"), (b"X-B", b"\xe9"), (b"x-c", b"")]]

    assert lines == [b"x-a: b\tc\r\n", b"X-B: \xe9\r\n", b"x-c: \r\n"]


@pytest.mark.parametrize(
    ("status", "line"),
    [(200, b"HTTP/1.1 200 OK\r\n"), (529, b"HTTP/1.1 529 Unknown\r\n"), (404, b"HTTP/1.1 404 Not Found\r\n")],
)
def test_every_status_has_a_line(status: int, line: bytes) -> None:
    """Providers answer with statuses that no list has."""
    assert status_line(status) == line


async def test_the_date_is_rendered_once_a_second() -> None:
    """It is in every answer, and must still be right a second later."""
    server = edge(whole)
    first = server.server.date()
    server.clock.advance(0.5)

    assert (first, server.server.date() is first) == (DATE, True)
