"""Texts in, unit vectors out: the sentence encoder that ships inside the package.

It knows nothing of routes. What its vectors mean for a decision is its neighbours' business;
what the model file is and how it was made, `tools/build_encoder.py` says.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy
    import numpy.typing
    import onnxruntime
    import tokenizers

    Vectors = numpy.typing.NDArray[numpy.float32]

DIMENSIONS = 384
MAX_TOKENS = 256
"""What the model was trained to read at most; with the two that mark start and end."""

MODEL_FOLDER = Path(__file__).with_name("model")


class Encoder:
    """A loaded model. One call at a time; any thread."""

    def __init__(self, session: onnxruntime.InferenceSession, tokenizer: tokenizers.Tokenizer) -> None:
        self._session = session
        self._tokenizer = tokenizer

    @classmethod
    def load(cls) -> Encoder:
        import onnxruntime  # noqa: PLC0415 - 40 MB and 0.2 s that only a gateway with routes pays
        import tokenizers  # noqa: PLC0415 - likewise

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        session = onnxruntime.InferenceSession(
            str(MODEL_FOLDER / "encoder.onnx"), options, providers=["CPUExecutionProvider"]
        )
        return cls(session, tokenizers.Tokenizer.from_file(str(MODEL_FOLDER / "tokenizer.json")))

    def encode(self, texts: Sequence[str]) -> Vectors:
        """One row a text, each of length one: float32 [len(texts), 384]."""
        import numpy  # noqa: PLC0415 - as in `load`

        rows = numpy.empty((len(texts), DIMENSIONS), numpy.float32)
        for row, text in enumerate(texts):
            clean = text[:8000].encode("utf-8", "replace").decode()
            ids = self._tokenizer.encode(clean).ids
            if len(ids) > MAX_TOKENS:
                ids = ids[: MAX_TOKENS * 6 // 10] + ids[-(MAX_TOKENS - MAX_TOKENS * 6 // 10) :]
            feed = numpy.array([ids], numpy.int64)
            (rows[row],) = self._session.run(
                None, {"input_ids": feed, "attention_mask": numpy.ones_like(feed)}
            )[0]
        return rows
