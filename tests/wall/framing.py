"""Requests out of raw bytes, read by hand: the wall must not share a parser with what it tests."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RawRequest:
    """One request as it arrived."""

    head: bytes
    """Request line and headers with the blank line."""
    body: bytes
    """Without the chunked framing."""

    @property
    def method(self) -> str:
        return self.head.split(b" ", 1)[0].decode("latin-1")

    @property
    def target(self) -> str:
        return self.head.split(b" ", 2)[1].decode("latin-1")

    @property
    def headers(self) -> list[tuple[str, str]]:
        """In order; names in lower case."""
        lines = self.head.decode("latin-1").split("\r\n")[1:]
        pairs = (line.partition(":") for line in lines if line)
        return [(name.lower(), value.strip()) for name, _, value in pairs]

    def header(self, name: str) -> str | None:
        """The only value of a header, None when absent; two of them are a failure of the test."""
        values = [value for each, value in self.headers if each == name]
        assert len(values) < 2, f"expected one {name}; got {values}"
        return values[0] if values else None


def take_request(data: bytearray) -> RawRequest | None:
    """Removes one whole request from the front of `data`; None while it is not all there.

    ValueError when what is there is no HTTP request at all.
    """
    end = data.find(b"\r\n\r\n")
    if end < 0:
        return None
    head = bytes(data[: end + 4])
    request = RawRequest(head, b"")
    if request.header("transfer-encoding") == "chunked":
        found = _chunked(data, end + 4)
    else:
        length = int(request.header("content-length") or 0)
        whole = len(data) >= end + 4 + length
        found = (bytes(data[end + 4 : end + 4 + length]), end + 4 + length) if whole else None
    if found is None:
        return None
    body, used = found
    del data[:used]
    return RawRequest(head, body)


def _chunked(data: bytearray, at: int) -> tuple[bytes, int] | None:
    """The body of chunks that begin at `at`, and where it ends; trailers are not expected."""
    body = bytearray()
    while True:
        line_end = data.find(b"\r\n", at)
        if line_end < 0:
            return None
        size = int(data[at:line_end].split(b";")[0], 16)
        start = line_end + 2
        if len(data) < start + size + 2:
            return None
        if data[start + size : start + size + 2] != b"\r\n":
            raise ValueError(f"a chunk of {size} bytes is not followed by CRLF")
        body += data[start : start + size]
        at = start + size + 2
        if size == 0:
            return bytes(body), at
