"""What the programs of this package share: the gateway's own event loop, a table, an exit status."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, NoReturn

from plano.bootstrap import event_loop
from plano.observe import watchdog
from tests.wall.canary import WITNESS

MOST_SHOWN = 20
"""Failures that are written out; the first ones tell the most."""


def run(main: Callable[[], Coroutine[Any, Any, list[str]]]) -> NoReturn:
    """Runs a program that returns its complaints, writes them out, and exits with 1 when there are any."""
    # Clients and upstreams share the gateway's loop here: that it is held up says nothing of the gateway.
    logging.getLogger(watchdog.__name__).setLevel(logging.ERROR)
    with asyncio.Runner(loop_factory=event_loop) as runner:
        complaints = runner.run(main())
    complaints += WITNESS.leaks()
    for each in complaints[:MOST_SHOWN]:
        print(f"FAILED  {each}")
    if len(complaints) > MOST_SHOWN:
        print(f"FAILED  and {len(complaints) - MOST_SHOWN} more")
    sys.exit(1 if complaints else 0)


def print_table(head: Sequence[str], rows: Sequence[Sequence[object]], *, words: int = 1) -> None:
    """Columns as wide as they need; the first `words` of them hold words, the others numbers."""
    lines = [list(map(str, row)) for row in (head, *rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    lines.insert(1, ["-" * width for width in widths])
    for line in lines:
        cells = [
            cell.ljust(width) if at < words else cell.rjust(width)
            for at, (cell, width) in enumerate(zip(line, widths, strict=True))
        ]
        print("  ".join(cells).rstrip(), flush=True)
