"""Answers that are cut, many at a time: each request names a model of its own, and the name says where.

The members of a wildcard are models of their own to the gateway as well: one that has failed rests by
itself, so every cut meets a first candidate that is well.
"""

from __future__ import annotations

import json
import ssl
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from plano.chat.dialect import Dialect
from tests.fault.cuts import (
    ENDINGS,
    FIRST_CONTENT,
    LOOKS_COMPLETE,
    STREAMS,
    TERMINAL,
    events_told,
)
from tests.wall.answers import PLAIN
from tests.wall.framing import RawRequest
from tests.wall.gateway import ANTHROPIC_MODEL, OPENAI_MODEL, UPSTREAM_KEY, listener
from tests.wall.script import EVENT_STREAM, JSON, Head, Raw, Script, Stall, Step
from tests.wall.upstream import ScriptedUpstream, good_for

Kind = Literal["stream", "plain"]
Outcome = Literal["whole", "loud", "rescued"]
"""What must come of a cut: nothing was missing; the client is told; another candidate's answer."""

WAYS = {
    "FIN": "FIN without the last chunk",
    "RST": "reset",
    "clean end": "clean end",
    "stall": "stall",
    "FIN in a chunk": "FIN inside a chunk",
    "closed": "closed, and delimited by that",
}
"""How an answer is cut, by its short name: `tests.fault.cuts` has all but the stall."""
STAND_INS = ("second", "third")
_MARK = "cut-"
_STRIDE = 7919
"""A prime that is larger than any piece: numbers that follow each other part far from each other."""


@dataclass(frozen=True, slots=True)
class Cut:
    """One answer that ends early."""

    number: int
    dialect: Dialect
    kind: Kind
    way: str
    length: int
    with_another: bool
    """Whether a second candidate could answer, which is well."""

    @property
    def model(self) -> str:
        """What is asked for."""
        return f"{_provider(self.dialect)}/{_MARK}{self.number}"

    @property
    def outcome(self) -> Outcome:
        """What must come of it."""
        if self.kind == "plain":
            complete = WAYS[self.way] in LOOKS_COMPLETE and self.length >= len(PLAIN[self.dialect].rstrip())
            committed = False
        else:
            told = events_told(self.dialect, WAYS[self.way], self.length)
            complete = told > TERMINAL[self.dialect]
            committed = told > FIRST_CONTENT[self.dialect]
        if complete:
            return "whole"
        return "rescued" if self.with_another and not committed else "loud"

    @property
    def script(self) -> Script:
        data = (STREAMS if self.kind == "stream" else PLAIN)[self.dialect][: self.length]
        headers = EVENT_STREAM if self.kind == "stream" else JSON
        if self.way == "stall":
            # In one piece: what comes after a pause might come after the limit, on a busy machine.
            chunk = b"%x\r\n%b\r\n" % (len(data), data) if data else b""
            return [Raw(Head(200, headers).wire() + chunk), Stall()]
        return list(_in_two(ENDINGS[WAYS[self.way]](data, headers), self.number))

    def __str__(self) -> str:
        beside = "with another candidate" if self.with_another else "alone"
        return f"{self.way} after {self.length} bytes of a {self.dialect.value} {self.kind}, {beside}"


class CutUpstream(ScriptedUpstream):
    """Cuts the answers to those that were announced; the others are good."""

    def __init__(self, *, tls: ssl.SSLContext | None = None) -> None:
        super().__init__(otherwise=self._next, tls=tls)
        self._cuts: dict[str, Cut] = {}
        self.asked: Counter[int] = Counter()
        """How many requests there were for each cut: more than one is paid for twice."""

    def announce(self, cut: Cut) -> None:
        self._cuts[f"{_MARK}{cut.number}"] = cut

    def _next(self, request: RawRequest) -> Script:
        cut = self._cuts.get(json.loads(request.body)["model"])
        if cut is None:
            return good_for(request)
        self.asked[cut.number] += 1
        return cut.script


def _in_two(script: Script, number: int) -> Iterator[Step]:
    """What comes before the cut, in two pieces: where they part is another place for each number."""
    for step in script:
        if isinstance(step, Raw) and len(step.data) > 1:
            part = 1 + number * _STRIDE % (len(step.data) - 1)
            yield from (Raw(step.data[:part]), Raw(step.data[part:]))
        else:
            yield step


def config_of(first: str, *others: str, **limits: str) -> dict[str, Any]:
    """Two wildcards at `first`, and for each a model at every other address that answers in turn; beside them
    the two models of the wall, for ordinary requests."""
    rows: list[dict[str, Any]] = []
    for model in (OPENAI_MODEL, ANTHROPIC_MODEL):
        provider = model.partition("/")[0]
        stand_ins = [
            {"model": f"{provider}/{name}", "base_url": url, "access_key": UPSTREAM_KEY}
            for name, url in zip(STAND_INS, others, strict=False)
        ]
        row = {"base_url": first, "access_key": UPSTREAM_KEY}
        fallbacks = {"fallbacks": [each["model"] for each in stand_ins]} if stand_ins else {}
        rows += [{"model": model, **row}, {"model": f"{provider}/*", **row, **fallbacks}, *stand_ins]
    return {"version": "v0.4.0", "model_providers": rows, **listener(**limits)}


def _provider(dialect: Dialect) -> str:
    return "anthropic" if dialect is Dialect.ANTHROPIC_MESSAGES else "openai"
