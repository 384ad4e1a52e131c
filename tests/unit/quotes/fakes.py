"""A network that answers from a list, a clock that is told the time, and a rest that takes none."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from plano.quotes.fetch import SourceFailed

Answer = bytes | Exception


class Network:
    """Answers one document a call, in order; the last one again and again."""

    def __init__(self, *answers: Answer) -> None:
        self.answers: Sequence[Answer] = answers
        self.asked: list[str] = []

    async def get(self, url: str) -> bytes:
        answer = self.answers[min(len(self.asked), len(self.answers) - 1)]
        self.asked.append(url)
        if isinstance(answer, Exception):
            raise answer
        return answer


class Silent:
    """Never answers."""

    async def get(self, url: str) -> bytes:
        await asyncio.Event().wait()
        return b""


class Time:
    """Stands still until somebody sleeps; sleeping is over at once, and moves it on."""

    def __init__(self, *, naps: int = 100) -> None:
        self.at = 1_790_000_000.0
        self.slept: list[float] = []
        self.tired = asyncio.Event()
        """Set when all naps are taken; from then on sleep lasts for ever."""
        self._naps = naps

    def now(self) -> float:
        return self.at

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        if len(self.slept) > self._naps:
            self.tired.set()
            await asyncio.Event().wait()
        self.at += seconds
        await asyncio.sleep(0)


def even() -> float:
    """Chance without any: the middle."""
    return 0.5


DOWN = SourceFailed("host:443 answered 503; expected 200")
