"""What is read as a request, and what is refused."""

from __future__ import annotations

import httptools
import pytest

from plano.http1.limits import ServerLimits
from plano.http1.request import Request
from tests.unit.http1.clients import chunked, get, post
from tests.unit.http1.pages import Page, Read

HOST = (b"host", b"a")
TE = "Transfer-Encoding: chunked"

REFUSED = [
    # Two framings, or one that others might read differently: the ways to smuggle a request.
    pytest.param(post("/", b"5\r\nabcde\r\n0\r\n\r\n", TE), "malformed", id="CL then TE"),
    pytest.param(
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n",
        "malformed",
        id="TE then CL",
    ),
    pytest.param(post("/", b"abc", "Content-Length: 3"), "malformed", id="same CL twice"),
    pytest.param(post("/", b"abc", "Content-Length: 4"), "malformed", id="two CLs"),
    pytest.param(get("/", "Content-Length: 3, 3") + b"abc", "malformed", id="CL list"),
    pytest.param(get("/", "Content-Length: +3") + b"abc", "malformed", id="CL with sign"),
    pytest.param(get("/", "Content-Length: -3") + b"abc", "malformed", id="negative CL"),
    pytest.param(get("/", "Content-Length: 0x3") + b"abc", "malformed", id="hexadecimal CL"),
    pytest.param(get("/", "Content-Length: 1_0") + b"abc", "malformed", id="CL with underscore"),
    pytest.param(get("/", "Content-Length: 3 3") + b"abc", "malformed", id="CL with blank inside"),
    pytest.param(get("/", "Content-Length:"), "malformed", id="empty CL"),
    pytest.param(get("/", "Content-Length: " + "9" * 40), "malformed", id="CL past 64 bits"),
    pytest.param(get("/", "Transfer-Encoding: xchunked"), "unsupported_encoding", id="unknown TE"),
    pytest.param(get("/", "Transfer-Encoding: identity"), "unsupported_encoding", id="TE identity"),
    pytest.param(get("/", "Transfer-Encoding: gzip, chunked"), "unsupported_encoding", id="compressed TE"),
    pytest.param(get("/", 'Transfer-Encoding: "chunked"'), "unsupported_encoding", id="quoted TE"),
    pytest.param(get("/", "Transfer-Encoding: chunked, identity"), "malformed", id="chunked not last"),
    pytest.param(get("/", "Transfer-Encoding: chunked, chunked"), "malformed", id="chunked twice"),
    pytest.param(get("/", TE, TE), "malformed", id="TE twice"),
    pytest.param(get("/", TE, "Transfer-Encoding: identity"), "malformed", id="second TE"),
    pytest.param(get("/", "Transfer-Encoding: identity", TE), "unsupported_encoding", id="TE behind another"),
    pytest.param(get("/", "Transfer-Encoding: \x0bchunked"), "malformed", id="TE behind a control byte"),
    pytest.param(get("/", "Transfer-Encoding: chunked\x00"), "malformed", id="TE before a NUL"),
    pytest.param(get("/", "Transfer-Encoding:\r\n chunked"), "malformed", id="folded TE"),
    pytest.param(get("/", "Transfer-Encoding : chunked"), "malformed", id="TE with space before colon"),
    pytest.param(get("/", "Transfer-Encoding:"), "malformed", id="empty TE"),
    pytest.param(
        b"POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "unsupported_encoding",
        id="TE in HTTP/1.0",
    ),
    # Line ends and bytes that one reader takes for an end and another does not.
    pytest.param(b"GET / HTTP/1.1\nHost: a\n\n", "malformed", id="bare LF"),
    pytest.param(b"GET / HTTP/1.1\r\nHost: a\n\r\n", "malformed", id="bare LF after a field"),
    pytest.param(b"GET / HTTP/1.1\r\nHost: a\r\n\n", "malformed", id="bare LF after the head"),
    pytest.param(b"GET / HTTP/1.1\rHost: a\r\n\r\n", "malformed", id="bare CR"),
    pytest.param(b"GET / HTTP/1.1\r\nHost: a\rb\r\n\r\n", "malformed", id="bare CR in a value"),
    pytest.param(b"GET / HTTP/1.1\r\nHost: a\r\r\n\r\n", "malformed", id="doubled CR"),
    pytest.param(get("/", "X: a\x00b"), "malformed", id="NUL in a value"),
    pytest.param(get("/", "X: a\x01b"), "malformed", id="control byte in a value"),
    pytest.param(get("/", "X: a\x7fb"), "malformed", id="DEL in a value"),
    pytest.param(get("/", "X\x00: a"), "malformed", id="NUL in a name"),
    pytest.param(get("/", "X\xe9: a"), "malformed", id="name beyond ASCII"),
    pytest.param(get("/", "X(y): a"), "malformed", id="name that is no token"),
    pytest.param(get("/", "X: a\r\n b"), "malformed", id="obs-fold"),
    pytest.param(get("/", "X: a\r\n\tb"), "malformed", id="obs-fold by tab"),
    pytest.param(b"GET / HTTP/1.1\r\n Host: a\r\n\r\n", "malformed", id="blank before the first field"),
    pytest.param(get("/", "X : a"), "malformed", id="space before colon"),
    pytest.param(get("/", ": a"), "malformed", id="no name"),
    pytest.param(get("/", "no colon"), "malformed", id="no colon"),
    # Host and target.
    pytest.param(b"GET / HTTP/1.1\r\n\r\n", "malformed", id="no Host"),
    pytest.param(get("/", "Host: a"), "malformed", id="same Host twice"),
    pytest.param(get("/", "Host: b"), "malformed", id="two Hosts"),
    pytest.param(b"GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n", "malformed", id="two Hosts in HTTP/1.0"),
    pytest.param(get("http://a/v1/models"), "malformed", id="absolute form"),
    pytest.param(get("*"), "malformed", id="asterisk form"),
    pytest.param(b"CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n", "malformed", id="CONNECT"),
    pytest.param(b"CONNECT / HTTP/1.0\r\n\r\n", "malformed", id="CONNECT to a path"),
    pytest.param(get("/\xe9"), "malformed", id="path beyond ASCII"),
    pytest.param(get("/?\xe9"), "malformed", id="query beyond ASCII"),
    pytest.param(get("/\x01"), "malformed", id="control byte in the target"),
    pytest.param(get("/a\tb"), "malformed", id="tab in the target"),
    pytest.param(get("/a b"), "malformed", id="blank in the target"),
    pytest.param(get("/a?b#c"), "malformed", id="fragment"),
    # Versions and protocols.
    pytest.param(b"GET /\r\n\r\n", "malformed", id="HTTP/0.9"),
    pytest.param(b"GET / HTTP/0.9\r\nHost: a\r\n\r\n", "malformed", id="HTTP/0.9 by name"),
    pytest.param(b"GET / HTTP/1.2\r\nHost: a\r\n\r\n", "malformed", id="HTTP/1.2"),
    pytest.param(b"GET / HTTP/1.10\r\nHost: a\r\n\r\n", "malformed", id="HTTP/1.10"),
    pytest.param(b"GET / HTTP/2.0\r\nHost: a\r\n\r\n", "malformed", id="HTTP/2.0"),
    pytest.param(b"GET / HTTP/1.1 \r\nHost: a\r\n\r\n", "malformed", id="blank behind the version"),
    pytest.param(b"GET / http/1.1\r\nHost: a\r\n\r\n", "malformed", id="version in lower case"),
    pytest.param(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "malformed", id="HTTP/2 preface"),
    pytest.param(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", "malformed", id="TLS"),
    pytest.param(b"get / HTTP/1.1\r\nHost: a\r\n\r\n", "malformed", id="method in lower case"),
    pytest.param(b"FROB / HTTP/1.1\r\nHost: a\r\n\r\n", "malformed", id="unknown method"),
    # Chunks.
    pytest.param(chunked("/")[:-5] + b"g\r\n", "malformed", id="chunk size not hexadecimal"),
    pytest.param(chunked("/")[:-5] + b"-1\r\n", "malformed", id="negative chunk size"),
    pytest.param(chunked("/")[:-5] + b"0x1\r\na\r\n", "malformed", id="chunk size with prefix"),
    pytest.param(chunked("/")[:-5] + b"1 \r\na\r\n", "malformed", id="blank behind a chunk size"),
    pytest.param(chunked("/")[:-5] + b"\r\n", "malformed", id="no chunk size"),
    pytest.param(chunked("/")[:-5] + b"f" * 17 + b"\r\n", "malformed", id="chunk size past 64 bits"),
    pytest.param(chunked("/")[:-5] + b"1\na\r\n", "malformed", id="bare LF behind a chunk size"),
    pytest.param(chunked("/")[:-5] + b"1\r\na\n", "malformed", id="bare LF behind a chunk"),
    pytest.param(chunked("/")[:-5] + b"1\r\nab\r\n", "malformed", id="chunk longer than its size"),
    pytest.param(chunked("/")[:-5] + b"1;a\nb\r\na\r\n", "malformed", id="bare LF in a chunk extension"),
    pytest.param(chunked("/")[:-5] + b"1;a\x00\r\na\r\n", "malformed", id="NUL in a chunk extension"),
    pytest.param(chunked("/", trailer=b"X : y\r\n"), "malformed", id="trailer with space before colon"),
    pytest.param(chunked("/", trailer=b"Content-Length: 1\r\n"), "malformed", id="CL as a trailer"),
    pytest.param(chunked("/", trailer=b"X: y\n"), "malformed", id="bare LF in a trailer"),
]


HOSTS = [
    "a b",
    "a b/c",
    "a/b",
    "a?b",
    "a#b",
    "u@a",
    "a:b",
    "a:80:81",
    "[::1",
    "::1",
    "[::1]x",
    "h\xf6st",
    "a\tb",
    '"a"',
]


@pytest.mark.parametrize("host", HOSTS)
def test_a_host_that_is_none_is_refused(host: str) -> None:
    """Also from a client that has sent a good one before (RFC 9112 §3.2)."""
    data = f"GET / HTTP/1.1\r\nHost: {host}\r\n\r\n".encode("latin-1")
    page = Page().feed(get("/good")).feed(data)

    assert ([each.path for each in page.requests], page.kinds) == (["/good"], ["malformed"])


@pytest.mark.parametrize(
    "host", ["a", "a:", "a:8080", "A-1.b_c.", "127.0.0.1:80", "[::1]", "[fe80::1%25lo]:1", "%C3%B6", ""]
)
def test_a_host_in_any_form_is_taken(host: str) -> None:
    """As RFC 3986 writes it; a name need not be one that this side would choose."""
    page = Page().feed(f"GET / HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())

    assert page.kinds == []


@pytest.mark.parametrize(
    ("data", "method"),
    [
        (post("/a", b"", "Content-Encoding: x", "Transfer-Encoding: gzip"), "POST"),
        (b"DELETE /%b" % (b"a" * 20_000), "DELETE"),
        (b"GET /a HTTP/1.1\r\nHost: a b\r\n\r\n", "GET"),
        (b"\xff", ""),
    ],
)
def test_a_refusal_tells_who_wanted_what(data: bytes, method: str) -> None:
    """As far as it was read: the log has no other source."""
    page = Page()
    page.reader.client = "192.0.2.1"
    (refusal,) = page.feed(data).refusals

    assert (refusal.method, refusal.client) == (method, "192.0.2.1")


@pytest.mark.parametrize(("data", "kind"), REFUSED)
def test_what_is_not_plain_http_is_refused(data: bytes, kind: str) -> None:
    """What one reader takes for one request and another for two is how requests are smuggled past a
    gateway; nothing behind it may be read."""
    page = Page().feed(data).feed(get("/smuggled"))

    assert ([each.path for each in page.requests], page.kinds) == ([], [kind])


READ = [
    pytest.param(get("/a?b=c?d"), [Read("GET", "/a?b=c?d", (HOST,))], id="query"),
    pytest.param(get("//a/../%00"), [Read("GET", "//a/../%00", (HOST,))], id="target as sent"),
    pytest.param(
        post("/", b"abc"), [Read("POST", "/", (HOST, (b"content-length", b"3")), b"abc")], id="sized"
    ),
    pytest.param(
        get("/", "Content-Length: 3 \t") + b"abc",
        [Read("GET", "/", (HOST, (b"content-length", b"3")), b"abc")],
        id="blanks behind CL",
    ),
    pytest.param(
        chunked("/", b"ab", b"c"),
        [Read("POST", "/", (HOST, (b"transfer-encoding", b"chunked")), b"abc")],
        id="chunked",
    ),
    pytest.param(
        get("/", "Transfer-Encoding: CHUNKED ") + b"0\r\n\r\n",
        [Read("GET", "/", (HOST, (b"transfer-encoding", b"CHUNKED")))],
        id="chunked in capitals",
    ),
    pytest.param(
        chunked("/")[:-5] + b'1;a;b=c;d="e f"\r\nx\r\n0;g\r\n\r\n',
        [Read("POST", "/", (HOST, (b"transfer-encoding", b"chunked")), b"x")],
        id="chunk extensions are skipped",
    ),
    pytest.param(
        chunked("/", b"x", trailer=b"X-Model-Affinity: other\r\nHost: b\r\n") + get("/next"),
        [
            Read("POST", "/", (HOST, (b"transfer-encoding", b"chunked")), b"x"),
            Read("GET", "/next", (HOST,)),
        ],
        id="trailers are nobody's fields",
    ),
    pytest.param(
        get("/", "X:  a\tb \t", "Y:", "Z: \xe9"),
        [Read("GET", "/", (HOST, (b"x", b"a\tb"), (b"y", b""), (b"z", b"\xe9")))],
        id="blanks around values",
    ),
    pytest.param(
        get("/", "X: a", "x: b", "Y: c", "X: d"),
        [Read("GET", "/", (HOST, (b"x", b"a, b, d"), (b"y", b"c")))],
        id="repeated fields are joined",
    ),
    pytest.param(
        get("/", "Upgrade: websocket", "Connection: Upgrade"),
        [Read("GET", "/", (HOST, (b"upgrade", b"websocket"), (b"connection", b"Upgrade")))],
        id="upgrade offered",
    ),
    pytest.param(b"GET / HTTP/1.0\r\n\r\n", [Read("GET", "/", (), http_1_0=True)], id="HTTP/1.0"),
    pytest.param(b"\r\n" + get("/"), [Read("GET", "/", (HOST,))], id="empty line before"),
    pytest.param(get("/", "Host2: b", "Content_Length: 9"), [
        Read("GET", "/", (HOST, (b"host2", b"b"), (b"content_length", b"9")))
    ], id="names that only look like others"),
]  # fmt: skip


@pytest.mark.parametrize(("data", "requests"), READ)
def test_what_is_plain_http_is_read(data: bytes, requests: list[Read]) -> None:
    """The other half of strictness: what clients really send must pass."""
    page = Page().feed(data)

    assert (page.read, page.kinds) == (requests, [])


@pytest.mark.parametrize("cut", range(len(post("/", b"abc", "Upgrade: h2c", "Connection: Upgrade"))))
def test_the_body_behind_an_offer_to_upgrade_is_read(cut: int) -> None:
    """Java's client offers h2c with its first POST; the parser takes what follows the head for the other
    protocol, and the body must still be the request's."""
    data = post("/", b"abc", "Upgrade: h2c", "Connection: Upgrade")
    page = Page().feed(data[:cut]).feed(data[cut:]).feed(get("/next"))

    assert ([each.body for each in page.requests], page.kept_alive, page.kinds) == ([b"abc"], [False], [])


def test_a_chunked_body_behind_an_offer_to_upgrade_is_read() -> None:
    """The same by chunks, with a large body, and no byte of it may count as something else's."""
    body = b"x" * 200_000
    data = get("/", "Upgrade: h2c", "Connection: Upgrade", TE) + b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)

    page = Page().feed(data[:100_000]).feed(data[100_000:])

    assert ([each.body == body for each in page.requests], page.kinds, page.buffered_bytes) == ([True], [], 0)


LIMITS = ServerLimits(
    target_bytes=100,
    headers_bytes=1000,
    header_count=20,
    body_bytes=5000,
    buffered_bodies_bytes=8000,
)

AT_THE_LIMIT = [
    pytest.param(get("/" + "a" * 99), get("/" + "a" * 100), "target_too_long", id="target"),
    pytest.param(
        get("/", "X: " + "a" * 993), get("/", "X: " + "a" * 994), "headers_too_large", id="one large field"
    ),
    pytest.param(
        get("/", *[f"X{number:02}: {'a' * 97}" for number in range(9)], "Y: " + "b" * 93),
        get("/", *[f"X{number:02}: {'a' * 97}" for number in range(9)], "Y: " + "b" * 94),
        "headers_too_large",
        id="many fields together",
    ),
    pytest.param(
        get("/", *[f"X{number}: a" for number in range(19)]),
        get("/", *[f"X{number}: a" for number in range(20)]),
        "headers_too_large",
        id="fields",
    ),
    pytest.param(
        get("/", *["X: a"] * 19), get("/", *["X: a"] * 20), "headers_too_large", id="repeated fields"
    ),
    pytest.param(post("/", b"a" * 5000), post("/", b"a" * 5001), "body_too_large", id="sized body"),
    pytest.param(
        chunked("/", *[b"a" * 500] * 10),
        chunked("/", *[b"a" * 500] * 10, b"a"),
        "body_too_large",
        id="chunked body",
    ),
]


@pytest.mark.parametrize(("within", "beyond", "kind"), AT_THE_LIMIT)
@pytest.mark.parametrize("step", [1, 7, 1 << 20], ids=["by bytes", "by sevens", "at once"])
def test_limits_are_exact(within: bytes, beyond: bytes, kind: str, step: int) -> None:
    """A limit that depends on how the network cut the bytes refuses one request in a thousand."""
    pages = [Page(LIMITS), Page(LIMITS)]
    for page, data in zip(pages, [within, beyond], strict=True):
        for at in range(0, len(data), step):
            page.feed(data[at : at + step])

    assert [(len(page.requests), page.kinds) for page in pages] == [(1, []), (0, [kind])]


def test_too_many_repeated_fields_are_refused_as_they_come() -> None:
    """Joining one after another grows with their square: a single read brings 50,000."""
    page = Page(LIMITS).feed(get("/", *["X: a"] * 30)[:-2])

    assert page.kinds == ["headers_too_large"]


def test_a_defect_while_taking_a_request_is_not_blamed_on_the_client() -> None:
    """The parser wraps what its callbacks raise in its own kind of error."""

    class Broken(Page):
        def requested(self, request: Request, keep_alive: bool) -> None:
            raise LookupError

    page = Broken()

    with pytest.raises(httptools.HttpParserCallbackError):
        page.feed(get())
    assert page.kinds == []


ENDLESS = [
    pytest.param(b"GET /", b"a", "target_too_long", id="target"),
    pytest.param(get()[:-2] + b"X: ", b"a", "headers_too_large", id="value"),
    pytest.param(get()[:-2], b"a", "headers_too_large", id="name"),
    pytest.param(get()[:-2], b"a: b\r\n", "headers_too_large", id="fields"),
    pytest.param(chunked("/")[:-5], b"1\r\na\r\n", "body_too_large", id="chunks"),
    pytest.param(chunked("/")[:-5] + b"1;", b"a", "headers_too_large", id="chunk extension"),
    pytest.param(chunked("/", b"abc")[:-2] + b"X: ", b"a", "headers_too_large", id="trailer"),
    pytest.param(chunked("/", b"abc")[:-2], b"a: b\r\n", "headers_too_large", id="trailers"),
]


@pytest.mark.parametrize(("start", "unit", "kind"), ENDLESS)
@pytest.mark.parametrize("size", [10, 700, 3000])
def test_nothing_goes_on_for_ever(start: bytes, unit: bytes, kind: str, size: int) -> None:
    """Whatever a client may send without end must run into a limit, trailers and extensions too; else
    it fills the memory within the time allowed for a body."""
    page = Page(LIMITS).feed(start)
    piece = unit * (size // len(unit))

    fed = 0
    while not page.refusals and fed < 100_000:
        page.feed(piece)
        fed += len(piece)

    assert (page.kinds, page.requests, page.buffered_bytes) == ([kind], [], 0)


def test_the_end_of_a_body_does_not_count_as_the_head_behind_it() -> None:
    """One read may bring the last 60 KB of a body and the first bytes of the next request."""
    data = post("/", b"a" * 4000) + get("/next")
    page = Page(LIMITS).feed(data[:-5]).feed(data[-5:])

    assert ([each.path for each in page.requests], page.kinds) == (["/", "/next"], [])


def test_a_body_in_tiny_chunks_is_not_kept_in_tiny_pieces() -> None:
    """An object a byte would make 32 MiB of body cost more than a gigabyte."""
    page = Page()
    page.feed(chunked("/")[:-5])

    for _ in range(3000):
        page.feed(b"1\r\na\r\n")

    assert len(page.reader._body) < 5
    assert page.feed(b"0\r\n\r\n").requests[0].body == b"a" * 3000


def test_pieces_of_every_size_come_together_in_order() -> None:
    """Small pieces are gathered beside large ones that are not."""
    pieces = [
        bytes([65 + number % 26]) * size for number, size in enumerate([1, 5000, 3, 70_000, 9, 9, 4096, 4095])
    ]
    page = Page()
    for piece in [
        chunked("/")[:-5],
        *[b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces],
        b"0\r\n\r\n",
    ]:
        page.feed(piece)

    assert page.requests[0].body == b"".join(pieces)


def test_bodies_over_the_sum_are_shed() -> None:
    """The cap on all bodies together is what keeps a worker from being killed for memory."""
    page = Page(LIMITS)
    page.buffered_bytes = 4000

    page.feed(post("/", b"a" * 4001)[:-1]).feed(b"a")

    assert (page.kinds, page.buffered_bytes) == (["overloaded"], 4000)


def test_a_refusal_names_the_path_and_the_beginning() -> None:
    """The path tells in which dialect to answer."""
    page = Page().feed(get("/v1/messages?beta=true", "X: \x00"))

    assert [(each.path, each.started) for each in page.refusals] == [("/v1/messages", 7.0)]


def test_what_follows_a_refusal_in_the_same_read_is_not_looked_at() -> None:
    """A second refusal would be a second answer."""
    page = Page(LIMITS).feed(
        b"GET / HTTP/1.1\r\n\r\n" + get("/" + "a" * 200) + get("/" + "b" * 200) + b"\x00"
    )

    assert (page.requests, page.kinds) == ([], ["malformed"])


EXPECTATIONS = [
    pytest.param(post("/", b"abc", "Expect: 100-continue")[:-3], 1, id="asked"),
    pytest.param(post("/", b"abc", "Expect: 100-Continue ")[:-3], 1, id="in other letters"),
    pytest.param(post("/", b"abc", "Expect: 200-ok")[:-3], 0, id="something else"),
    pytest.param(
        b"POST / HTTP/1.0\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n",
        0,
        id="in HTTP/1.0 (RFC 9110 §10.1.1)",
    ),
    pytest.param(get("/", "Expect: 100-continue", "Content-Length: 99999999"), 0, id="body refused"),
]


@pytest.mark.parametrize(("data", "invitations"), EXPECTATIONS)
def test_a_body_is_invited_when_the_client_waits_for_it(data: bytes, invitations: int) -> None:
    """curl waits a second for the invitation; and a body that is refused must not be invited."""
    assert Page(LIMITS).feed(data).invitations == invitations


SCREENED = [
    pytest.param(3, ["unauthenticated"], 0, id="the body is still to come"),
    pytest.param(5, [], 1, id="the body is there"),
]


@pytest.mark.parametrize(("sent", "refused", "read"), SCREENED)
def test_a_body_that_is_not_worth_waiting_for_is_not_waited_for(
    sent: int, refused: list[str], read: int
) -> None:
    """Whoever is known to be refused may not hold memory until then; one that is there costs no more."""
    page = Page()
    page.screen = lambda request: f"{request.path} is not for you"

    page.reader.feed(post("/v1", b"abcde")[: sent - 5 or None])

    assert [refusal.kind for refusal in page.refusals] == refused
    assert (len(page.requests), page.buffered_bytes) == (read, 0)
