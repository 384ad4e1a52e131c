"""Reading through a compression that nobody asked for.

Requests say `accept-encoding: identity`; a provider that compresses all the same is read through,
because usage, errors and the end of an answer must be seen, and its client gets plain bytes.
"""

from __future__ import annotations

import zlib

from plano.errors import UpstreamInvalid

AUTO_HEADER = 32 + zlib.MAX_WBITS
"""zlib's own word for: gzip or zlib, whichever the first bytes say."""
CODINGS = frozenset((b"gzip", b"x-gzip", b"deflate"))
MOST_PER_READ = 8 * 1024 * 1024
"""What one read may grow to; a read is at most 256 KiB, honest text shrinks to a tenth."""


class Inflater:
    """Compressed bytes in, plain bytes out, and no bombs."""

    __slots__ = ("_stream", "_total", "_total_limit")

    def __init__(self, coding: bytes, *, limit_bytes: float) -> None:
        if coding.strip().lower() not in CODINGS:
            raise UpstreamInvalid(
                f"The provider answered with content-encoding {coding.decode('latin-1')!r}, "
                "although 'identity' was asked for."
            )
        self._stream = zlib.decompressobj(AUTO_HEADER)
        self._total = 0
        self._total_limit = limit_bytes

    def feed(self, data: bytes) -> bytes:
        try:
            plain = self._stream.decompress(data, MOST_PER_READ)
        except zlib.error as error:
            raise UpstreamInvalid(f"The provider's compressed answer cannot be read: {error}.") from error
        self._total += len(plain)
        if self._stream.unconsumed_tail or self._total > self._total_limit:
            raise UpstreamInvalid(
                "The provider's compressed answer grows beyond every limit; it was dropped."
            )
        return plain

    @property
    def whole(self) -> bool:
        """Whether the compression's own end was seen."""
        return self._stream.eof
