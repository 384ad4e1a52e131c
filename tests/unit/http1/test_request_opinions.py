"""That what is read depends neither on where it was cut nor on who reads it."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.unit.http1.clients import chunked, get, post
from tests.unit.http1.pages import Page, as_h11_likes_it, as_h11_says_it, read_by_h11

CONVERSATIONS = [
    get("/a") + post("/b?c=d", b"body", "X: y") + get("/e", "Connection: close"),
    chunked("/a", b"abc", b"de", trailer=b"X: y\r\n") + post("/b", b"") + get("/c", "Expect: 100-continue"),
    post("/a", b"x" * 50) + b"\r\n" + b"GET /c HTTP/1.0\r\n\r\n",
    get("/a") + get("/b", "Transfer-Encoding: nonsense") + get("/c"),
    get("/a") + b"GET / HTTP/1.1\nHost: a\n\n",
    get("/a") + b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
]


@pytest.mark.parametrize("conversation", CONVERSATIONS)
def test_cut_at_every_byte_it_reads_the_same(conversation: bytes) -> None:
    """What a request is must not depend on how the network cut it."""
    whole = Page().feed(conversation)
    outcomes = {repr((whole.read, whole.kept_alive, whole.kinds))}
    for cut in range(1, len(conversation)):
        page = Page().feed(conversation[:cut]).feed(conversation[cut:])
        outcomes.add(repr((page.read, page.kept_alive, page.kinds)))
    by_bytes = Page()
    for byte in conversation:
        by_bytes.feed(bytes([byte]))
    outcomes.add(repr((by_bytes.read, by_bytes.kept_alive, by_bytes.kinds)))

    assert outcomes == {repr((whole.read, whole.kept_alive, whole.kinds))}


METHODS = ["GET", "POST", "HEAD", "PUT", "OPTIONS", "DELETE", "FOO", "get", "PRI", "CONNECT", "P@ST", ""]
TARGETS = ["/", "/v1/messages?beta=true", "*", "http://a/b", "a:443", "/\x7f", "/a#b", "/" + "a" * 300, ""]
VERSIONS = [
    "HTTP/1.1",
    "HTTP/1.1",
    "HTTP/1.0",
    "HTTP/2.0",
    "HTTP/1.2",
    "HTTP/0.9",
    "HTTP/1.1 ",
    "http/1.1",
    "",
]
ENDS = ["\n", "\r", "\r\r\n", "\r\n "]
STARTS = [("POST", METHODS), ("/", TARGETS), ("HTTP/1.1", VERSIONS)]
FRAMINGS = [
    ("Y: z", b""),
    ("Content-Length: 5", b"abcde"),
    ("Transfer-Encoding: chunked", b"5\r\nabcde\r\n3;a=b\r\nfgh\r\n0\r\n\r\n"),
    ("Transfer-Encoding: chunked", b"5\r\nabcde\r\n0\r\nX: y\r\n\r\n"),
]
LINES = [
    "Y: z", "Y: z", "Y: z", "Y: z", "Y: z", "Y: z", "Y: z", "Y: z",
    "Host: a", "Host: a", "Host: b", "Host : a", "host:a", "Content-Length: 5", "Content-Length: 0",
    "Content-Length: 05", "Content-Length: 5, 5", "Content-Length: +5", "Content-Length:5\t",
    "content-length: 1_0",
    "Transfer-Encoding: chunked", "Transfer-Encoding: Chunked ", "Transfer-Encoding: gzip, chunked",
    "Transfer-Encoding: \x0bchunked", "Transfer-Encoding: identity", "Transfer-Encoding:chunked,",
    "Connection: close", "Connection: keep-alive", "Connection: Upgrade", "Upgrade: h2c",
    "Expect: 100-continue",
    "X: a\x01b", "X: \xe9\xff", "X:", ": x", "X", "X: a\x00", "X\t: a", " X: a", "X-\xe9: a", "\x0bX: a",
    "X: a\tb \t",
]  # fmt: skip
BODIES = [
    b"", b"", b"abcde", b"5\r\nabcde\r\n0\r\n\r\n", b"5;a=b\r\nabcde\r\n0\r\nX: y\r\n\r\n",
    b"5\nabcde\r\n0\r\n\r\n",
    b"5\r\nabcde0\r\n\r\n", b"g\r\n", b"00005\r\nabcde\r\n00\r\n\r\n", b"5 \r\nabcde\r\n0\r\n\r\n",
    b"0\r\n\r\n",
    b"0\r\nX : y\r\n\r\n", b"5\r\nabcde\n0\r\n\r\n", b"fffffffffffffffff\r\n", b"abc",
]  # fmt: skip


def mostly(sound: str, others: list[str]) -> st.SearchStrategy[str]:
    return st.integers(0, 5).flatmap(lambda die: st.sampled_from(others) if die == 0 else st.just(sound))


@st.composite
def messages(draw: st.DrawFn) -> bytes:
    """Requests from sound and unsound parts, and now and then a byte changed. About a third are read."""
    start = " ".join(draw(mostly(sound, others)) for sound, others in STARTS)
    framing, body = draw(st.sampled_from(FRAMINGS))
    more = draw(st.lists(st.sampled_from(LINES), max_size=2))
    lines = [start, draw(mostly("Host: a", LINES)), *more, draw(mostly(framing, LINES)), ""]
    ends = [draw(mostly("\r\n", [*["\r\n"] * 5, *ENDS])) for _ in lines]
    data = bytearray(
        "".join(map(str.__add__, lines, ends)).encode("latin-1")
        + draw(st.sampled_from([body, body, *BODIES]))
    )
    for _ in range(draw(st.sampled_from([0, 0, 0, 1, 2]))):
        at = draw(st.integers(0, len(data) - 1))
        changed = draw(st.sampled_from([b"", b"\r", b"\n", b"\x00", b" ", b":", b",", b"\xff", b"\t", b"0"]))
        data[at : at + draw(st.integers(0, 1))] = changed
    return bytes(data)


@given(messages())
@example(b"\r\n\r\n" + get("/"))
@example(b"GET  /  HTTP/1.1\r\nHost: a\r\n\r\n")
@example(chunked("/")[:-5] + b"0" * 30 + b"1\r\na\r\n0\r\n\r\n")
@example(post("/", b"abc", "Upgrade: h2c", "Connection: Upgrade"))
@example(b"OPTIONS / RTSP/1.0\r\n\r\n")
def test_what_we_read_h11_reads_alike(data: bytes) -> None:
    """Two readers that agree cannot be played against each other. h11 may read more than we do; what
    we read, it must read with the same method, target, fields and body."""
    read = as_h11_says_it(Page().feed(data).read)

    assert read == read_by_h11(as_h11_likes_it(data))[: len(read)]


@given(
    st.lists(
        st.builds(
            lambda path, body, by_chunks: chunked(path, *body) if by_chunks else post(path, b"".join(body)),
            st.sampled_from(["/a", "/b?c=d"]),
            st.lists(st.binary(min_size=1, max_size=40), max_size=4),
            st.booleans(),
        ),
        min_size=1,
        max_size=4,
    ),
    st.lists(st.integers(1, 60), min_size=1, max_size=8),
)
def test_sound_requests_are_read_as_h11_reads_them_wherever_cut(
    requests: list[bytes], steps: list[int]
) -> None:
    """The same opinion on a whole conversation that nobody could fault."""
    data = b"".join(requests)
    page = Page()
    at = 0
    for number in range(len(data)):
        step = steps[number % len(steps)]
        page.feed(data[at : at + step])
        at += step

    assert page.read == read_by_h11(data)
    assert (len(page.read), page.kinds, page.buffered_bytes) == (len(requests), [], 0)


@given(messages(), st.integers(1, 400))
def test_where_it_is_cut_does_not_change_what_is_read(data: bytes, cut: int) -> None:
    """The same for broken input: a cut must not turn a refusal into a request, or into another one."""
    whole = Page().feed(data)
    pieces = Page().feed(data[:cut])
    if data[cut:]:
        pieces.feed(data[cut:])

    assert (pieces.read, pieces.kinds) == (whole.read, whole.kinds)
