"""Requests whose framing or target two servers could read in two ways.

Each is refused with an error of the client's, the connection ends with it, and the upstream never
sees a request: neither this one nor the one that hides behind it.
"""

from __future__ import annotations

import pytest

from plano.chat.dialect import Dialect
from tests.fault.asks import answered, ask, request
from tests.fault.baseline import unharmed
from tests.fault.cuts import Cuts
from tests.fault.watched import gateway
from tests.wall.gateway import config_at
from tests.wall.raw_client import RawClient

CHAT = Dialect.OPENAI_CHAT
BODY = ask(CHAT, stream=False)
HIDDEN = request(CHAT, "x-request-id: hidden")
"""A good request; what must not get through as one of its own."""
CHUNKED = b"%x\r\n%b\r\n0\r\n\r\n" % (len(BODY), BODY)


def _post(*lines: str, line_end: str = "\r\n", start: str = "POST /v1/chat/completions HTTP/1.1") -> bytes:
    """A head of exactly these lines behind the request line and `Host`."""
    return line_end.join([start, "host: wall", *lines, "", ""]).encode("latin-1")


LENGTH = f"content-length: {len(BODY)}"

TWO_FRAMINGS = {
    "length and chunked": _post(LENGTH, "transfer-encoding: chunked") + CHUNKED,
    "chunked and length": _post("transfer-encoding: chunked", LENGTH) + CHUNKED,
    "length 0 and chunked": _post("content-length: 0", "transfer-encoding: chunked") + CHUNKED,
    "chunked, where the length would cut it short": _post("content-length: 4", "transfer-encoding: chunked")
    + CHUNKED,
    "length, where an end of chunks comes first": _post(
        f"content-length: {5 + len(HIDDEN)}", "transfer-encoding: chunked"
    )
    + b"0\r\n\r\n",
    "two lengths": _post(LENGTH, "content-length: 4") + BODY,
    "two lengths that agree": _post(LENGTH, LENGTH) + BODY,
    "two lengths in one field": _post(f"{LENGTH}, {len(BODY)}") + BODY,
    "chunked twice": _post("transfer-encoding: chunked", "transfer-encoding: chunked") + CHUNKED,
    "chunked twice in one field": _post("transfer-encoding: chunked, chunked") + CHUNKED,
    "chunked and identity": _post("transfer-encoding: chunked", "transfer-encoding: identity") + CHUNKED,
    "identity and length": _post("transfer-encoding: identity", LENGTH) + BODY,
    "chunked in HTTP/1.0": _post("transfer-encoding: chunked", start="POST /v1/chat/completions HTTP/1.0")
    + CHUNKED,
}
OBSCURE_LENGTHS = {
    f"length {found!r}": _post(f"content-length: {found}") + BODY
    for found in (
        f"+{len(BODY)}",
        f"-{len(BODY)}",
        f"{len(BODY)}.0",
        f"0x{len(BODY):x}",
        f"{len(BODY)} {len(BODY)}",
        f"{len(BODY)}_0",
        f"{len(BODY)}\x0b",
        "\u00b2",
        "one",
        "18446744073709551616",
        "9" * 400,
    )
}
OBSCURE_CODINGS = {
    f"coding {found!r}": _post(f"transfer-encoding:{found}") + CHUNKED
    for found in (
        " xchunked",
        " chunked-x",
        " chunke",
        "\x0bchunked",
        " \x0cchunked",
        " chunked\x00",
        " 'chunked'",
        ' "chunked"',
        " chunked;q=1",
        " gzip",
        " gzip, chunked",
        " chunked, gzip",
        " identity",
        "",
        " ,chunked",
    )
}
OBSCURE_FIELDS = {
    "a blank before the colon": _post("transfer-encoding : chunked") + CHUNKED,
    "a tab before the colon": _post("transfer-encoding\t: chunked") + CHUNKED,
    "a blank in a name": _post("transfer encoding: chunked", LENGTH) + BODY,
    "a blank before a name": _post(" transfer-encoding: chunked", LENGTH) + BODY,
    "a folded value": _post("x-a: a", "\tb", LENGTH) + BODY,
    "a folded coding": _post("transfer-encoding:", " chunked") + CHUNKED,
    "no colon": _post("x-a", LENGTH) + BODY,
    "no name": _post(": a", LENGTH) + BODY,
    "NUL in a value": _post("x-a: a\x00b", LENGTH) + BODY,
    "NUL in a name": _post("x\x00a: a", LENGTH) + BODY,
    "a control byte in a name": _post("x\x01a: a", LENGTH) + BODY,
    "DEL in a name": _post("x\x7fa: a", LENGTH) + BODY,
    "a name past ASCII": _post("x-\xe4: a", LENGTH) + BODY,
    "a bare CR in a value": _post("x-a: a\rtransfer-encoding: chunked", LENGTH) + BODY,
    "a bare LF in a value": _post("x-a: a\ntransfer-encoding: chunked", LENGTH) + BODY,
    "a bare LF behind a field": _post(f"x-a: a\n{LENGTH}") + BODY,
    "bare LFs throughout": _post(LENGTH, line_end="\n") + BODY,
    "a bare LF behind the head": _post(LENGTH)[:-2] + b"\n" + BODY,
    "bare CRs throughout": _post(LENGTH, line_end="\r") + BODY,
}
OBSCURE_HOSTS = {
    "no host": b"POST /v1/chat/completions HTTP/1.1\r\n%b\r\n\r\n%b" % (LENGTH.encode(), BODY),
    "two hosts": _post("host: elsewhere", LENGTH) + BODY,
    "two hosts that agree": _post("host: wall", LENGTH) + BODY,
}
OBSCURE_LINES = {
    f"request line {start!r}": _post(LENGTH, start=start) + BODY
    for start in (
        "POST http://elsewhere/v1/chat/completions HTTP/1.1",
        "POST //elsewhere\\v1 HTTP/1.1\x00",
        "POST elsewhere:443 HTTP/1.1",
        "POST * HTTP/1.1",
        "POST /v1/chat/completions#a HTTP/1.1",
        "POST /v1/chat completions HTTP/1.1",
        "POST /v1/chat/completions\t HTTP/1.1",
        "POST /v1/chat/comple\x7ftions HTTP/1.1",
        "POST /v1/chat/completi\xf6ns HTTP/1.1",
        "POST /v1/chat/completions",
        "POST /v1/chat/completions HTTP/2.0",
        "POST /v1/chat/completions HTTP/1.2",
        "POST /v1/chat/completions HTTP/0.9",
        "POST /v1/chat/completions HTTP/1.1.1",
        "POST /v1/chat/completions HTTP/11",
        "POST /v1/chat/completions http/1.1",
        "POST /v1/chat/completions HTTPS/1.1",
        "post /v1/chat/completions HTTP/1.1",
        "POSTAL /v1/chat/completions HTTP/1.1",
        "PO\x00ST /v1/chat/completions HTTP/1.1",
        " POST /v1/chat/completions HTTP/1.1",
        "POST  HTTP/1.1",
    )
} | {
    "CONNECT": b"CONNECT elsewhere:443 HTTP/1.1\r\nhost: elsewhere:443\r\n\r\n",
    "HTTP/2's preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 32,
    "a page": b"<html></html>\r\n\r\n",
}
BROKEN_CHUNKS = {
    f"chunks {found[:24]!r}": _post("transfer-encoding: chunked") + found
    for found in (
        b"-1\r\n",
        b"+%b" % CHUNKED,
        b"0x%b" % CHUNKED,
        b" %b" % CHUNKED,
        b"\t%b" % CHUNKED,
        b"g\r\n",
        b"\r\n",
        b";x=y\r\n",
        b"fffffffffffffffff\r\n",
        b"5\nhello\r\n0\r\n\r\n",
        b"5\rhello\r\n0\r\n\r\n",
        b"5\r\nhelloo\r\n0\r\n\r\n",
        b"5\r\nhello0\r\n\r\n",
        b"5\r\nhello\n0\r\n\r\n",
        b"5;x\ny\r\nhello\r\n0\r\n\r\n",
        b"5 \r\nhello\r\n0\r\n\r\n",
        b"0\r\n x: y\r\n\r\n",
        b"0\r\nx y: z\r\n\r\n",
        b"0\r\n\n",
        b"0\r\ncontent-length: 4\r\n\r\n",
    )
}
REFUSED = (
    TWO_FRAMINGS
    | OBSCURE_LENGTHS
    | OBSCURE_CODINGS
    | OBSCURE_FIELDS
    | OBSCURE_HOSTS
    | OBSCURE_LINES
    | BROKEN_CHUNKS
)


@pytest.mark.parametrize("found", REFUSED)
async def test_a_request_that_can_be_read_in_two_ways_is_refused_and_hides_nothing(found: str) -> None:
    """One answer, of the client's fault, and the end: whatever comes behind is not read as a request."""
    async with Cuts() as upstream, gateway(config_at(upstream)) as running, unharmed(running):
        async with RawClient(running.port) as client:
            await client.send(REFUSED[found] + HIDDEN)
            received, ended = await client.read_to_end()
        lines = await running.logged(2)

        assert received.startswith((b"HTTP/1.1 400 ", b"HTTP/1.1 413 ", b"HTTP/1.1 415 ")), received[:100]
        assert (received.count(b"HTTP/1.1 "), b"connection: close" in received.lower()) == (1, True)
        assert (ended, len(upstream.attempts), len(lines)) == ("fin", 1, 2)
        assert (lines[1]["ending"], lines[1]["status"] < 500) == ("refused", True)


ACCEPTED = {
    "leading empty lines": b"\r\n\r\n" + _post(LENGTH) + BODY,
    "blanks around a length": _post(f"content-length: \t {len(BODY)} \t ") + BODY,
    "leading zeros of a length": _post(f"content-length: 000{len(BODY)}") + BODY,
    "chunked in capitals": _post("Transfer-Encoding: CHUNKED") + CHUNKED,
    "a chunk extension": _post("transfer-encoding: chunked") + CHUNKED.replace(b"\r\n", b";a=b\r\n", 1),
    "a trailer": _post("transfer-encoding: chunked") + CHUNKED[:-2] + b"x-request-id: late\r\n\r\n",
    "a trailer that names a host": _post("transfer-encoding: chunked") + CHUNKED[:-2] + b"host: x\r\n\r\n",
    "leading zeros of a chunk": _post("transfer-encoding: chunked") + b"000" + CHUNKED,
    "a field past ASCII": _post("x-a: \xe4", LENGTH) + BODY,
}


@pytest.mark.parametrize("found", ACCEPTED)
async def test_what_is_odd_but_clear_is_served_and_goes_up_in_one_plain_form(found: str) -> None:
    """The upstream's request is built, not copied: nothing of the oddity reaches it."""
    async with Cuts() as upstream, gateway(config_at(upstream)) as running, unharmed(running):
        async with RawClient(running.port) as client:
            await client.send(ACCEPTED[found] + HIDDEN)
            replies = [await client.reply() for _ in range(2)]

        assert [reply.status for reply in replies] == [200, 200]
        assert replies[1].header("x-request-id") == "hidden"
        ordinary, odd, hidden = (attempt.request for attempt in upstream.attempts)
        assert odd == hidden == ordinary


INJECTIONS = [
    pytest.param("x-request-id: a%0d%0ax-forged: 1", id="encoded line ends"),
    pytest.param("x-request-id: a\tb", id="a tab"),
    pytest.param("x-request-id: \xe4", id="past ASCII"),
    pytest.param("x-request-id: a;b", id="a semicolon"),
    pytest.param(f"x-request-id: {'a' * 129}", id="too long"),
    pytest.param("x-request-id: ", id="empty"),
]


@pytest.mark.parametrize("line", INJECTIONS)
async def test_a_request_id_that_is_none_is_replaced(line: str) -> None:
    """It goes into the answer's head and into the log: only what is harmless in both is kept."""
    async with Cuts() as upstream, gateway(config_at(upstream)) as running:
        async with RawClient(running.port) as client:
            await client.send(request(CHAT, line))
            reply = await client.reply()
        (logged,) = await running.logged(1)

    given = line.partition(": ")[2]
    found = reply.header("x-request-id")
    assert found is not None
    assert (found == given, len(found), found == logged["request_id"]) == (False, 32, True)


async def test_a_query_cannot_break_out_of_the_request_line() -> None:
    """It travels on as it came, and only what may stand in a target comes this far."""
    wire = request(CHAT, "connection: close").replace(b" HTTP/1.1", b"?a=%0d%0aHost:%20x&b=%00 HTTP/1.1", 1)
    async with Cuts() as upstream, gateway(config_at(upstream)) as running:
        reply = await answered(running.port, wire)

    assert reply.status == 200
    assert upstream.attempts[0].request.target == "/v1/chat/completions?a=%0d%0aHost:%20x&b=%00"
    assert upstream.attempts[0].request.head.lower().count(b"host:") == 2  # the field, and the text above
