"""What a running gateway tells people: lines on standard error, without ever waiting for a reader.

The access log has standard output to itself. A reader that is stuck or gone costs lines, and
nothing else: neither a request nor a worker that must be replaced waits for it.
"""

from __future__ import annotations

import logging
from types import TracebackType
from typing import Self

from plano.observe.log_writer import DescriptorOutput, LogWriter

CLOSE_TIMEOUT_S = 1.0
"""What a stuck reader may cost at the end."""


class StandardError:
    """Takes lines and log records from `async` code and from threads; leaving writes them out."""

    def __init__(self, descriptor: int = 2) -> None:
        self._writer = LogWriter(DescriptorOutput(descriptor))
        self._handler = _Records(self)

    def __enter__(self) -> Self:
        logging.basicConfig(level=logging.INFO, handlers=[self._handler], force=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        logging.getLogger().removeHandler(self._handler)
        self._writer.close(CLOSE_TIMEOUT_S)

    def say(self, text: str) -> None:
        self._writer.write([text.encode("utf-8", "backslashreplace") + b"\n"])


class _Records(logging.Handler):
    """Log records, as lines."""

    def __init__(self, output: StandardError) -> None:
        super().__init__()
        self._output = output
        self.setFormatter(logging.Formatter("%(levelname)s %(name)s: %(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self._output.say(self.format(record))
        except Exception:  # noqa: BLE001 - logging's own way out: a message that cannot be formatted
            self.handleError(record)
