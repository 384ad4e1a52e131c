"""Conversations and routes in, verdicts out, on whichever thread asks; and the memories that make
what was seen before free.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from threading import Lock
from typing import Protocol

import numpy as np

from plano.classifiers.embedded.history import TURNS_READ, likeness
from plano.classifiers.embedded.judgement import verdict_of
from plano.classifiers.embedded.profile import Profile, Vectors, profile_of
from plano.classifiers.embedded.reading import excerpt
from plano.classifiers.embedded.recent import Recent
from plano.routing.route_set import RouteSet
from plano.routing.utterance import Utterance
from plano.routing.verdict import Unable, Verdict

MIB = 1024 * 1024
MOST_VECTORS = 4096
MOST_VECTOR_BYTES = 12 * MIB
"""1.5 KiB a vector, and the text it is of."""
MOST_PROFILES = 256
MOST_PROFILE_BYTES = 16 * MIB
"""Twelve routes take about 80 KB; requests may bring routes of their own."""
MOST_VERDICTS = 8192
MOST_VERDICT_BYTES = 4 * MIB
VERDICT_BYTES = 400


class Encodes(Protocol):
    """What is needed of an encoder. Asked by one thread at a time."""

    def encode(self, texts: Sequence[str], /) -> Vectors:
        """One unit row a text."""


class Dropped(Exception):
    """Nobody wants the answer any more."""


@dataclass(frozen=True, slots=True)
class Question:
    """What a verdict depends on."""

    turns: tuple[str, ...]
    """What is read of the user's turns, oldest first, the latest at the end."""
    routes: RouteSet
    key: bytes
    """Equal for equal questions."""


def question_of(conversation: Sequence[Utterance], routes: RouteSet) -> Question:
    """The question that `conversation`, which ends with the user's utterance, asks of `routes`."""
    said = [utterance.text for utterance in conversation if utterance.speaker == "user"][-TURNS_READ:]
    turns = tuple(map(excerpt, said))
    digest = blake2b(routes.key, digest_size=16)
    for turn in turns:
        encoded = turn.encode("utf-8", "surrogatepass")
        digest.update(b"%d:" % len(encoded))
        digest.update(encoded)
    return Question(turns, routes, digest.digest())


class Judge:
    """One encoder, loaded when it is first needed, and what it has been asked. Any thread."""

    def __init__(self, load: Callable[[], Encodes], threshold: float) -> None:
        self.threshold = threshold
        self._load = load
        self._encoder: Encodes | None = None
        self._failed: Unable | None = None
        self._encoding = Lock()
        self._vectors: Recent[str, Vectors] = Recent(MOST_VECTORS, MOST_VECTOR_BYTES)
        self._profiles: Recent[bytes, Profile] = Recent(MOST_PROFILES, MOST_PROFILE_BYTES)
        self._verdicts: Recent[bytes, Verdict] = Recent(MOST_VERDICTS, MOST_VERDICT_BYTES)

    def recalled(self, question: Question) -> Verdict | None:
        """The verdict on an equal question, if it is remembered; takes microseconds."""
        return self._verdicts.get(question.key)

    def verdict(self, question: Question, wanted: Callable[[], bool] = lambda: True) -> Verdict:
        """The verdict; `Unable` where there is no encoder. Raises `Dropped` once not `wanted`."""
        encoder = self._loaded()
        if isinstance(encoder, Unable):
            return encoder
        reader = _Reader(encoder, self._encoding, self._vectors, wanted)
        profile = self._profile(question.routes, reader)
        vectors = reader.encode(question.turns)
        near = likeness(list(zip(question.turns, vectors, strict=True)), profile)
        verdict = verdict_of(near, profile, self.threshold)
        self._verdicts.put(question.key, verdict, VERDICT_BYTES)
        return verdict

    def warm(self, routes: RouteSet | None, wanted: Callable[[], bool] = lambda: True) -> None:
        """Load the encoder and read `routes`, so that the first question need not."""
        encoder = self._loaded()
        if routes and not isinstance(encoder, Unable):
            self._profile(routes, _Reader(encoder, self._encoding, self._vectors, wanted))

    def _loaded(self) -> Encodes | Unable:
        with self._encoding:
            if self._failed is not None:
                return self._failed
            if self._encoder is None:
                try:
                    self._encoder = self._load()
                except Exception as trouble:  # noqa: BLE001 - a broken installation costs routing, not requests
                    self._failed = Unable(f"the embedded encoder cannot be loaded: {_told(trouble)}")
                    return self._failed
            return self._encoder

    def _profile(self, routes: RouteSet, reader: _Reader) -> Profile:
        profile = self._profiles.get(routes.key)
        if profile is None:
            profile = profile_of(routes.routes, reader.encode)
            self._profiles.put(routes.key, profile, profile.size)
        return profile


class _Reader:
    """The encoder behind the memory of vectors, one text at a time: between two, others get their turn
    and an answer that nobody wants is dropped."""

    def __init__(
        self, encoder: Encodes, encoding: Lock, vectors: Recent[str, Vectors], wanted: Callable[[], bool]
    ) -> None:
        self._encoder = encoder
        self._encoding = encoding
        self._vectors = vectors
        self._wanted = wanted

    def encode(self, texts: Sequence[str]) -> Vectors:
        return np.stack([self._vector(text) for text in texts])

    def _vector(self, text: str) -> Vectors:
        known = self._vectors.get(text)
        if known is not None:
            return known
        if not self._wanted():
            raise Dropped
        with self._encoding:
            vector: Vectors = self._encoder.encode([text])[0].copy()
        self._vectors.put(text, vector, vector.nbytes + 2 * len(text) + 200)
        return vector


def _told(trouble: Exception) -> str:
    return f"{type(trouble).__name__}: {trouble}"[:200]
