"""How fast models are, as this worker has seen it lately: rolling windows of finished exchanges.

A stream and a plain answer have no time in common. A stream is as fast as its first content comes; a
plain answer comes all at once, after a time that depends on its length, so what counts is the time for
so many words of it. Each is measured for itself, and models are compared by the one of which there was
more lately, all of them by the same: a time to first content is never held against a whole answer.

Only answers that came whole with status 200 count: a refusal is quick, but not an answer.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from statistics import median
from typing import Final

from plano.catalog.names import ModelId
from plano.exchange.record import ExchangeRecord
from plano.quotes.state import SourceState

WINDOW_S: Final = 600.0
"""How long a measurement counts: providers' bad hours come and go; a model asked once a minute is
still known by ten answers."""
WINDOW_ANSWERS: Final = 64
"""Measurements kept of a model, the latest: enough for a median, and under busy traffic a fresh one."""
LEAST_ANSWERS: Final = 3
"""Fewer say nothing: one of them may have opened the connection."""
SETTLED_S: Final = 1.0
"""For so long the medians hold; a busy worker need not sort for every decision."""
MOST_MODELS: Final = 512
"""Models with a window; members of wildcards can be any number."""
PLAIN_TOKENS: Final = 100
"""A plain answer's measure is the seconds for so many tokens of text: about a paragraph."""
SHORTEST_PLAIN_TOKENS: Final = 16
"""Of a shorter answer most of the time is for reading the question."""

_Window = deque[tuple[float, float]]
"""When an exchange ended, and its measure in seconds; the oldest first."""


class Observed:
    """Measurements of every model, and the medians drawn from them."""

    def __init__(self, now: Callable[[], float]) -> None:
        """`now`: the clock of the records."""
        self._now = now
        self._streams: dict[ModelId, _Window] = {}
        self._plain: dict[ModelId, _Window] = {}
        self._medians: dict[ModelId, float] = {}
        self._settled_until = float("-inf")

    def observe(self, record: ExchangeRecord) -> None:
        """Take note of a finished exchange."""
        ended = record.ended
        if record.status != 200 or record.code is not None or ended is None:
            return
        windows = self._streams if record.stream else self._plain
        seconds = _to_first_content(record) if record.stream else _for_a_paragraph(record, ended)
        model = record.chosen
        if seconds is None or model is None:
            return
        window = windows.get(model)
        if window is None:
            window = self._opened(windows, model, ended)
        window.append((ended, seconds))

    def latency_s(self, model: ModelId) -> float | None:
        """The median of late, by the measure that holds for all models now; None: too little is known."""
        now = self._now()
        if now >= self._settled_until:
            self._settle(now)
        return self._medians.get(model)

    async def run(self) -> None:
        """Nobody has to be asked."""

    async def refresh(self) -> None:
        """Nobody has to be asked."""

    def fail(self, trouble: str) -> None:
        """Nobody was asked."""

    def state(self) -> SourceState:
        return SourceState("observed", values=len(self._medians))

    def _settle(self, now: float) -> None:
        self._settled_until = now + SETTLED_S
        for windows in (self._streams, self._plain):
            _forget(windows, now - WINDOW_S)
        streamed, plain = (sum(map(len, windows.values())) for windows in (self._streams, self._plain))
        windows = self._streams if streamed >= plain else self._plain
        self._medians = {
            model: median(seconds for _, seconds in window)
            for model, window in windows.items()
            if len(window) >= LEAST_ANSWERS
        }

    def _opened(self, windows: dict[ModelId, _Window], model: ModelId, now: float) -> _Window:
        if len(windows) >= MOST_MODELS:
            _forget(windows, now - WINDOW_S)
        if len(windows) >= MOST_MODELS:
            del windows[next(iter(windows))]
        window = windows[model] = deque(maxlen=WINDOW_ANSWERS)
        return window


def _to_first_content(record: ExchangeRecord) -> float | None:
    first, sent = record.first_content, record.sent
    return None if first is None or sent is None else first - sent


def _for_a_paragraph(record: ExchangeRecord, ended: float) -> float | None:
    """Tokens of reasoning are not text: the time they take counts against the model."""
    sent, usage = record.sent, record.usage
    if sent is None or usage is None or usage.output_tokens is None:
        return None
    tokens = usage.output_tokens - (usage.reasoning_tokens or 0)
    return (ended - sent) / tokens * PLAIN_TOKENS if tokens >= SHORTEST_PLAIN_TOKENS else None


def _forget(windows: dict[ModelId, _Window], before: float) -> None:
    """Drop measurements from before a moment, and models that have none left."""
    for model in list(windows):
        window = windows[model]
        while window and window[0][0] < before:
            window.popleft()
        if not window:
            del windows[model]
