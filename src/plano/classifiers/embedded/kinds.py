"""What people bring to language models, as kinds of work: each in words, and in utterances that are
typical of it.

An encoder of this size matches an utterance to another utterance of its kind far better than to a
description of the kind ("what does the & mean here" and "explaining code" share no word). So a turn is
matched to sample utterances, and a route's words to the words of the kinds: where the two meet, the
route fits. Both were written for this (`tools/build_kinds/kinds.txt`); `make kinds` embeds them.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from plano.classifiers.embedded.vectors import Vectors

KINDS_FILE = Path(__file__).with_name("model") / "kinds.npz"

SMALL_TALK = "small talk"

SHARPNESS = 0.04
"""Of the softmax over kinds: a difference of so much makes one kind 2.7 times as likely as another."""


@dataclass(frozen=True, slots=True, eq=False)
class Kinds:
    """Unit vectors, all of one encoder."""

    names: tuple[str, ...]
    words: Vectors
    """Of `name: description`, one row a kind."""
    utterances: Vectors
    """Of all kinds' utterances, one kind's after the other's."""
    first_utterance: np.typing.NDArray[np.intp]
    """Where each kind's begin; each has at least one."""
    centres: Vectors
    """Of each kind's utterances."""
    ordinary: Vectors
    """The mean of all utterances: what any request at all is like."""

    @property
    def small_talk(self) -> int:
        """Which kind that is."""
        return self.names.index(SMALL_TALK)

    def likely(self, vector: Vectors) -> Vectors:
        """How likely each kind is for a text: by its nearest utterance and its centre, adding up to one."""
        nearest = np.maximum.reduceat(self.utterances @ vector, self.first_utterance)
        nearness = (nearest + self.centres @ vector) / 2
        return softmax(nearness / np.float32(SHARPNESS))


def softmax(logits: Vectors) -> Vectors:
    """Along the first axis."""
    raised = np.exp(logits - logits.max(axis=0))
    shares: Vectors = raised / raised.sum(axis=0)
    return shares


def kinds_of(
    names: tuple[str, ...], words: Vectors, utterances: Vectors, first_utterance: np.typing.NDArray[np.intp]
) -> Kinds:
    """The kinds, and what follows from them."""
    sums = np.add.reduceat(utterances, first_utterance)
    centres = sums / np.linalg.norm(sums, axis=1, keepdims=True)
    return Kinds(names, words, utterances, first_utterance, centres, utterances.mean(axis=0))


@cache
def shipped_kinds() -> Kinds:
    """Those that ship, by the encoder that ships. Raises OSError or ValueError for a broken file."""
    with np.load(KINDS_FILE, allow_pickle=False) as held:
        return kinds_of(
            tuple(held["names"].tolist()),
            held["words"].astype(np.float32),
            held["utterances"].astype(np.float32),
            held["first_utterance"].astype(np.intp),
        )
