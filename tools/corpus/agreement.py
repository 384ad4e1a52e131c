"""How far two independent labellings of the same turns agree.

Beside the plain share: Cohen's kappa (J. Cohen, "A coefficient of agreement for nominal scales", 1960),
with what chance would give taken set by set, since each set has labels of its own.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from tools.corpus.held import Gold, Turn


@dataclass(frozen=True, slots=True)
class Agreement:
    turns: int
    share: float
    """Turns on which the second says one of what the first holds for right."""
    kappa: float
    by_kind: dict[str, tuple[int, float]]
    """Turns and share, by the kind of route set."""


def agreement(labelled: Sequence[tuple[Turn, Gold, str | None]]) -> Agreement:
    """Of at least one turn, each with its first gold and what the second labelling says."""
    agreed = [second in first for _, first, second in labelled]
    kinds: dict[str, list[bool]] = defaultdict(list)
    for (turn, _, _), agrees in zip(labelled, agreed, strict=True):
        kinds[turn.of.header.kind].append(agrees)
    share = sum(agreed) / len(agreed)
    chance = _by_chance(labelled)
    return Agreement(
        len(agreed),
        share,
        (share - chance) / (1 - chance),
        {kind: (len(each), sum(each) / len(each)) for kind, each in sorted(kinds.items())},
    )


def _by_chance(labelled: Sequence[tuple[Turn, Gold, str | None]]) -> float:
    sets: dict[str, list[tuple[Gold, str | None]]] = defaultdict(list)
    for turn, first, second in labelled:
        sets[turn.of.name].append((first, second))
    expected = 0.0
    for pairs in sets.values():
        seconds = Counter(second for _, second in pairs)
        expected += sum(seconds[gold] / len(pairs) for first, _ in pairs for gold in set(first))
    return expected / len(labelled)
