"""Gives the system back what a crowd has left behind.

The C library keeps freed memory for the next request, and a small piece that is still in use keeps
all below it: after a thousand clients the process would stay as large as they made it. Asking for
it costs some milliseconds, so that is done once they have gone, not whenever something is freed.
"""

from __future__ import annotations

import asyncio
import ctypes
from collections.abc import Callable

KIB = 1024
LOOK_EVERY_S = 1.0
A_CLIENT_BYTES = 64 * KIB
"""What a connection may have held: between the few KiB of an idle one and the most of a slow reader."""
WORTHWHILE_BYTES = 4 * KIB * KIB
"""Less than this is kept."""


class SpareMemory:
    """Remembers the most that was held, and notices when most of it is not any more."""

    def __init__(self) -> None:
        self._most = 0

    def is_worthwhile(self, connections: int, buffered_bytes: int) -> bool:
        """Whether to give back now; it is then forgotten how much was held."""
        held = connections * A_CLIENT_BYTES + buffered_bytes
        self._most = max(self._most, held)
        if self._most - held < max(WORTHWHILE_BYTES, self._most // 2):
            return False
        self._most = held
        return True


async def give_back(connections: Callable[[], int], buffered_bytes: Callable[[], int]) -> None:
    """Look every second, for as long as the process serves."""
    trim = _trimmer()
    if trim is None:
        return
    spare, loop = SpareMemory(), asyncio.get_running_loop()
    while True:
        await asyncio.sleep(LOOK_EVERY_S)
        if spare.is_worthwhile(connections(), buffered_bytes()):
            await loop.run_in_executor(None, trim, 0)


def _trimmer() -> Callable[[int], object] | None:
    """glibc's `malloc_trim`; other C libraries have none."""
    try:
        trim: Callable[[int], object] = ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError):
        return None
    return trim
