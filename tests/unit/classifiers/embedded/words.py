"""A fake encoder: texts are alike as far as they share words. Deterministic, and needs no model."""

from __future__ import annotations

from collections.abc import Sequence
from zlib import crc32

import numpy as np

from plano.classifiers.embedded.kinds import Kinds, kinds_of
from plano.classifiers.embedded.vectors import Vectors

DIMENSIONS = 384
"""The shipped one's, so that what is embedded by that can stand beside it."""


class Words:
    """A word is a direction; a text is the sum of its words."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        """Every text that was encoded, in order."""

    def encode(self, texts: Sequence[str], /) -> Vectors:
        self.seen += texts
        return np.stack([_vector(text) for text in texts])


def _vector(text: str) -> Vectors:
    vector = np.zeros(DIMENSIONS, np.float32)
    for word in "".join(letter if letter.isalnum() else " " for letter in text.lower()).split():
        vector[crc32(word.encode()) % DIMENSIONS] += 1.0
    length = float(np.linalg.norm(vector))
    return vector / length if length else vector


def kinds(told: dict[str, list[str]]) -> Kinds:
    """Kinds of work by `name: description`, each with its utterances."""
    words = Words()
    first = np.cumsum([0, *(len(each) for each in told.values())])[:-1]
    return kinds_of(
        tuple(name.partition(":")[0] for name in told),
        words.encode(list(told)),
        words.encode([utterance for each in told.values() for utterance in each]),
        first,
    )


KINDS = kinds(
    {
        "small talk: greetings thanks": ["hello there", "thanks a lot"],
        "debugging: program errors crashes": ["why is it broken", "stack trace attached"],
        "poetry: poems verses rhymes": ["four lines about spring", "an ode please"],
        "cooking: recipes meals": ["what goes with leeks", "how long in the oven"],
    }
)
