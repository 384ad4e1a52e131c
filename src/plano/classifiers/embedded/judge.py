"""Answers questions on whichever thread asks, and remembers the vectors and profiles it has made."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from threading import Lock
from typing import Protocol

import numpy as np

from plano.classifiers.embedded.history import Turn
from plano.classifiers.embedded.judgement import judged
from plano.classifiers.embedded.kinds import Kinds, shipped_kinds
from plano.classifiers.embedded.profile import Profile, profile_of
from plano.classifiers.embedded.question import Question
from plano.classifiers.embedded.recent import Recent
from plano.classifiers.embedded.vectors import Vectors
from plano.routing.route_set import RouteSet
from plano.routing.verdict import Unable, Verdict

MIB = 1024 * 1024
MOST_VECTORS = 3072
MOST_VECTOR_BYTES = 6 * MIB
"""1.5 KiB a vector, and the text it is of."""
MOST_PROFILES = 128
MOST_PROFILE_BYTES = 12 * MIB
"""Twelve routes take about 100 KB; requests may bring routes of their own."""


class Encodes(Protocol):
    """What is needed of an encoder. Any thread may ask."""

    def encode(self, texts: Sequence[str], /) -> Vectors:
        """One unit row a text."""


class Dropped(Exception):
    """Nobody wants the answer any more."""


def _always() -> bool:
    return True


class Judge:
    """One encoder, loaded when it is first needed. Any thread."""

    def __init__(
        self,
        load: Callable[[], Encodes],
        threshold: float,
        load_kinds: Callable[[], Kinds] = shipped_kinds,
    ) -> None:
        self._threshold = threshold
        self._load = load
        self._load_kinds = load_kinds
        self._loaded: tuple[Encodes, Kinds] | Unable | None = None
        self._loading = Lock()
        self._vectors: Recent[str, Vectors] = Recent(MOST_VECTORS, MOST_VECTOR_BYTES)
        self._profiles: Recent[bytes, Profile] = Recent(MOST_PROFILES, MOST_PROFILE_BYTES)

    def verdict(self, question: Question, wanted: Callable[[], bool] = _always) -> Verdict:
        """The verdict; `Unable` where there is no encoder. Raises `Dropped` once not `wanted`."""
        loaded = self._ready()
        if isinstance(loaded, Unable):
            return loaded
        encoder, kinds = loaded
        encode = _Reader(encoder, self._vectors, wanted).encode
        profile = self._profile(question.routes, kinds, encode)
        turns = [
            Turn(heard, encode([heard.text])[0], encode([heard.question])[0] if heard.question else None)
            for heard in question.turns
        ]
        return judged(turns, profile, self._threshold)

    def warm(self, routes: RouteSet | None, wanted: Callable[[], bool] = _always) -> None:
        """Load the encoder and read `routes`, so that the first question need not."""
        loaded = self._ready()
        if not isinstance(loaded, Unable):
            encoder, kinds = loaded
            reader = _Reader(encoder, self._vectors, wanted)
            # The first text of a process costs more than the next.
            reader.encode(["hello"])
            if routes:
                self._profile(routes, kinds, reader.encode)

    def _ready(self) -> tuple[Encodes, Kinds] | Unable:
        with self._loading:
            if self._loaded is None:
                try:
                    self._loaded = (self._load(), self._load_kinds())
                # Whatever a broken installation raises costs routing, not requests.
                except Exception as trouble:  # noqa: BLE001 - said above
                    told = f"{type(trouble).__name__}: {trouble}"
                    self._loaded = Unable(
                        f"the embedded router cannot be loaded: {' '.join(told.split())[:300]}"
                    )
            return self._loaded

    def _profile(self, routes: RouteSet, kinds: Kinds, encode: Callable[[Sequence[str]], Vectors]) -> Profile:
        profile = self._profiles.get(routes.key)
        if profile is None:
            profile = profile_of(routes.routes, encode, kinds)
            self._profiles.put(routes.key, profile, profile.size)
        return profile


class _Reader:
    """The encoder behind the memory of vectors. One text at a time: an answer that nobody wants any more
    is dropped between two."""

    def __init__(self, encoder: Encodes, vectors: Recent[str, Vectors], wanted: Callable[[], bool]) -> None:
        self._encoder = encoder
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
        vector: Vectors = self._encoder.encode([text])[0].copy()
        self._vectors.put(text, vector, vector.nbytes + 2 * len(text) + 200)
        return vector
