"""What one key has had and the shared windows have not been told yet.

Nothing grows with traffic: what is owed to a window is one sum. What was sent without an answer is sent
again under the same mark, so that it counts once; what was not told before its window ended is lost, and
said to be. What is on its way is still owed: nobody knows yet whether it arrives.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

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


@dataclass(slots=True)
class Batch:
    """What is told together."""

    mark: str
    owed: dict[str, Owed] = field(default_factory=dict)
    """By the names of windows."""
    answers: int = 0
    """So many had it, of which none is said to be lost; one that counts in two windows is one."""

    def add(self, had: Entry, now: float) -> None:
        owed = self.owed.get(had.name)
        if owed is None:
            owed = self.owed[had.name] = Owed(had.lasts_s, now + had.lasts_s)
        owed.amount += had.tells
        owed.answers += 1

    def forget_ended(self, now: float) -> int:
        """Leave out what nobody wants to know any more; how many more answers are lost with it."""
        before = self.answers
        for name in [name for name, owed in self.owed.items() if owed.ends <= now]:
            self.answers -= min(self.answers, self.owed.pop(name).answers)
        return before - self.answers


class Ledger:
    """Of one key."""

    def __init__(
        self, now: Callable[[], float], mark: Callable[[], str], lose: Callable[[int], None]
    ) -> None:
        """`mark` gives another each time; `lose` is told how many answers came to be lost."""
        self._now = now
        self._mark = mark
        self._lose = lose
        self._owed: Batch | None = None
        self._returned: list[Batch] = []
        self._out: dict[str, Batch] = {}
        """On their way, by their marks."""

    def note(self, had: Iterable[Entry]) -> None:
        """One answer has had what these entries tell."""
        if self._owed is None:
            self._owed = Batch(self._mark())
        now = self._now()
        self._count_lost(self._owed.forget_ended(now))
        for each in had:
            self._owed.add(each, now)
        self._owed.answers += 1

    def take(self) -> Batch | None:
        """What to tell next; None: nothing. Whoever takes it says `told` or `put_back`."""
        while (batch := self._next()) is not None:
            self._count_lost(batch.forget_ended(self._now()))
            if batch.owed:
                self._out[batch.mark] = batch
                return batch
        return None

    def told(self, batch: Batch) -> None:
        """It was counted."""
        self._out.pop(batch.mark, None)

    def put_back(self, batch: Batch) -> None:
        """Nobody knows whether it was counted."""
        if self._out.pop(batch.mark, None) is not None:
            self._returned.append(batch)

    def owed_to(self, name: str) -> int:
        """What nobody has said to have counted in the window `name`."""
        return sum(batch.owed[name].amount for batch in self._all() if name in batch.owed)

    def __bool__(self) -> bool:
        """Whether there is something to take."""
        return bool(self._owed or self._returned)

    def drop(self) -> int:
        """Nothing of it will be told any more; how many answers that are."""
        count = sum(batch.answers for batch in self._all())
        self._owed = None
        self._returned.clear()
        self._out.clear()
        self._count_lost(count)
        return count

    def _next(self) -> Batch | None:
        if self._returned:
            return self._returned.pop()
        batch, self._owed = self._owed, None
        return batch

    def _all(self) -> Iterator[Batch]:
        if self._owed is not None:
            yield self._owed
        yield from self._returned
        yield from self._out.values()

    def _count_lost(self, answers: int) -> None:
        if answers:
            self._lose(answers)


def told_with(asked: tuple[Entry, ...], batch: Batch) -> tuple[Entry, ...]:
    """The entries of a question that tells a batch along: those asked about come first, in their order."""
    owed = dict(batch.owed)
    told = []
    for entry in asked:
        own = owed.pop(entry.name, None)
        amount = 0 if own is None else own.amount
        told.append(Entry(entry.name, entry.lasts_s, entry.most, amount, entry.takes))
    return (*told, *(Entry(name, each.lasts_s, tells=each.amount) for name, each in owed.items()))
