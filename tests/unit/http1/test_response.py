"""What a response reader tells its sink: cut anywhere, compared with h11, and within its limits."""

from __future__ import annotations

import h11
import pytest
from hypothesis import given
from hypothesis import strategies as st

from plano.http1.failures import Failure
from plano.http1.limits import ClientLimits
from plano.http1.response import ResponseReader
from tests.unit.http1.upstreams import Event, RecordingSink

LIMITS = ClientLimits(headers_bytes=2048, header_count=16)

DATE = b"Date: Thu, 01 Jan 1970 00:00:00 GMT\r\n"
SIZED = b"HTTP/1.1 200 OK\r\n" + DATE + b"Content-Length: 5\r\n\r\nhello"
LINE = b"HTTP/1.1 200 OK\r\n"
IN_CHUNKS = LINE + b"Transfer-Encoding: chunked\r\n\r\n"
CHUNKED = IN_CHUNKS + b"3\r\nabc\r\nA;x=y\r\n0123456789\r\n0\r\nTrailer: t\r\n\r\n"
UNTIL_END = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: 1\n\n"


def read(
    *pieces: bytes, ends: bool = False, limits: ClientLimits = LIMITS, bodiless: bool = False
) -> list[Event]:
    """The events of one response, a `Failure` among them as `("broke", its name)`."""
    sink = RecordingSink()
    reader = ResponseReader(limits, "upstream:80")
    reader.expect(sink, bodiless=bodiless)
    try:
        for piece in pieces:
            reader.feed(piece)
            if reader.complete:
                break
    except Failure as failure:
        return [*sink.events, ("broke", type(failure).__name__)]
    if reader.complete:
        return [*sink.events, ("end", reader.reusable)]
    if ends and reader.ends_with_connection:
        return [*sink.events, ("end", False)]
    return [*sink.events, ("waits",)]


def ok(*headers: tuple[bytes, bytes], status: int = 200) -> Event:
    return ("head", status, headers)


RESPONSES = [
    pytest.param(
        SIZED,
        [
            ok((b"date", b"Thu, 01 Jan 1970 00:00:00 GMT"), (b"content-length", b"5")),
            ("body", b"hello"),
            ("end", True),
        ],
        id="sized",
    ),
    pytest.param(
        CHUNKED,
        [ok((b"transfer-encoding", b"chunked")), ("body", b"abc0123456789"), ("end", True)],
        id="chunked, with an extension and a trailer",
    ),
    pytest.param(
        UNTIL_END,
        [ok((b"content-type", b"text/event-stream")), ("body", b"data: 1\n\n"), ("end", False)],
        id="until the end of the connection",
    ),
    pytest.param(
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n" + SIZED,
        [
            ok((b"date", b"Thu, 01 Jan 1970 00:00:00 GMT"), (b"content-length", b"5")),
            ("body", b"hello"),
            ("end", True),
        ],
        id="after interim answers, which are swallowed",
    ),
    pytest.param(
        b"HTTP/1.1 100 Continue\r\nContent-Length: 0\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n",
        [ok(status=204), ("end", True)],
        id="after an interim answer that says that it has no body",
    ),
    pytest.param(
        b"HTTP/1.1 204 No Content\r\nA: b\r\n\r\n", [ok((b"a", b"b"), status=204), ("end", True)], id="204"
    ),
    pytest.param(
        b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n",
        [ok((b"content-length", b"5"), status=304), ("end", True)],
        id="304 with the length of what it does not send",
    ),
    pytest.param(
        b"HTTP/1.1 302 Found\r\nLocation: http://elsewhere/\r\nContent-Length: 0\r\n\r\n",
        [ok((b"location", b"http://elsewhere/"), (b"content-length", b"0"), status=302), ("end", True)],
        id="a redirect is an answer like any other",
    ),
    pytest.param(
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nhi",
        [ok((b"connection", b"close"), (b"content-length", b"2")), ("body", b"hi"), ("end", False)],
        id="announces that it closes",
    ),
    pytest.param(
        b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nhi",
        [ok((b"connection", b"keep-alive"), (b"content-length", b"2")), ("body", b"hi"), ("end", False)],
        id="HTTP/1.0 is not used again",
    ),
    pytest.param(
        b"HTTP/1.1 200 \r\nX:  padded \t\r\nEmpty:\r\nContent-Length: 0\r\n\r\n",
        [ok((b"x", b"padded"), (b"empty", b""), (b"content-length", b"0")), ("end", True)],
        id="without a reason, fields without their padding",
    ),
]

BROKEN = [
    pytest.param(b"<html>oops</html>", id="not HTTP"),
    pytest.param(b"SSH-2.0-OpenSSH\r\n", id="another protocol"),
    pytest.param(b"\x16\x03\x01\x02\x00\x01", id="TLS where none was expected"),
    pytest.param(b"RTSP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", id="RTSP, which llhttp takes"),
    pytest.param(b"\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", id="an empty line first"),
    pytest.param(b"HTTP/0.9 200 OK\r\nContent-Length: 0\r\n\r\n", id="HTTP/0.9"),
    pytest.param(b"HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n", id="HTTP/2 by its first line"),
    pytest.param(b"HTTP/1.1 099 Low\r\nContent-Length: 0\r\n\r\n", id="a status below 100"),
    pytest.param(b"HTTP/1.1 2000 High\r\nContent-Length: 0\r\n\r\n", id="a status of four digits"),
    pytest.param(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n", id="101"),
    pytest.param(b"HTTP/1.1 101 Switching Protocols\r\n\r\n", id="101 without a protocol"),
    pytest.param(
        b"HTTP/1.1 103 Early Hints\r\nContent-Length: 2\r\n\r\nhi" + SIZED, id="an interim answer with a body"
    ),
    pytest.param(
        b"HTTP/1.1 100 Continue\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n" + SIZED,
        id="an interim answer with a body in chunks",
    ),
    pytest.param(b"HTTP/1.1 200 OK\nContent-Length: 0\n\n", id="bare LF"),
    pytest.param(LINE + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\nhi", id="CL, then TE"),
    pytest.param(LINE + b"Transfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\nhi", id="TE, then CL"),
    pytest.param(LINE + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\nhi", id="two lengths"),
    pytest.param(LINE + b"Content-Length: 2, 3\r\n\r\nhi", id="two lengths in a list"),
    pytest.param(LINE + b"Content-Length: +2\r\n\r\nhi", id="a length with a sign"),
    pytest.param(LINE + b"Content-Length: -2\r\n\r\nhi", id="a negative length"),
    pytest.param(LINE + b"Content-Length: 0x2\r\n\r\nhi", id="a hexadecimal length"),
    pytest.param(LINE + b"Content-Length: 99999999999999999999999\r\n\r\nhi", id="a length past 64 bits"),
    pytest.param(LINE + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", id="a coding before chunked"),
    pytest.param(LINE + b"Transfer-Encoding: gzip\r\n\r\nxyz", id="a coding instead of chunked"),
    pytest.param(LINE + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n", id="a coding after it"),
    pytest.param(
        LINE + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", id="TE twice"
    ),
    pytest.param(IN_CHUNKS + b"0x3\r\nabc\r\n", id="a chunk size with 0x"),
    pytest.param(IN_CHUNKS + b"-3\r\nabc\r\n", id="a negative chunk size"),
    pytest.param(IN_CHUNKS + b"3\r\nabcd\r\n", id="a chunk that is longer"),
    pytest.param(IN_CHUNKS + b"FFFFFFFFFFFFFFFFF\r\n", id="a chunk past 64 bits"),
    pytest.param(LINE + b"Content-Length : 2\r\n\r\nhi", id="a space before the colon"),
    pytest.param(LINE + b": 2\r\n\r\nhi", id="a field without a name"),
    pytest.param(LINE + b"nonsense\r\n\r\nhi", id="a field without a colon"),
    pytest.param(LINE + b"A: b\x00c\r\n\r\n", id="a NUL in a field"),
    pytest.param(LINE + b"A: b\rc\r\n\r\n", id="a bare CR in a field"),
    pytest.param(LINE + b"A: b\r\n c\r\n\r\n", id="a folded field"),
]


BROKEN_BYTES = [case.values[0] for case in BROKEN if isinstance(case.values[0], bytes)]


@pytest.mark.parametrize(("response", "events"), RESPONSES)
async def test_a_response_is_told_in_order(response: bytes, events: list[Event]) -> None:
    assert read(response, ends=True) == events


@pytest.mark.parametrize(("response", "events"), RESPONSES)
async def test_a_cut_at_any_byte_changes_nothing(response: bytes, events: list[Event]) -> None:
    """Networks cut where they like."""
    cut_in_two = [read(response[:at], response[at:], ends=True) for at in range(1, len(response))]
    in_single_bytes = read(*[bytes([byte]) for byte in response], ends=True)

    assert [*cut_in_two, in_single_bytes] == [events] * len(response)


@pytest.mark.parametrize("response", BROKEN)
async def test_what_is_broken_or_ambiguous_is_refused_however_it_is_cut(response: bytes) -> None:
    """Two readers that disagree about where a body ends are how responses get mixed up."""
    whole = read(response)
    in_single_bytes = read(*[bytes([byte]) for byte in response])

    kind = "BrokenFraming" if whole[0][0] == "head" else "Garbage"
    assert [whole[-1], in_single_bytes[-1]] == [("broke", kind)] * 2


@given(data=st.data())
async def test_any_bytes_read_the_same_however_they_are_cut(data: st.DataObject) -> None:
    """Also where a response was damaged: dropped, doubled and flipped bytes."""
    response = bytearray(data.draw(st.sampled_from([SIZED, CHUNKED, UNTIL_END, *BROKEN_BYTES])))
    for _ in range(data.draw(st.integers(0, 3))):
        at = data.draw(st.integers(0, len(response) - 1))
        response[at : at + 1] = data.draw(
            st.sampled_from([b"", b"\r", b"\n", b" ", b"0", b"\x00", b":", b"HTTP/1.1 "])
        )
        if not response:
            return
    cuts = sorted(data.draw(st.sets(st.integers(1, len(response)), max_size=8)))
    pieces = [bytes(response[a:b]) for a, b in zip([0, *cuts], [*cuts, len(response)], strict=True) if a < b]

    assert _told(read(*pieces, ends=True)) == _told(read(bytes(response), ends=True))


def _told(events: list[Event]) -> list[Event]:
    """Values in lower case, as h11 makes those of framing fields; and without whether the connection
    may be used again: what comes after the end tells only when it was read together with the end."""
    told: list[Event] = []
    for event in events:
        match event:
            case ("head", status, tuple(fields)):
                told.append(("head", status, tuple((name, value.lower()) for name, value in fields)))
            case ("end", *_):
                told.append(("end",))
            case _:
                told.append(event)
    return told


def by_h11(response: bytes) -> list[Event] | None:
    """The same events as h11 sees them, `None` where it refuses or waits for more."""
    connection = h11.Connection(h11.CLIENT)
    connection.send(h11.Request(method="POST", target="/", headers=[("Host", "a"), ("Content-Length", "0")]))
    connection.send(h11.EndOfMessage())
    events: list[Event] = []
    body = b""
    try:
        connection.receive_data(response)
        connection.receive_data(b"")
        while True:
            match connection.next_event():
                case h11.Response() as head:
                    events.append(("head", head.status_code, tuple(head.headers)))
                case h11.Data() as data:
                    body += data.data
                case h11.EndOfMessage():
                    return [*events, *([("body", body)] if body else []), ("end",)]
                case h11.InformationalResponse():
                    pass
                case _:
                    return None
    except h11.RemoteProtocolError:
        return None


@pytest.mark.parametrize(("response", "events"), RESPONSES)
async def test_h11_reads_every_valid_response_alike(response: bytes, events: list[Event]) -> None:
    """A second opinion on what is valid, from a parser written by others in another language."""
    assert _told(by_h11(response) or []) == _told(events)


HEADS = st.lists(
    st.sampled_from(
        [
            b"Content-Length: 3",
            b"Content-Length: 03",
            b"Content-Length: 3, 3",
            b"content-length: 4",
            b"Transfer-Encoding: chunked",
            b"transfer-encoding:chunked",
            b"Transfer-Encoding: CHUNKED",
            b"Transfer-Encoding: xchunked",
            b"Transfer-Encoding: chunked, chunked",
            b"Transfer-Encoding: identity",
            b"Transfer-Encoding:\x0bchunked",
            b"Transfer-Encoding : chunked",
            b"Connection: close",
            b"X: \xff\x80",
            b"X:\ty\t",
            b" folded",
            b"X",
        ]
    ),
    max_size=3,
)
BODIES = st.sampled_from(
    [b"", b"abc", b"3\r\nabc\r\n0\r\n\r\n", b"3;e\r\nabc\r\n0\r\nT: t\r\n\r\n", b"3\nabc\n0\n\n", b"ab"]
)
LINES = st.sampled_from(
    [b"HTTP/1.1 200 OK", b"HTTP/1.0 200 OK", b"HTTP/1.1 204 x", b"HTTP/1.1 502", b"HTTP/1.1 20"]
)


@given(line=LINES, fields=HEADS, body=BODIES)
async def test_h11_and_this_reader_never_see_two_different_responses(
    line: bytes, fields: list[bytes], body: bytes
) -> None:
    """Stricter is allowed (llhttp refuses folding, doubled equal lengths, bare LF); different is not."""
    response = b"\r\n".join([line, *fields, b"", body])

    ours = _told(read(response, ends=True))
    theirs = by_h11(response)

    if ours[-1] == ("end",) and theirs is not None:
        assert ours == _told(theirs)
    elif ours[-1] == ("end",):
        assert _framing_is_plain(fields)


def _framing_is_plain(fields: list[bytes]) -> bool:
    """What h11 refused and we took was not about where the body ends."""
    names = [field.partition(b":")[0].lower() for field in fields]
    return names.count(b"content-length") + names.count(b"transfer-encoding") <= 1


async def test_an_answer_to_head_ends_with_its_fields() -> None:
    """Its length is that of a body which never comes; waiting for it would hang."""
    assert read(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", bodiless=True) == [
        ok((b"content-length", b"5")),
        ("end", False),
    ]


@pytest.mark.parametrize(
    "surplus", [pytest.param(SIZED, id="a second answer"), pytest.param(b"x", id="a stray byte")]
)
@pytest.mark.parametrize(
    "response", [SIZED, CHUNKED, b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"]
)
async def test_bytes_after_the_end_forbid_another_exchange(response: bytes, surplus: bytes) -> None:
    """They could be taken for the answer to the next request: somebody else's reply."""
    events = read(response + surplus)

    assert events[-1] == ("end", False)


async def test_the_head_has_a_limit_in_bytes() -> None:
    huge = b"HTTP/1.1 200 OK\r\nX: " + b"x" * 3000 + b"\r\nContent-Length: 0\r\n\r\n"

    whole = read(huge)
    cut = read(huge[:1500], huge[1500:2500], huge[2500:])
    endless = read(*[b"HTTP/1.1 200 OK\r\nX: "], *[b"x" * 500] * 10)

    assert [whole, cut, endless] == [[("broke", "TooLarge")]] * 3


async def test_the_head_has_a_limit_in_fields() -> None:
    fields = b"".join(b"X-%d: y\r\n" % number for number in range(17))

    assert read(b"HTTP/1.1 200 OK\r\n" + fields + b"\r\n") == [("broke", "TooLarge")]


async def test_a_large_body_in_the_same_read_is_no_part_of_the_head() -> None:
    events = read(b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n" + b"x" * 5000)

    assert events == [ok((b"content-length", b"5000")), ("body", b"x" * 5000), ("end", True)]


@pytest.mark.parametrize(
    ("start", "piece"),
    [
        pytest.param(b"", b"HTTP/1.1 100 Continue\r\n\r\n", id="interim answers"),
        pytest.param(CHUNKED[:47], b"1;" + b"x" * 500, id="a chunk extension"),
        pytest.param(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nTrailer: ", b"x" * 500, id="a trailer"
        ),
    ],
)
async def test_what_carries_no_content_cannot_go_on_forever(start: bytes, piece: bytes) -> None:
    """Otherwise an upstream could fill memory, or keep an exchange alive, with nothing."""
    first = [start] if start else []

    assert read(*first, *[piece] * 200)[-1] == ("broke", "TooLarge")


async def test_what_the_sink_raises_is_raised() -> None:
    """Interruptions too: nothing of the sink's may be taken for a fault of the upstream."""

    class Interrupted(RecordingSink):
        def body(self, data: bytes) -> None:
            raise KeyboardInterrupt

    reader = ResponseReader(LIMITS, "upstream:80")
    reader.expect(Interrupted(), bodiless=False)

    with pytest.raises(KeyboardInterrupt):
        reader.feed(SIZED)


async def test_one_reader_reads_response_after_response() -> None:
    """llhttp is kept for the life of a connection; nothing of one answer may show in the next."""
    reader = ResponseReader(LIMITS, "upstream:80")
    heard = []
    for response in (SIZED, CHUNKED, SIZED):
        sink = RecordingSink()
        reader.expect(sink, bodiless=False)
        reader.feed(response)
        heard.append([*sink.events, ("end", reader.reusable)])

    assert heard == [read(SIZED), read(CHUNKED), read(SIZED)]
