"""Addresses that lead nowhere, in two ways that are not a refusal."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

Place = Callable[[], AbstractContextManager[int]]
"""Makes a port of loopback for as long as its context lasts."""


@contextlib.contextmanager
def full_backlog() -> Iterator[int]:
    """A port that neither accepts nor refuses: its queue is full, and the kernel drops what knocks."""
    with contextlib.ExitStack() as stack:
        listening = stack.enter_context(socket.socket())
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        for _ in range(2):  # a queue of none has room for one, and another may be on its way
            knocking = stack.enter_context(socket.socket())
            knocking.setblocking(False)
            knocking.connect_ex(listening.getsockname())
        yield listening.getsockname()[1]


@contextlib.contextmanager
def deaf() -> Iterator[int]:
    """A port on which connecting succeeds, and nothing is ever said or read."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        yield listening.getsockname()[1]
