"""How varied texts are: measures that tell a few templates from many people, for the corpus and for
sets of other origin beside it.

All are of a sample of equal size, since most of them depend on it.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tools.corpus.checking import words

SAMPLED = 1_500
SEED = 11
WORDS_COUNTED = 15_000
"""Different words are counted among so many: twice the text has not twice the words."""
OPENING_WORDS = 2
COMMONEST_OPENINGS = 10

Encode = Callable[[Sequence[str]], npt.NDArray[np.float32]]


@dataclass(frozen=True, slots=True)
class Diversity:
    turns: int
    """All there are; the rest is of a sample."""
    lengths: tuple[int, int, int, int]
    """In words: a tenth, a half, nine tenths, all are below."""
    different_words: int
    """Among the first `WORDS_COUNTED`, in an order of chance."""
    distinct_2: float
    distinct_3: float
    """Of all runs of two and three words, the share that are different."""
    openings: float
    """The share of turns that begin with one of the ten commonest pairs of words."""
    overlap: float
    """The mean, over turns, of the largest share of its runs of three words that another turn has too."""
    similarity: float
    """The mean cosine of two turns, by the untrained encoder."""
    nearest: float
    """The mean cosine of a turn with the one nearest to it."""


def diversity(texts: Sequence[str], encode: Encode) -> Diversity:
    """Of at least two texts."""
    lengths = sorted(len(text.split()) for text in texts)
    chance = random.Random(SEED)  # noqa: S311 - a sample that is the same every time
    sample = chance.sample(list(texts), min(SAMPLED, len(texts)))
    split = [words(text) for text in sample]
    heard = [word for each in split for word in each][:WORDS_COUNTED]
    openings = Counter(" ".join(each[:OPENING_WORDS]) for each in split if each)
    commonest = sum(count for _, count in openings.most_common(COMMONEST_OPENINGS))
    vectors = encode(sample)
    cosines = vectors @ vectors.T
    np.fill_diagonal(cosines, np.nan)
    return Diversity(
        turns=len(texts),
        lengths=(_quantile(lengths, 0.1), _quantile(lengths, 0.5), _quantile(lengths, 0.9), lengths[-1]),
        different_words=len(set(heard)),
        distinct_2=_distinct(split, 2),
        distinct_3=_distinct(split, 3),
        openings=commonest / len(sample),
        overlap=_overlap(split),
        similarity=float(np.nanmean(cosines)),
        nearest=float(np.nanmax(cosines, axis=1).mean()),
    )


def _quantile(ordered: Sequence[int], share: float) -> int:
    return ordered[int(share * (len(ordered) - 1))]


def _runs(said: Sequence[str], length: int) -> list[tuple[str, ...]]:
    return list(zip(*(said[start:] for start in range(length)), strict=False))


def _distinct(split: Sequence[Sequence[str]], length: int) -> float:
    runs = [run for each in split for run in _runs(each, length)]
    return len(set(runs)) / max(1, len(runs))


def _overlap(split: Sequence[Sequence[str]]) -> float:
    """Where a text has no run of three words, it is left out."""
    held = [frozenset(_runs(each, 3)) for each in split]
    holders: dict[tuple[str, ...], list[int]] = {}
    for place, runs in enumerate(held):
        for run in runs:
            holders.setdefault(run, []).append(place)
    shares = []
    for place, runs in enumerate(held):
        if runs:
            shared = Counter(other for run in runs for other in holders[run] if other != place)
            shares.append(max(shared.values(), default=0) / len(runs))
    return sum(shares) / max(1, len(shares))
