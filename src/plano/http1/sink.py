"""The agreement between a sender and whoever takes the response, pushed as it arrives."""

from __future__ import annotations

from typing import Any, Protocol

Buffer = bytes | memoryview


class Flow(Protocol):
    """The sender's side of back-pressure."""

    def pause(self) -> None:
        """Read no more; what one read has already brought still comes."""

    def resume(self) -> None: ...

    def await_content(self) -> None:
        """A head is not enough: what was left of the time for it now runs until `content_came`."""

    def content_came(self) -> None: ...

    def ending(self, within_s: float) -> None:
        """All that matters has come; the end of the body may take so long, whatever comes until then."""


class Sink(Protocol):
    """Who takes a response as it arrives: head, body*, then exactly one of `end` or `broke`.

    All calls are synchronous. `flush` ends each read that brought something, also after `end`;
    after `broke` nothing comes. Whatever a call raises closes the connection and is raised by `send`.
    """

    flow: Flow | None
    """Set before the first call, `None` again before `end` or `broke`."""

    def head(self, status: int, headers: list[tuple[bytes, bytes]]) -> None:
        """The final (never 1xx) status and the fields, names in lower case; the list is the sink's."""

    def body(self, data: bytes) -> None: ...

    def end(self) -> None: ...

    def broke(self, error: Any) -> None:
        """`error` is a `Failure`, or what the pool was told to make of one."""

    def flush(self) -> None: ...
