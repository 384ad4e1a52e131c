"""What is wanted of windows that workers and replicas share (`plano.stores.redis.windows` keeps them).

One question tells what was had since the last one, looks whether every window has room, and takes a place in
those that count when a request comes: together, so that whoever asks at the same time gets what is left.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from plano.routing.affinity import StoreState, Unavailable


@dataclass(frozen=True, slots=True)
class Entry:
    """One window in a question."""

    name: str
    lasts_s: int
    """From its first count."""
    most: int | None = None
    """There is room below it; None: that is not asked."""
    tells: int = 0
    """Had already; counted whether there is room or not."""
    takes: int = 0
    """Counted when every window has room."""


@dataclass(frozen=True, slots=True)
class Standing:
    """How a window stands after the question."""

    count: int
    left_s: float
    """Until it ends; 0 where there is none."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer."""

    full: int | None
    """Which of the entries has no room, the first of them; None: all have, and what was to be taken is."""
    standings: tuple[Standing, ...]


class SharedWindows(Protocol):
    """Nothing here raises but for cancellation; trouble is `Unavailable`, after 50 ms at most."""

    @property
    def state(self) -> StoreState:
        """How it is doing; reading does not wait."""

    async def start(self) -> None:
        """Connect, for a second at most."""

    async def close(self) -> None: ...

    async def ask(self, entries: Sequence[Entry], told_as: str) -> Verdict | Unavailable:
        """`entries` are windows of one key. What they tell is counted once, however often it is told as the
        same within a minute: whoever got no answer tells it again."""
