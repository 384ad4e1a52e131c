"""The project's own corpus: a split of it, turn by turn, and the same turns changed."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Iterator, Sequence

from benchmarks.routing.changes import Change, Line, changed, changes
from benchmarks.routing.measuring import Asked, Judge, Row, Told, dialogues, read_lines
from plano.evaluation.accuracy import clustered
from tools.corpus.held import RouteSet, Split, read_split

FLOORS = {"turns": 0.90, "spans": 0.87, "conversations": 0.75, "task-types": 0.85, "all": 0.88}
MOST_LOST = {"typos": 0.03, "paraphrase": 0.03, "renamed routes": 0.03, "reordered routes": 0.0}
QUICK_SETS = 6
BESIDE = ("set", "kind", "style", "turn")


def measured(judge: Judge, split: Split, *, quick: bool) -> Iterator[Row]:
    """Every row, each as soon as it is known."""
    sets = read_split(split)
    if not sets:
        raise SystemExit(f"corpus/{split}: expected route sets; found none")
    shown = sets[:QUICK_SETS] if quick else sets
    lines = list(lines_of(shown))
    told = dialogues(judge, asked(lines))
    yield from _rows(told)
    for name, change in changes(sets).items():
        yield _changed(judge, told, lines, name, change)


def lines_of(sets: Sequence[RouteSet]) -> Iterator[Line]:
    """As `plano eval` reads them, with what tells them apart."""
    for held in sets:
        for turn in held.turns():
            yield turn.line() | {"turn": turn.id, "kind": held.header.kind}


def asked(lines: Iterable[Line]) -> Iterator[tuple[Asked, dict[str, str]]]:
    document = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
    return read_lines("corpus", io.BytesIO(document.encode()), BESIDE)


def _rows(told: Told) -> Iterator[Row]:
    whole = told.accuracy
    inside = [[each.gold == each.predicted] for each in told.outcomes if each.gold is not None]
    outside = [[each.gold == each.predicted] for each in told.outcomes if each.gold is None]
    yield Row("turns, in and out of scope", whole.turns, FLOORS["all"])
    yield Row("  turns with a route", clustered(inside), FLOORS["turns"])
    yield Row("  turns without one", clustered(outside))
    yield Row("spans", whole.spans, FLOORS["spans"])
    yield Row("conversations", whole.conversations, FLOORS["conversations"])
    for kind, right in sorted(told.by("kind").items()):
        yield Row(f"  sets of {kind}", clustered(right), FLOORS.get(kind))
    tags = told.where(lambda said: dict.fromkeys(_tag(tag) for tag in said["style"].split()))
    for tag, right in sorted(tags.items(), key=lambda each: -sum(map(len, each[1]))):
        yield Row(f"  conversations with {tag}", clustered(right))


def _tag(tag: str) -> str:
    return "another language" if tag.startswith("lang:") else tag


def _changed(judge: Judge, told: Told, lines: Sequence[Line], name: str, change: Change) -> Row:
    before = {
        said["turn"]: each.gold == each.predicted for each, said in zip(told.outcomes, told.said, strict=True)
    }
    pairs = list(changed(lines, change))
    after = dialogues(judge, asked(line for _, line in pairs))
    right = clustered([[each.gold == each.predicted] for each in after.outcomes])
    unchanged = sum(before[line["turn"]] for line, _ in pairs) / max(1, len(pairs))
    return Row(name, right, lost=unchanged - right.accuracy, most_lost=MOST_LOST.get(name))
