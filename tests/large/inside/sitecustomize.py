"""Runs inside every process of a gateway under a long run: writes down how many tasks it has.

Python imports this before anything else where its folder is on PYTHONPATH. The gateway itself has no
such figure, and needs none.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
import time
from pathlib import Path

EVERY_S = 1.0


def _tasks() -> int:
    """Of all loops of this process; a set of CPython's own is the only place that knows (until 3.13)."""
    for _ in range(10):
        with contextlib.suppress(RuntimeError):  # the set has changed meanwhile
            return sum(not task.done() for task in list(getattr(asyncio.tasks, "_all_tasks", ())))
    return 0


def _write_on(file: Path) -> None:
    while True:
        time.sleep(EVERY_S)
        try:
            file.write_text(str(_tasks()))
        except OSError:  # the run is over
            return


if folder := os.environ.get("LARGE_RUN_FOLDER"):
    threading.Thread(target=_write_on, args=(Path(folder) / f"{os.getpid()}.tasks",), daemon=True).start()
