"""The original model in sixty-four-bit floats and plain numpy: what the shipped file is held against.

Written from the published architecture (BERT: Devlin et al., 2018; sentence vectors by averaging:
Reimers and Gurevych, 2019), not from the graph that it checks.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tools.build_encoder.source import Weights

LAYERS, HEADS, WIDTH = 6, 12, 384
EPSILON = 1e-12

Floats = NDArray[np.float64]
Peaks = dict[str, Floats]
"""By the step that reads it, `<layer>.<step>`: the largest magnitude that each input ever had."""

_erf = np.vectorize(math.erf, otypes=[np.float64])


class Reference:
    def __init__(self, weights: Weights) -> None:
        self._weights = {name: tensor.astype(np.float64) for name, tensor in weights.items()}
        self.peaks: Peaks = {}

    def embed(self, ids: Sequence[int]) -> Floats:
        """The unit vector of one text, given as token numbers with those that mark start and end."""
        hidden = self._embedded(ids)
        for layer in range(LAYERS):
            hidden = self._layer(layer, hidden)
        mean: Floats = hidden.mean(axis=0)
        return mean / np.linalg.norm(mean)

    def _embedded(self, ids: Sequence[int]) -> Floats:
        words = self._weights["embeddings.word_embeddings.weight"][list(ids)]
        positions = self._weights["embeddings.position_embeddings.weight"][: len(ids)]
        kind = self._weights["embeddings.token_type_embeddings.weight"][0]
        return self._normalised("embeddings.LayerNorm", words + positions + kind)

    def _layer(self, layer: int, hidden: Floats) -> Floats:
        prefix = f"encoder.layer.{layer}."
        self._note(f"{layer}.attend", hidden)
        query, key, value = (
            self._heads(self._linear(f"{prefix}attention.self.{part}", hidden))
            for part in ("query", "key", "value")
        )
        scores = query @ key.swapaxes(1, 2) / math.sqrt(WIDTH / HEADS)
        weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
        weights /= weights.sum(axis=-1, keepdims=True)
        context = (weights @ value).swapaxes(0, 1).reshape(hidden.shape)
        self._note(f"{layer}.merge", context)
        merged = self._linear(f"{prefix}attention.output.dense", context)
        hidden = self._normalised(f"{prefix}attention.output.LayerNorm", merged + hidden)
        self._note(f"{layer}.widen", hidden)
        wide = self._linear(f"{prefix}intermediate.dense", hidden)
        wide = wide * 0.5 * (1 + _erf(wide / math.sqrt(2)))
        narrow = self._linear(f"{prefix}output.dense", wide)
        return self._normalised(f"{prefix}output.LayerNorm", narrow + hidden)

    def _heads(self, values: Floats) -> Floats:
        return values.reshape(len(values), HEADS, WIDTH // HEADS).swapaxes(0, 1)

    def _linear(self, name: str, values: Floats) -> Floats:
        return values @ self._weights[f"{name}.weight"].T + self._weights[f"{name}.bias"]

    def _normalised(self, name: str, values: Floats) -> Floats:
        centred = values - values.mean(axis=-1, keepdims=True)
        spread = np.sqrt((centred**2).mean(axis=-1, keepdims=True) + EPSILON)
        normalised: Floats = centred / spread
        return normalised * self._weights[f"{name}.weight"] + self._weights[f"{name}.bias"]

    def _note(self, step: str, values: Floats) -> None:
        peak = np.abs(values).max(axis=0)
        self.peaks[step] = np.maximum(self.peaks.get(step, peak), peak)
