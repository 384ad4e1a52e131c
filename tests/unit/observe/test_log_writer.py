"""Writing the log never makes a request wait and never fails one."""

from __future__ import annotations

import errno
import os
import resource
import select
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plano.observe.log_writer import DescriptorOutput, LogWriter, pieces


class Disk:
    """An output that fails as often as it is told to, and keeps the rest."""

    def __init__(self, failures: list[Exception]) -> None:
        self._failures = failures
        self.written = b""

    def write(self, data: bytes) -> None:
        if self._failures:
            raise self._failures.pop(0)
        self.written += data


class StuckReader:
    """An output that takes nothing before it is released."""

    def __init__(self) -> None:
        self.reached = threading.Event()
        self.released = threading.Event()
        self.written = b""

    def write(self, data: bytes) -> None:
        self.reached.set()
        self.released.wait()
        self.written += data


def test_what_is_handed_over_is_written_in_order() -> None:
    """A log out of order is read wrongly."""
    disk = Disk([])
    writer = LogWriter(disk)

    writer.write([b"1\n", b"2\n"])
    writer.write([b"3\n"])

    assert (writer.close(10.0), disk.written, writer.dropped) == (True, b"1\n2\n3\n", 0)


def test_lines_are_dropped_and_counted_while_the_reader_is_stuck() -> None:
    """The log's reader may be a paused terminal; requests go on, memory does not grow."""
    stuck = StuckReader()
    writer = LogWriter(stuck, queued_lines=5)
    writer.write([b"taken\n"])
    stuck.reached.wait()

    for number in range(4):
        writer.write([b"%d\n" % number, b"-\n"])
    dropped = writer.dropped
    stuck.released.set()

    assert (dropped, writer.close(10.0), stuck.written) == (4, True, b"taken\n0\n-\n1\n-\n")


def test_closing_gives_up_on_a_stuck_reader() -> None:
    """A shutdown does not wait for somebody to scroll."""
    stuck = StuckReader()
    writer = LogWriter(stuck)
    writer.write([b"taken\n"])
    stuck.reached.wait()

    was_written = writer.close(0.01)

    stuck.released.set()
    assert was_written is False


def test_closing_gives_up_when_even_the_queue_is_full() -> None:
    """A shutdown does not wait for a reader that never comes back."""
    stuck = StuckReader()
    writer = LogWriter(stuck, queued_lines=2)
    writer.write([b"taken\n"])
    stuck.reached.wait()
    writer.write([b"queued\n"])

    was_written = writer.close(0.01)

    stuck.released.set()
    assert was_written is False


@pytest.mark.parametrize(
    "failure",
    [
        pytest.param(OSError(errno.ENOSPC, "No space left on device"), id="disk full"),
        pytest.param(BrokenPipeError(errno.EPIPE, "Broken pipe"), id="reader gone"),
        pytest.param(OSError(errno.EIO, "Input/output error"), id="terminal gone"),
        pytest.param(ValueError("I/O operation on closed file"), id="file closed"),
    ],
)
def test_a_failure_costs_its_lines_and_no_others(failure: Exception) -> None:
    """A disk that was full for a minute is no reason to stop logging for good."""
    disk = Disk([failure])
    writer = LogWriter(disk)

    writer.write([b"lost\n", b"lost\n"])
    writer.write([b"kept\n"])

    assert (writer.close(10.0), disk.written, writer.dropped) == (True, b"kept\n", 2)


@given(lines=st.lists(st.binary(max_size=40).map(lambda text: text.replace(b"\n", b"") + b"\n")))
def test_pieces_are_whole_lines_up_to_the_limit(lines: list[bytes]) -> None:
    """Two workers write to one pipe: what is written at once must end where a line ends."""
    data = b"".join(lines)

    cut = list(pieces(data, 32))

    assert b"".join(cut) == data
    assert [piece for piece in cut if not piece.endswith(b"\n")] == []
    assert [piece for piece in cut if len(piece) > 32 and piece.count(b"\n") > 1] == []


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    reading, writing = os.pipe()
    yield reading, writing
    os.close(reading)
    os.close(writing)


def test_a_pipe_is_written_to_in_atomic_pieces() -> None:
    """POSIX keeps up to PIPE_BUF bytes together, and nothing beyond."""
    reading, writing = os.pipe2(os.O_DIRECT)  # packets: each read returns what one write wrote
    line = b"x" * 999 + b"\n"

    DescriptorOutput(writing).write(line * 6)

    writes = [os.read(reading, 1 << 16), os.read(reading, 1 << 16)]
    os.close(reading)
    os.close(writing)
    assert (writes, len(line * 4) <= select.PIPE_BUF) == ([line * 4, line * 2], True)


def test_a_pipe_that_somebody_made_non_blocking_loses_nothing(pipe: tuple[int, int]) -> None:
    """The flag belongs to the shared description: any process that holds it can set it."""
    reading, writing = pipe
    os.set_blocking(writing, False)
    data = b"".join(b"%09d\n" % number for number in range(30_000))
    received = bytearray()

    def read() -> None:
        while len(received) < len(data):
            received.extend(os.read(reading, 1 << 16))

    reader = threading.Thread(target=read)
    reader.start()

    DescriptorOutput(writing).write(data)

    reader.join()
    assert bytes(received) == data


def test_a_pipe_without_a_reader_says_so() -> None:
    """It becomes a count of dropped lines, not the end of the process."""
    reading, writing = os.pipe()
    os.close(reading)

    with pytest.raises(BrokenPipeError):
        DescriptorOutput(writing).write(b"line\n")

    os.close(writing)


def test_a_line_that_was_torn_does_not_spoil_the_next(tmp_path: Path) -> None:
    """A disk that fills in the middle of a line leaves half of one; what follows starts afresh."""
    path = tmp_path / "access.log"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT)
    output = DescriptorOutput(descriptor)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (8, hard))
    try:
        with pytest.raises(OSError, match="File too large"):
            output.write(b"first\nsecond\n")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    output.write(b"third\n")

    os.close(descriptor)
    assert path.read_bytes() == b"first\nse\nthird\n"
