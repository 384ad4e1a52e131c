"""What one key has had and the shared windows have not been told yet.

Nothing grows with traffic: what is owed to a window is one sum. What was sent without an answer is sent
again under the same mark, so that it counts once; what was not told before its window ended is lost, and
said to be.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from plano.keys.shared import Entry


@dataclass(slots=True)
class Owed:
    """What one window is to be told."""

    lasts_s: int
    ends: float
    """When nobody wants to know any more."""
    amount: int = 0
    answers: int = 0
    """So many had it."""


@dataclass(frozen=True, slots=True)
class Batch:
    """What was owed at one moment, and is told together."""

    mark: str
    owed: dict[str, Owed]
    """By the names of windows."""


class Ledger:
    """Of one key."""

    def __init__(
        self, now: Callable[[], float], mark: Callable[[], str], lose: Callable[[int], None]
    ) -> None:
        """`mark` gives another each time; `lose` is told how many answers came to be lost."""
        self._now = now
        self._mark = mark
        self._lose = lose
        self._owed: dict[str, Owed] = {}
        self._returned: list[Batch] = []

    def note(self, name: str, lasts_s: int, amount: int) -> None:
        """An answer has had `amount` in the window `name`."""
        owed = self._owed.get(name)
        if owed is None or owed.ends <= self._now():
            self._drop(owed)
            owed = self._owed[name] = Owed(lasts_s, self._now() + lasts_s)
        owed.amount += amount
        owed.answers += 1

    def take(self) -> Batch | None:
        """What to tell next; None: nothing. Whoever takes it has it counted, or puts it back."""
        while self._returned:
            batch = self._live(self._returned.pop())
            if batch is not None:
                return batch
        if not self._owed:
            return None
        owed, self._owed = self._owed, {}
        return self._live(Batch(self._mark(), owed))

    def put_back(self, batch: Batch) -> None:
        """Nobody knows whether it was counted."""
        self._returned.append(batch)

    def owed_to(self, name: str) -> int:
        """What the window `name` has not been told."""
        owing = (self._owed, *(batch.owed for batch in self._returned))
        return sum(owed[name].amount for owed in owing if name in owed)

    def __bool__(self) -> bool:
        return bool(self._owed or self._returned)

    def drop(self) -> int:
        """Nothing of it will be told any more; how many answers that are."""
        count = 0
        while batch := self.take():
            for owed in batch.owed.values():
                self._drop(owed)
                count += owed.answers
        return count

    def _live(self, batch: Batch) -> Batch | None:
        """Without what nobody wants to know any more."""
        now = self._now()
        live = {name: owed for name, owed in batch.owed.items() if owed.ends > now}
        for name, owed in batch.owed.items():
            if name not in live:
                self._drop(owed)
        return Batch(batch.mark, live) if live else None

    def _drop(self, owed: Owed | None) -> None:
        if owed is not None:
            self._lose(owed.answers)


def told_with(asked: tuple[Entry, ...], batch: Batch | None) -> tuple[Entry, ...]:
    """The entries of a question that tells a batch along: those asked about come first, in their order."""
    if batch is None:
        return asked
    owed = dict(batch.owed)
    told = []
    for entry in asked:
        own = owed.pop(entry.name, None)
        amount = 0 if own is None else own.amount
        told.append(Entry(entry.name, entry.lasts_s, entry.most, amount, entry.takes))
    return (*told, *(Entry(name, each.lasts_s, tells=each.amount) for name, each in owed.items()))
