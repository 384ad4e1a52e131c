"""Reads the responses of one connection: bytes in, cut anywhere; calls of a `Sink` out.

The grammar is llhttp's, in its strict setting. Added here is what it lets pass or leaves open:
codings other than `chunked`, versions and protocols of other kinds, interim answers, the limits,
and which connection may serve again. Where bytes were cut never changes what the sink hears.
"""

from __future__ import annotations

from httptools import HttpParserCallbackError, HttpResponseParser

from plano.http1.failures import PARSER_ERRORS, Garbage, TooLarge, of_parser
from plano.http1.limits import ClientLimits
from plano.http1.sink import Sink

_FRAMING = frozenset((b"content-length", b"transfer-encoding"))


class ResponseReader:
    """One for the life of a connection; `expect` before each response."""

    __slots__ = (
        "_bodiless",
        "_framed",
        "_headers",
        "_is_1_1",
        "_limits",
        "_overhead",
        "_parser",
        "_sink",
        "_where",
        "complete",
        "received",
        "reusable",
        "status",
    )

    def __init__(self, limits: ClientLimits, where: str) -> None:
        self._limits = limits
        self._where = where
        self._sink: Sink | None = None
        self._bodiless = False
        self.received = False
        """Whether any byte came."""
        self.status = 0
        """The final status once its head is whole, else 0."""
        self.complete = False
        """Whether the body has ended by its framing."""
        self.reusable = False
        """Once complete: whether the connection may carry another exchange."""
        self._is_1_1 = False
        self._headers: list[tuple[bytes, bytes]] = []
        self._framed = False
        self._overhead = 0
        self._parser: HttpResponseParser | None = HttpResponseParser(self)

    def expect(self, sink: Sink, *, bodiless: bool) -> None:
        """The next bytes answer a request; `bodiless` one whose answer has no body (HEAD)."""
        self._sink = sink
        self._bodiless = bodiless
        self.received = self.complete = self._framed = False
        self.status = self._overhead = 0
        self._headers = []

    def close(self) -> None:
        """Let go of llhttp, which holds on to this reader."""
        self._parser = self._sink = None

    @property
    def ends_with_connection(self) -> bool:
        """Whether the body is delimited by the end of the connection (RFC 9112 §6.3, last case)."""
        return self.status != 0 and not self._framed

    def feed(self, data: bytes) -> None:
        """Raises a `Failure` where the bytes are at fault, else whatever the sink raised."""
        if self._parser is None:
            return
        if not self.received:
            self.received = True
            self._is_1_1 = data.startswith(b"HTTP/1.1 ")
            if not self._is_1_1 and not data.startswith(b"H"):  # llhttp skips empty lines, takes RTSP
                raise Garbage(f"{self._where} answered with {data[:16]!r}; expected an HTTP/1.1 status line")
        self._overhead += len(data)
        trouble: BaseException | None = None
        try:
            self._parser.feed_data(data)
        except BaseException as error:  # noqa: BLE001 - raised again below, outside of this context
            trouble = self._judge(error)
        if self.complete:
            self.reusable = self.reusable and trouble is None  # else: bytes after the end
        elif trouble is not None:
            raise trouble
        elif self._overhead > self._limits.headers_bytes:
            raise TooLarge(f"{self._where} sent {self._overhead} bytes that are neither head nor body")

    def _judge(self, error: BaseException) -> BaseException:
        """llhttp's verdict, or what a callback raised."""
        if isinstance(error, HttpParserCallbackError) and error.__context__ is not None:
            return error.__context__
        if isinstance(error, PARSER_ERRORS):
            garbage = of_parser(error, self._where, in_body=self.status != 0)
            garbage.__cause__ = error
            return garbage
        return error

    # --- called by llhttp ---

    def on_message_begin(self) -> None:
        if self.complete:
            raise Garbage(f"{self._where} sent bytes after the end of its answer")

    def on_header(self, name: bytes, value: bytes) -> None:
        if self.status:
            return  # a trailer
        name = name.lower()
        if name in _FRAMING:
            self._frame(name, value)
        self._headers.append((name, value.rstrip()))

    def on_headers_complete(self) -> None:
        parser, sink = self._parser, self._sink
        if parser is None or sink is None:
            return
        status = parser.get_status_code()
        if status < 200:
            if status < 100 or status == 101:  # nobody asked for an upgrade
                raise Garbage(f"{self._where} answered with status {status}; expected 200 to 999")
            if self._framed and any(name in _FRAMING and value != b"0" for name, value in self._headers):
                # It has none (RFC 9110 §15.2), which llhttp does not know: it would be told as content.
                raise Garbage(f"{self._where} sent an interim answer with a body; expected none")
            self._is_1_1 = False  # what follows is to be looked at again
            return
        self._check_head(parser)
        self.status = status
        self._overhead = 0
        sink.head(status, self._headers)
        if self._bodiless:  # llhttp cannot be told so and waits for a body: the answer ends here
            self.complete = True
            self.reusable = False

    def on_body(self, data: bytes) -> None:
        if self._sink is not None and not self.complete:
            self._overhead = 0
            self._sink.body(data)

    def on_message_complete(self) -> None:
        if self.status == 0:  # the end of a 1xx
            self._headers.clear()
            self._framed = False
        elif not self.complete and self._parser is not None:
            self.complete = True
            self.reusable = self._is_1_1 and self._parser.should_keep_alive()

    def _frame(self, name: bytes, value: bytes) -> None:
        """llhttp refuses doubled and contradicting lengths; codings beside `chunked` it takes."""
        if name == b"transfer-encoding" and (self._framed or value.strip().lower() != b"chunked"):
            raise Garbage(f"{self._where} sent Transfer-Encoding {value[:32]!r}; expected one `chunked`")
        self._framed = True

    def _check_head(self, parser: HttpResponseParser) -> None:
        if not self._is_1_1:  # the first read was too short to tell, or an interim answer came before
            version = parser.get_http_version()
            if version not in ("1.0", "1.1"):
                raise Garbage(f"{self._where} answered in HTTP/{version}; expected 1.1 or 1.0")
            self._is_1_1 = version == "1.1"
        found, limit = len(self._headers), self._limits.header_count
        if found > limit:
            raise TooLarge(f"{self._where} sent {found} header fields; expected at most {limit}")
        limit = self._limits.headers_bytes
        if self._overhead > limit:  # a read may hold body too: count
            found = sum(len(name) + len(value) + 4 for name, value in self._headers)
            if found > limit:
                raise TooLarge(f"{self._where} sent a head of {found} bytes; expected at most {limit}")
