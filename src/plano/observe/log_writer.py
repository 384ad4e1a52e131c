"""Gets finished lines out of the process without ever making a request wait.

A log's reader may be stuck, the disk full, the terminal gone: all of that happens on a thread of
its own behind a bounded queue. What does not fit is dropped and counted. Start it in the process
that writes (a fork does not take threads along); signals, SIGHUP among them, are none of its
business, and a write they interrupt goes on.
"""

from __future__ import annotations

import os
import queue
import select
import stat
import threading
from collections.abc import Iterator
from typing import Protocol

QUEUED_LINES = 16_384
"""Of about half a kilobyte each: 8 MiB, or a second of a busy worker."""

_PIECE_OF_A_FILE = 1 << 16


class Output(Protocol):
    """Where lines go. `write` may block; it raises OSError or ValueError when it could not."""

    def write(self, data: bytes) -> object: ...


class LogWriter:
    """A bounded queue of batches of lines, and the daemon thread that writes them."""

    def __init__(self, output: Output, *, queued_lines: int = QUEUED_LINES, name: str = "access-log") -> None:
        """`name`: of the thread."""
        self._output = output
        self._queued_lines = queued_lines
        self._batches: queue.SimpleQueue[list[bytes] | None] = queue.SimpleQueue()
        # Each counter has one thread that adds to it: the first two the caller's, the others the writer's.
        self._taken = 0
        self._refused = 0
        self._done = 0
        self._failed = 0
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    @property
    def dropped(self) -> int:
        """Lines that were not written, or only in part."""
        return self._refused + self._failed

    def write(self, lines: list[bytes]) -> None:
        """Hand over a batch of lines, each with its newline; returns at once."""
        if self._taken - self._done + len(lines) > self._queued_lines:
            self._refused += len(lines)
            return
        self._taken += len(lines)
        self._batches.put(lines)

    def close(self, timeout_s: float) -> bool:
        """Write what is queued, for at most about this long; whether all of it was taken."""
        self._batches.put(None)
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while (lines := self._batches.get()) is not None:
            try:
                self._output.write(b"".join(lines))
            except (OSError, ValueError):
                self._failed += len(lines)
            self._done += len(lines)


class DescriptorOutput:
    """A file descriptor: standard output as a rule.

    Into a pipe it writes whole lines of at most PIPE_BUF bytes together: the workers of one
    gateway share the pipe, and longer writes could mix.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        is_pipe = stat.S_ISFIFO(os.fstat(descriptor).st_mode)
        self._piece_bytes = select.PIPE_BUF if is_pipe else _PIECE_OF_A_FILE
        self._is_torn = False

    def write(self, data: bytes) -> None:
        if self._is_torn:
            data = b"\n" + data
        for piece in pieces(data, self._piece_bytes):
            self._write_piece(piece)

    def _write_piece(self, piece: bytes) -> None:
        rest = memoryview(piece)
        while rest:
            try:
                written = os.write(self._descriptor, rest)
            except BlockingIOError:
                # Somebody else has made the shared descriptor non-blocking.
                _wait_until_writable(self._descriptor)
                continue
            self._is_torn = rest[written - 1] != ord("\n")
            rest = rest[written:]


def pieces(data: bytes, limit: int) -> Iterator[bytes]:
    """Cut after newlines into pieces of at most `limit` bytes (a longer line stays whole)."""
    start = 0
    while len(data) - start > limit:
        end = data.rfind(b"\n", start, start + limit) + 1 or data.find(b"\n", start) + 1 or len(data)
        yield data[start:end]
        start = end
    if start < len(data):
        yield data[start:]


def _wait_until_writable(descriptor: int) -> None:
    poll = select.poll()
    poll.register(descriptor, select.POLLOUT)
    poll.poll()
