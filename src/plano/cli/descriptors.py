"""File descriptors: the three standard ones are there, and there are enough for the connections.

A process that was started without standard output would else hand number 1 to its first socket, and
write its log into it.
"""

from __future__ import annotations

import os
import resource

STANDARD = (0, 1, 2)
RESERVED = 64
"""Descriptors for the rest: files, the loop, listeners, the admin listener's clients, look-ups of names."""
A_CLIENT = 2
"""Descriptors a client takes: its own connection, and one upstream while it is being answered."""
FEWEST_CLIENTS = 8
"""A gateway that could serve fewer at a time would soon close connections without a word."""


FEWEST = RESERVED + A_CLIENT * FEWEST_CLIENTS
"""With fewer descriptors nothing is worth starting."""


def open_standard() -> None:
    """Put the null device where standard input, output or error is closed."""
    for descriptor in STANDARD:
        try:
            os.fstat(descriptor)
        except OSError:
            opened = os.open(os.devnull, os.O_RDWR)  # the lowest free number, hence this one
            os.set_inheritable(opened, True)


def raise_limit() -> int:
    """Allow this process as many descriptors as the system lets it have, and say how many that is."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == hard:
        return soft
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    except (OSError, ValueError):  # macOS: the hard limit may be none, and none is more than it allows
        return soft
    return hard


def allowed_connections(descriptors: int) -> int:
    """How many clients a worker can serve with so many descriptors."""
    if descriptors == resource.RLIM_INFINITY:
        return 1 << 31
    return max((descriptors - RESERVED) // A_CLIENT, 0)
