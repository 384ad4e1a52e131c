"""The router in this process, as the ladder asks it: off the event loop, bounded, each question answered
once however many ask it, and what was answered before at once.

Importing this costs nothing: numpy and the encoder's libraries are imported where they are first needed,
on the thread that does the work, so that a gateway without routes never has them.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Lock
from typing import TYPE_CHECKING

from plano.classifiers.embedded.encoder import Encoder
from plano.classifiers.embedded.question import Question, question_of
from plano.classifiers.embedded.recent import Recent
from plano.routing.route_set import RouteSet
from plano.routing.utterance import Utterance
from plano.routing.verdict import Unable, Verdict

if TYPE_CHECKING:
    from plano.classifiers.embedded.judge import Encodes, Judge

MOST_WAITING = 128
"""Questions that wait for the thread. At 2 to 20 ms each, the last of them waits about as long as a
decision may take; more would only time out."""
NICENESS = 10
"""Of the thread, above the process's own; `benchmarks/decisions` measures what it is for."""
MOST_VERDICTS = 4096
VERDICT_BYTES = 512
"""About what one takes, with its key."""
LONGEST_TOLD = 300
"""Characters of a trouble that are told."""

_LATE = Unable("the embedded router had no answer in time")
_CLOSED = Unable("the embedded router is closed")


def _give_way() -> None:
    """Where the event loop's thread shares a core with this one, the kernel then wakes it in the midst of a
    computation instead of at the end of this thread's slice, 3 to 4 ms later. On Linux this is about the
    calling thread alone, elsewhere about the process."""
    if sys.platform == "linux":
        os.nice(NICENESS)


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
        self._load = load
        self._threshold = threshold
        self._most_waiting = most_waiting
        self._thread = ThreadPoolExecutor(1, "plano-embedded", initializer=_give_way)
        self._verdicts: Recent[bytes, Verdict] = Recent(MOST_VERDICTS, MOST_VERDICTS * VERDICT_BYTES)
        self._open: dict[bytes, _Open] = {}
        self._judge: Judge | None = None
        self._lock = Lock()
        self._closed = False

    async def classify(
        self, conversation: Sequence[Utterance], routes: RouteSet, *, deadline: float
    ) -> Verdict:
        question = question_of(conversation, routes)
        known = self._verdicts.get(question.key)
        if known is not None:
            return known
        opened = self._join(question)
        if isinstance(opened, Unable):
            return opened
        try:
            async with asyncio.timeout_at(deadline):
                # Shielded: one who leaves must not take the answer from those who stay.
                return await asyncio.shield(asyncio.wrap_future(opened.answer))
        except TimeoutError:
            return _LATE
        finally:
            self._leave(question, opened)

    def judge(self, conversation: Sequence[Utterance], routes: RouteSet) -> Verdict:
        """The same verdict, on the calling thread. Any thread."""
        return self._verdict(question_of(conversation, routes), lambda: True)

    def load(self) -> None:
        """Load the encoder now, on the calling thread. Its libraries keep the interpreter's lock for up to
        30 ms while they load, so who has an event loop does this before it serves."""
        try:
            self._judging().warm(None)
        # What is broken now is broken at the first question, too, and is told there.
        except Exception:  # noqa: BLE001 - said above
            return

    def warm(self, routes: RouteSet | None = None) -> None:
        """Begin to load the encoder and to read `routes`; does not wait for it."""
        with self._lock:
            if not self._closed:
                self._thread.submit(self._warm, routes)

    def close(self) -> None:
        """Answer nothing more: who still waits is told so. What is being computed ends at its next text."""
        with self._lock:
            self._closed = True
            self._thread.shutdown(wait=False)

    # --- on the event loop ---

    def _join(self, question: Question) -> _Open | Unable:
        """The answer under way to an equal question, or a new one."""
        with self._lock:
            if self._closed:
                return _CLOSED
            opened = self._open.get(question.key)
            if opened is not None:
                opened.waiting += 1
                return opened
            if len(self._open) >= self._most_waiting:
                return Unable(f"the embedded router is busy: {len(self._open)} questions are waiting")
            opened = _Open()
            try:
                self._thread.submit(self._answer, question, opened)
            except RuntimeError as trouble:  # the system grants no thread, or ours has died
                return Unable(f"the embedded router has no thread: {trouble}"[:LONGEST_TOLD])
            self._open[question.key] = opened
            return opened

    def _leave(self, question: Question, opened: _Open) -> None:
        with self._lock:
            opened.waiting -= 1
            if not opened.waiting:
                self._forget(question, opened)

    def _forget(self, question: Question, opened: _Open) -> None:
        if self._open.get(question.key) is opened:
            del self._open[question.key]

    # --- on the thread ---

    def _answer(self, question: Question, opened: _Open) -> None:
        verdict = self._verdict(question, lambda: bool(opened.waiting) and not self._closed)
        with self._lock:
            self._forget(question, opened)
        opened.answer.set_result(verdict)

    def _verdict(self, question: Question, wanted: Callable[[], bool]) -> Verdict:
        known = self._verdicts.get(question.key)
        if known is not None:
            return known
        if not wanted():
            return self._unwanted()
        from plano.classifiers.embedded.judge import Dropped  # noqa: PLC0415 - as the module's docstring says

        try:
            verdict = self._judging().verdict(question, wanted)
        except Dropped:
            return self._unwanted()
        # Whatever breaks here costs a decision, not the request.
        except Exception as trouble:  # noqa: BLE001 - said above
            return Unable(f"the embedded router broke: {type(trouble).__name__}")
        if not isinstance(verdict, Unable):
            self._verdicts.put(question.key, verdict, VERDICT_BYTES)
        return verdict

    def _unwanted(self) -> Unable:
        return _CLOSED if self._closed else _LATE

    def _warm(self, routes: RouteSet | None) -> None:
        from plano.classifiers.embedded.judge import Dropped  # noqa: PLC0415 - as above

        try:
            self._judging().warm(routes, lambda: not self._closed)
        except Dropped:
            pass

    def _judging(self) -> Judge:
        from plano.classifiers.embedded.judge import Judge  # noqa: PLC0415 - as above
        from plano.classifiers.embedded.judgement import THRESHOLD  # noqa: PLC0415 - as above

        with self._lock:
            if self._judge is None:
                self._judge = Judge(self._load, THRESHOLD if self._threshold is None else self._threshold)
            return self._judge
