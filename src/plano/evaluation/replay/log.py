"""A log of sessions: one JSON object a request, as `routing.session_log` writes it or another program does.

A line holds the `time`, and of its session, models and tokens what is known; unknown is not zero, and what
is missing is left out. Members that mean nothing here are nobody's business.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from math import isfinite
from typing import IO, Annotated, Final

import msgspec

from plano.catalog.names import ModelId
from plano.evaluation.lines import TOO_LONG, Faults, LinesAtFault, in_words, numbered, shape

BYTES_A_TOKEN: Final = 4
"""Of a request's body, where nobody counted the tokens."""

Count = Annotated[int, msgspec.Meta(ge=0, le=2**53)]
_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


class _Line(msgspec.Struct):
    time: datetime | float
    session: str | int | None = None
    requested: str | None = None
    route: str | None = None
    candidates: list[str] | None = None
    chosen: str | None = None
    decision: str | None = None
    is_user_turn: bool | None = None
    status: int | None = None
    input_tokens: Count | None = None
    cached_tokens: Count | None = None
    output_tokens: Count | None = None
    request_bytes: Count | None = None


_read = msgspec.json.Decoder(_Line).decode


@dataclass(frozen=True, slots=True)
class Request:
    """One request of the log."""

    line: int
    session: str | None
    """None: it stands alone."""
    at: float
    """Seconds since 1970."""
    candidate: ModelId
    """Whom routing prefers for this request alone."""
    chosen: ModelId
    """Who answered it."""
    is_routed: bool
    """Whether the log says whom routing prefers; else who answered stands for it."""
    is_user_turn: bool | None
    has_failed: bool
    """It was answered with an error, or not at all."""
    tokens: int | None
    """Of its context: counted, else estimated from the bytes of its body."""
    is_counted: bool
    body_bytes: int
    cached_tokens: int | None
    output_tokens: int | None


@dataclass(frozen=True, slots=True)
class Names:
    """What names in a log stand for."""

    model: Callable[[str], ModelId]
    """The full name of a model, for whatever the log calls it."""
    routes: Mapping[str, ModelId]
    """The first candidate of each route."""


AS_WRITTEN: Final = Names(ModelId, {})


class LogFile:
    """A log that is read once, a line at a time."""

    def __init__(self, name: str, lines: IO[bytes], names: Names = AS_WRITTEN) -> None:
        self._name = name
        self._lines = lines
        self._names = names

    def requests(self) -> Iterator[Request]:
        """What stands in each line, until one is at fault: from there on the rest is checked, and at the
        end LinesAtFault raised with all that is wrong."""
        faults = Faults(self._name)
        number = 0
        for number, line in numbered(self._lines):
            read = TOO_LONG if line is None else self._request(line, number)
            if isinstance(read, str):
                faults.add(number, read)
            elif not faults.count:
                yield read
        if not number:
            raise LinesAtFault([f"{self._name}: expected requests, one a line; found none"], 0)
        faults.raise_any()

    def _request(self, line: bytes, number: int) -> Request | str:
        """What the line holds, or what is wrong with it."""
        try:
            _members(line)
            line.decode()  # what the decoder skips it does not look at
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            return in_words(error)
        try:
            read = _read(line)
        except msgspec.ValidationError as error:
            return shape(error)
        at = read.time if isinstance(read.time, float) else _seconds(read.time)
        if not isfinite(at) or not 0 <= at < 1e11:
            return f"time: expected seconds since 1970, or a date; found {at:g}"
        candidate = self._candidate(read) or None  # an empty name is none
        chosen = read.chosen or candidate
        if not chosen:
            return (
                "expected 'candidates', 'chosen', or a 'route' or 'requested' that names a model; found none"
            )
        model = self._names.model
        tokens = read.input_tokens
        size = read.request_bytes
        if tokens is None and size is not None:
            tokens = size // BYTES_A_TOKEN
        return Request(
            number,
            None if read.session is None else str(read.session),
            at,
            model(candidate or chosen),
            model(chosen),
            is_routed=candidate is not None,
            is_user_turn=read.is_user_turn,
            has_failed=read.status is not None and not 200 <= read.status < 300,
            tokens=tokens,
            is_counted=read.input_tokens is not None,
            body_bytes=(tokens or 0) * BYTES_A_TOKEN if size is None else size,
            cached_tokens=read.cached_tokens,
            output_tokens=read.output_tokens,
        )

    def _candidate(self, read: _Line) -> str | None:
        """Whom routing prefers, as far as the line says. Where a pin was followed nobody was asked, and the
        pinned model is all there is; where a budget kept a session back, the preferred one stands first."""
        was_followed = read.decision == "affinity" and read.candidates == [read.chosen]
        if read.candidates and not was_followed:
            return read.candidates[0]
        if read.route is not None and read.route in self._names.routes:
            return self._names.routes[read.route]
        if read.requested is not None and "/" in read.requested and read.chosen is None:
            return read.requested
        # Without a session's pin, who answered is who was preferred.
        return read.chosen if read.decision not in (None, "affinity") else None


def _seconds(date: datetime) -> float:
    return (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp()
