"""Requests as values: read by us, and by h11 as a second opinion."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from weakref import WeakValueDictionary

import h11

from plano.http1.known_heads import KnownHeads
from plano.http1.limits import ServerLimits
from plano.http1.request import Refusal, Request, RequestReader, Screen


@dataclass(frozen=True, slots=True)
class Read:
    """A request, as a value."""

    method: str
    target: str
    fields: tuple[tuple[bytes, bytes], ...]
    body: bytes = b""
    http_1_0: bool = False


class Page:
    """Reads requests and writes down what came of them; stands for a server and for a connection."""

    def __init__(self, limits: ServerLimits | None = None) -> None:
        self.limits = limits or ServerLimits()
        self.buffered_bytes = 0
        self.is_short_of_memory = False
        self.known_heads: KnownHeads = WeakValueDictionary()
        self.screen: Screen | None = None
        self.requests: list[Request] = []
        self.kept_alive: list[bool] = []
        self.refusals: list[Refusal] = []
        self.invitations = 0
        self.waits: list[str] = []
        self.most_buffered = 0
        self.reader = RequestReader(self, self)

    def now(self) -> float:
        return 7.0

    def requested(self, request: Request, keep_alive: bool) -> None:
        self.most_buffered = max(self.most_buffered, self.buffered_bytes)
        self.buffered_bytes -= len(request.body)
        self.requests.append(request)
        self.kept_alive.append(keep_alive)

    def refused(self, refusal: Refusal) -> None:
        self.refusals.append(refusal)

    def body_expected(self) -> None:
        self.invitations += 1

    def more_expected(self) -> None:
        self.waits.append("head" if self.reader.in_head else "body")

    def feed(self, data: bytes) -> Page:
        if not self.reader.ended:
            self.reader.feed(data)
        return self

    @property
    def read(self) -> list[Read]:
        return [
            Read(
                request.method,
                f"{request.path}?{request.query}" if request.query else request.path,
                tuple(request.fields.items()),
                request.body,
                request.http_1_0,
            )
            for request in self.requests
        ]

    @property
    def kinds(self) -> list[str]:
        return [refusal.kind for refusal in self.refusals]


def read_by_h11(data: bytes) -> list[Read]:
    """The requests that h11 finds, up to the first thing it refuses."""
    server = h11.Connection(h11.SERVER, max_incomplete_event_size=1 << 20)
    server.receive_data(data)
    found: list[Read] = []
    request: h11.Request | None = None
    body = b""
    while True:
        try:
            event = server.next_event()
        except h11.RemoteProtocolError:
            return found
        match event:
            case h11.Request():
                request, body = event, b""
            case h11.Data():
                body += bytes(event.data)
            case h11.EndOfMessage():
                assert request is not None
                found.append(as_read(request, body))
                server.send(h11.Response(status_code=404, headers=[("content-length", "0")]))
                server.send(h11.EndOfMessage())
                if server.our_state is not h11.DONE or server.their_state is not h11.DONE:
                    return found
                server.start_next_cycle()
            case _:
                return found


def as_read(request: h11.Request, body: bytes) -> Read:
    fields: dict[bytes, bytes] = {}
    for name, value in request.headers:
        fields[name] = fields[name] + b", " + value if name in fields else value
    path, _, query = request.target.decode().partition("?")
    return Read(
        request.method.decode(),
        f"{path}?{query}" if query else path,
        tuple(fields.items()),
        body,
        request.http_version == b"1.0",
    )


def as_h11_says_it(read: list[Read]) -> list[Read]:
    """h11 renders the one value that it understands in lower case."""
    said = []
    for each in read:
        fields = tuple(
            (name, value.lower() if name == b"transfer-encoding" else value) for name, value in each.fields
        )
        said.append(replace(each, fields=fields))
    return said


def as_h11_likes_it(data: bytes) -> bytes:
    """What we read and h11 does not, made alike; each is harmless, because what goes upstream is rendered
    anew and never copied:

    * empty lines before a request, which RFC 9112 §2.2 asks servers to skip;
    * more than one blank in the request line, which §3 allows readers to take for one;
    * chunk sizes with more than twenty digits, leading zeros then;
    * `RTSP/1.0` and `ICE/1.0`, which llhttp also speaks and does not tell from `HTTP/1.0`.
    """
    data = data.lstrip(b"\r\n")
    line, end, rest = data.partition(b"\r\n")
    line = re.sub(rb"^(\S+) +(\S+) +(?:HTTP|RTSP|ICE)/", rb"\1 \2 HTTP/", line)
    if b"chunked" in data.partition(b"\r\n\r\n")[0].lower():
        rest = re.sub(rb"\r\n0{15,}([0-9a-fA-F])", rb"\r\n\1", rest)
    return line + end + rest
