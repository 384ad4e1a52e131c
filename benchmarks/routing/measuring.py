"""What every part of the benchmark measures with: a router is a function, a figure is a row."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import IO

from plano.classifiers.embedded.router import EmbeddedRouter
from plano.evaluation.accuracy import Accuracy, Outcome, Share, accuracy
from plano.evaluation.labelled import LabelledFile
from plano.routing.reading import read
from plano.routing.route_set import RouteSet
from plano.routing.utterance import Utterance
from plano.routing.verdict import Matched, NoneFits, Unable, Verdict

READ_TOKENS = 8192
"""The default of `orchestrator_model_context_length`."""

Judge = Callable[[Sequence[Utterance], RouteSet], Verdict]


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table."""

    what: str
    share: Share
    floor: float | None = None
    """What it must reach; None: for the record only."""
    lost: float | None = None
    """By how much less is right than of the same turns unchanged; None: nothing was changed."""
    most_lost: float | None = None

    @property
    def is_met(self) -> bool:
        enough = self.floor is None or self.share.accuracy >= self.floor
        # Shares are told in thousandths, and so are differences of them.
        return enough and (self.most_lost is None or round(self.lost or 0.0, 3) <= self.most_lost)


@dataclass(frozen=True, slots=True)
class Asked:
    """One turn to be judged, with all that was said before it."""

    conversation: str
    utterances: Sequence[Utterance]
    golds: tuple[str | None, ...]
    """Any of them is right."""
    routes: RouteSet

    def right_for(self, predicted: str | None) -> str | None:
        return predicted if predicted in self.golds else self.golds[0]


@dataclass(frozen=True, slots=True)
class Told:
    """The outcomes of a file, with what its lines say of themselves."""

    outcomes: tuple[Outcome, ...]
    said: tuple[dict[str, str], ...]

    @property
    def accuracy(self) -> Accuracy:
        return accuracy(self.outcomes)

    def by(self, what: str) -> dict[str, list[list[bool]]]:
        """Right or not, by what the lines say under a name, and by conversation."""
        return self.where(lambda said: [said[what]])

    def where(self, names: Callable[[dict[str, str]], Iterable[str]]) -> dict[str, list[list[bool]]]:
        """Right or not, by each of the names that a line goes under, and by conversation."""
        found: dict[str, dict[str, list[bool]]] = {}
        for outcome, said in zip(self.outcomes, self.said, strict=True):
            for name in names(said):
                turns = found.setdefault(name, {}).setdefault(outcome.conversation, [])
                turns.append(outcome.gold == outcome.predicted)
        return {name: list(conversations.values()) for name, conversations in found.items()}


def dialogues(judge: Judge, lines: Iterable[tuple[Asked, dict[str, str]]]) -> Told:
    """Every turn judged, in order, as a gateway would see them come."""
    outcomes, said = [], []
    for asked, more in lines:
        began = time.perf_counter()
        verdict = judge(asked.utterances, asked.routes)
        took_ms = (time.perf_counter() - began) * 1e3
        predicted = given(verdict)
        outcomes.append(Outcome(asked.conversation, asked.right_for(predicted), predicted, took_ms))
        said.append(more)
    return Told(tuple(outcomes), tuple(said))


def read_lines(name: str, lines: IO[bytes], keys: Sequence[str]) -> Iterator[tuple[Asked, dict[str, str]]]:
    """Labelled lines, read as the gateway reads a request, and what they say under `keys`."""
    beside = io.BytesIO(lines.read())
    turns = LabelledFile(name, beside, RouteSet([]), partial(read, budget_tokens=READ_TOKENS)).turns()
    again = map(json.loads, beside.getvalue().splitlines())
    for turn, line in zip(turns, again, strict=True):
        asked = Asked(turn.conversation, turn.utterances, (turn.gold, *turn.also), turn.routes)
        yield asked, {key: line[key] for key in keys if key in line}


def one_turn(text: str) -> tuple[Utterance, ...]:
    return (Utterance("user", text),)


def given(verdict: Verdict) -> str | None:
    """The route; None also where the router could not tell, as in the gateway."""
    match verdict:
        case Matched(route, _, _):
            return route
        case NoneFits() | Unable():
            return None


def sure(router: EmbeddedRouter) -> Judge:
    """The embedded router, which is able or not installed."""

    def judge(conversation: Sequence[Utterance], routes: RouteSet) -> Verdict:
        verdict = router.judge(conversation, routes)
        if isinstance(verdict, Unable):
            raise SystemExit(verdict.because)
        return verdict

    return judge
