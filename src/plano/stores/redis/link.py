"""What the store needs of a way to Redis, whatever stands at its end."""

from __future__ import annotations

from typing import Protocol

Argument = str | bytes | int
Command = tuple[Argument, ...]
Reply = object
"""bytes, int, None or a list: as RESP2 has it."""


class Link(Protocol):
    """Carries commands. Raises whatever goes wrong; whoever asks limits the time."""

    async def ask(self, key: str, command: Command) -> Reply:
        """The reply to `command`, which is about `key`."""

    async def renew(self) -> None:
        """Forget what was known and connect anew, so that the next command finds a connection ready."""

    async def close(self) -> None:
        """Close every connection and wait for the tasks behind them."""
