"""Asks a served router model (Plano-Orchestrator, Arch-Router, any other) which route fits.

The model may be down, slow, wordy or wrong: each of these is a verdict with its reason, in time, and
after a few of them it is left alone for a while. What is asked and how an answer reads is `routing`'s.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from plano.chat.dialect import Dialect
from plano.errors import PlanoError, UpstreamTimeout
from plano.exchange.ports import Call, Flow, Upstream
from plano.routing.answer import read_answer
from plano.routing.breaker import Breaker, Refusal, Report
from plano.routing.decision import Candidate
from plano.routing.question import Questions, TooManyRoutes
from plano.routing.route_set import RouteSet
from plano.routing.utterance import Utterance
from plano.routing.verdict import Unable, Verdict

MOST_AT_ONCE: Final = 64
"""Questions under way: a model that answers in 50 ms takes 1,280 a second so, and one that is that far
behind would only be asked what nobody waits for any more."""
LARGEST_REPLY_BYTES: Final = 64 * 1024
"""An answer has a few hundred bytes; thoughts in front of it a few thousand."""
TEMPERATURE: Final = 0.01
"""Nearly always the likeliest answer; some servers take an exact 0 for "not given"."""

BEHIND_S: Final = 1.0
"""The connection's own limits come this much later: it keeps them to a twentieth of a second, which is much
of a decision's time, so the decision keeps its deadline itself."""


class RouterModel:
    """A `RouteClassifier` at the other end of a connection."""

    def __init__(
        self,
        candidate: Candidate,
        upstream: Upstream,
        questions: Questions,
        *,
        now: Callable[[], float],
        most_at_once: int = MOST_AT_ONCE,
        breaker: Breaker | None = None,
    ) -> None:
        """`now` is the loop's clock; the model must speak the OpenAI chat API, which the catalog sees to."""
        self.name: str = candidate.id
        self._candidate = candidate
        self._upstream = upstream
        self._questions = questions
        self._now = now
        self._most_at_once = most_at_once
        self._breaker = breaker or Breaker()
        self._under_way = 0

    async def classify(
        self, conversation: Sequence[Utterance], routes: RouteSet, *, deadline: float
    ) -> Verdict:
        if self._under_way >= self._most_at_once:
            return Unable(f"busy: {self._under_way} questions to it are under way")
        now = self._now()
        if now >= deadline:
            return Unable("not asked: no time was left")
        try:
            question = self._questions.about(conversation, routes)
        except TooManyRoutes as error:
            return Unable(f"not asked: {error}")
        self._breaker, admitted = self._breaker.admit(now)
        if isinstance(admitted, Refusal):
            return Unable(admitted.because)
        how: Report = "abandoned"
        self._under_way += 1
        try:
            verdict = await self._ask(question, routes, deadline)
            how = "failed" if isinstance(verdict, Unable) else "succeeded"
        finally:
            self._under_way -= 1
            self._breaker = self._breaker.report(admitted, how, self._now())
        return verdict

    async def _ask(self, question: str, routes: RouteSet, deadline: float) -> Verdict:
        heard = _Heard()
        began = self._now()
        body = msgspec.json.encode(
            {
                "model": self._candidate.upstream_model,
                "messages": [{"role": "user", "content": question}],
                "temperature": TEMPERATURE,
            }
        )
        left_s = deadline - began
        call = Call(
            self._candidate,
            Dialect.OPENAI_CHAT,
            "",
            (body,),
            len(body),
            (),
            first_byte_s=left_s + BEHIND_S,
            deadline=deadline + BEHIND_S,
        )
        try:
            async with asyncio.timeout(left_s):
                await self._upstream.send(call, heard)
        except TimeoutError:
            return Unable(f"no answer within {_ms(left_s)}")
        except _HeardEnough:
            return heard.refused()
        if isinstance(heard.failure, UpstreamTimeout):
            return Unable(f"no answer within {_ms(self._now() - began)}")
        return heard.verdict(routes)


def _ms(seconds: float) -> str:
    return f"{max(seconds, 0.0) * 1000:.0f} ms"


class _HeardEnough(Exception):
    """The rest of the answer cannot help; raised by a sink, it closes the connection."""


class _Heard:
    """A `ReplySink` that keeps a small answer, and looks no further at one that is of no use."""

    def __init__(self) -> None:
        self.flow: Flow | None = None
        self.failure: PlanoError | None = None
        self._status = 0
        self._body = bytearray()

    def head(self, status: int, headers: list[tuple[bytes, bytes]]) -> None:
        self._status = status
        if status != 200:
            raise _HeardEnough

    def body(self, data: bytes) -> None:
        self._body += data
        if len(self._body) > LARGEST_REPLY_BYTES:
            raise _HeardEnough

    def end(self) -> None:
        """What there is to read has been kept."""

    def flush(self) -> None:
        """Nobody waits for parts."""

    def broke(self, error: PlanoError) -> None:
        error.forget_frames()
        self.failure = error

    def refused(self) -> Unable:
        """Why nothing more was heard."""
        if self._status == 200:
            return Unable(f"its answer is larger than {LARGEST_REPLY_BYTES} bytes")
        hint = " (is its access_key right?)" if self._status in (401, 403) else ""
        return Unable(f"it answered with status {self._status}{hint}")

    def verdict(self, routes: RouteSet) -> Verdict:
        if self.failure is not None:
            return Unable(f"asking it failed: {self.failure.message.rstrip('.')}")
        try:
            completion = _COMPLETIONS.decode(self._body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return Unable("its answer is not a chat completion")
        if not completion.choices:
            return Unable("its answer is a chat completion without choices")
        return completion.choices[0].verdict(routes)


class _Message(msgspec.Struct):
    content: str | None = None
    tool_calls: list[msgspec.Raw] | None = None


class _Choice(msgspec.Struct):
    message: _Message
    finish_reason: str | None = None

    def verdict(self, routes: RouteSet) -> Verdict:
        if not self.message.content:
            calls = " but calls of tools" if self.message.tool_calls else ""
            return Unable(f"its answer holds no text{calls}")
        verdict = read_answer(self.message.content, routes)
        if isinstance(verdict, Unable) and self.finish_reason == "length":
            return Unable(f"{verdict.because}; it was cut off at the most tokens the server allows")
        return verdict


class _Completion(msgspec.Struct):
    choices: list[_Choice] = []


_COMPLETIONS: Final[msgspec.json.Decoder[_Completion]] = msgspec.json.Decoder(_Completion)
