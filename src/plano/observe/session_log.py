"""What each request did to its session, one line at its end, for `plano replay`; never a word of a prompt.

`SessionLog` is a view of the record; `AppendedFile` is where its lines go, behind a `LogWriter`: a full
disk or a folder that is gone costs lines, which are counted, and nothing else.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from typing import Final, Protocol

import msgspec

from plano.chat.usage import Usage
from plano.observe.access_log import Writer
from plano.observe.batches import take_each

MODE: Final = 0o640
"""Of a new file: who talks to which model, how often, is not for everybody on the machine."""
LONGEST_NAME: Final = 512
"""In characters, of what came from outside; a longer name is cut."""
MOST_CANDIDATES: Final = 16
_NO_USAGE: Final = Usage()


class SessionFacts(Protocol):
    """What is read of a record (`exchange.record.ExchangeRecord`)."""

    @property
    def at(self) -> float: ...
    @property
    def sent(self) -> float | None: ...
    @property
    def session(self) -> str | None:
        """What tells its session from all others, the tenant included; None: the request has none."""

    @property
    def is_user_turn(self) -> bool | None:
        """Whether a user speaks in it; False inside a tool loop, None where that was not looked at."""

    @property
    def candidates(self) -> Sequence[str]:
        """The models that routing ranks for this request, the first first, whatever then was chosen."""

    @property
    def requested(self) -> str | None: ...
    @property
    def route(self) -> str | None: ...
    @property
    def chosen(self) -> str | None: ...
    @property
    def decision(self) -> str | None: ...
    @property
    def status(self) -> int | None: ...
    @property
    def bytes_in(self) -> int: ...
    @property
    def usage(self) -> Usage | None: ...


class Line(msgspec.Struct, omit_defaults=True):
    """One line; what is not known is left out. `evaluation.replay.log` reads it."""

    time: str
    """When the request came (UTC, RFC 3339)."""
    session: str | None = None
    requested: str | None = None
    route: str | None = None
    candidates: tuple[str, ...] = ()
    chosen: str | None = None
    decision: str | None = None
    is_user_turn: bool | None = None
    status: int | None = None
    input_tokens: int | None = None
    """All tokens read, cached ones included."""
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None
    output_tokens: int | None = None
    request_bytes: int | None = None


class SessionLog:
    """Turns records of requests that were sent to a model into lines, and hands them on."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer

    def take(self, records: Sequence[SessionFacts]) -> None:
        """Raises as `take_each` does."""
        lines: list[bytes] = []
        sent = [record for record in records if record.sent is not None]
        try:
            take_each(sent, lambda record: lines.append(rendered(record)))
        finally:
            if lines:
                self._writer.write(lines)

    @property
    def dropped(self) -> int:
        """Lines that did not get out."""
        return self._writer.dropped

    def close(self, timeout_s: float) -> bool:
        """Get what was taken written, for at most about this long; whether it was."""
        return self._writer.close(timeout_s)


_encode = msgspec.json.Encoder().encode


def rendered(record: SessionFacts) -> bytes:
    """The line of one record, with its newline."""
    usage = record.usage or _NO_USAGE
    line = Line(
        _date(record.at),
        _cut(record.session),
        _cut(record.requested),
        _cut(record.route),
        tuple(record.candidates[:MOST_CANDIDATES]),
        record.chosen,
        record.decision,
        record.is_user_turn,
        record.status,
        usage.input_tokens,
        usage.cache_read_tokens,
        usage.cache_creation_tokens,
        usage.output_tokens,
        record.bytes_in,
    )
    return _encode(line) + b"\n"


def _date(at: float) -> str:
    second, millisecond = divmod(int(at * 1000 + 0.5), 1000)
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(second))}.{millisecond:03d}Z"


def _cut(name: str | None) -> str | None:
    """Half a surrogate pair has no UTF-8 and is shown by its number."""
    return None if name is None else name[:LONGEST_NAME].encode("utf-8", "backslashreplace").decode()


class AppendedFile:
    """A file that whole batches of lines are appended to; several workers may share it.

    It is opened when there is something to write, and again after an error or when it has been moved away:
    whoever rotates it needs to tell nobody.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._descriptor: int | None = None
        self._is_torn = False

    def write(self, data: bytes) -> None:
        """Raises OSError when it could not be written, or only in part."""
        try:
            descriptor = self._opened()
            self._append(descriptor, b"\n" + data if self._is_torn else data)
        except OSError:
            self.close()
            raise

    def close(self) -> None:
        if self._descriptor is not None:
            descriptor, self._descriptor = self._descriptor, None
            os.close(descriptor)

    def _opened(self) -> int:
        if self._descriptor is not None and not self._is_there(self._descriptor):
            self.close()
        if self._descriptor is None:
            flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
            self._descriptor = os.open(self._path, flags, MODE)
        return self._descriptor

    def _is_there(self, descriptor: int) -> bool:
        try:
            return os.path.samestat(os.fstat(descriptor), os.stat(self._path))  # noqa: PTH116 - a path as text
        except FileNotFoundError:
            return False

    def _append(self, descriptor: int, data: bytes) -> None:
        """In one piece as a rule, so that the lines of workers do not mix."""
        rest = memoryview(data)
        while rest:
            written = os.write(descriptor, rest)
            self._is_torn = rest[written - 1] != ord("\n")
            rest = rest[written:]
