"""The router in this process, as the ladder asks it: off the event loop, bounded, and each question
answered once however many ask it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Lock

from plano.classifiers.embedded.encoder import Encoder
from plano.classifiers.embedded.judge import Dropped, Encodes, Judge, Question, question_of
from plano.classifiers.embedded.judgement import THRESHOLD
from plano.routing.route_set import RouteSet
from plano.routing.utterance import Utterance
from plano.routing.verdict import Unable, Verdict

MOST_WAITING = 128
"""Questions in the thread's queue. At 2 to 15 ms each, the last one waits about as long as a decision
may take; more would only time out."""

_LATE = Unable("the embedded router had no answer in time")
_CLOSED = Unable("the embedded router is closed")


class _Open:
    """A question that is being answered, and how many wait for it."""

    __slots__ = ("answer", "waiting")

    def __init__(self) -> None:
        self.answer: Future[Verdict] = Future()
        self.waiting = 1


class EmbeddedRouter:
    """Finds the route by comparing embeddings. One thread of its own does the work."""

    name = "embedded"

    def __init__(
        self,
        load: Callable[[], Encodes] = Encoder.load,
        *,
        threshold: float | None = None,
        most_waiting: int = MOST_WAITING,
    ) -> None:
        """`threshold`: the score under which no route fits; None: the built-in one."""
        self._judge = Judge(load, THRESHOLD if threshold is None else threshold)
        self._most_waiting = most_waiting
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="plano-embedded")
        self._open: dict[bytes, _Open] = {}
        self._lock = Lock()
        self._closed = False

    async def classify(
        self, conversation: Sequence[Utterance], routes: RouteSet, *, deadline: float
    ) -> Verdict:
        question = question_of(conversation, routes)
        known = self._judge.recalled(question)
        if known is not None:
            return known
        opened = self._join(question)
        if isinstance(opened, Unable):
            return opened
        try:
            async with asyncio.timeout_at(deadline):
                return await asyncio.shield(asyncio.wrap_future(opened.answer))
        except TimeoutError:
            return _LATE
        finally:
            self._leave(question, opened)

    def judge(self, conversation: Sequence[Utterance], routes: RouteSet) -> Verdict:
        """The same verdict, on the calling thread; waits for nobody but the encoder."""
        question = question_of(conversation, routes)
        return self._judge.recalled(question) or self._judge.verdict(question)

    def warm(self, routes: RouteSet | None = None) -> None:
        """Begin to load the encoder and to read the configured routes; does not wait for it."""
        with self._lock:
            if not self._closed:
                self._thread.submit(self._warm, routes)

    def close(self) -> None:
        """Answer nothing more: who still waits is told so. What is being computed ends at its next text."""
        with self._lock:
            self._closed = True
            self._thread.shutdown(wait=False)

    def _join(self, question: Question) -> _Open | Unable:
        """The answer under way to an equal question, or a new one."""
        with self._lock:
            if self._closed:
                return _CLOSED
            opened = self._open.get(question.key)
            if opened is None:
                if len(self._open) >= self._most_waiting:
                    return Unable(f"the embedded router is busy: {len(self._open)} questions are waiting")
                opened = self._open[question.key] = _Open()
                self._thread.submit(self._answer, question, opened)
            else:
                opened.waiting += 1
            return opened

    def _leave(self, question: Question, opened: _Open) -> None:
        with self._lock:
            opened.waiting -= 1
            if opened.waiting == 0:
                self._forget(question, opened)

    def _forget(self, question: Question, opened: _Open) -> None:
        if self._open.get(question.key) is opened:
            del self._open[question.key]

    def _answer(self, question: Question, opened: _Open) -> None:
        verdict = self._found(question, lambda: opened.waiting > 0 and not self._closed)
        with self._lock:
            self._forget(question, opened)
        opened.answer.set_result(verdict)

    def _found(self, question: Question, wanted: Callable[[], bool]) -> Verdict:
        if not wanted():
            return _CLOSED if self._closed else _LATE
        try:
            return self._judge.recalled(question) or self._judge.verdict(question, wanted)
        except Dropped:
            return _CLOSED if self._closed else _LATE
        except Exception as trouble:  # noqa: BLE001 - whatever breaks here costs a decision, not the request
            return Unable(f"the embedded router broke: {type(trouble).__name__}")

    def _warm(self, routes: RouteSet | None) -> None:
        try:
            self._judge.warm(routes, lambda: not self._closed)
        except Dropped:
            pass
