"""Texts in, unit vectors out: the sentence encoder that ships inside the package.

It knows nothing of routes. How the model file was made, `tools/build_encoder` says; why it is as it is,
docs/decisions/embedded-encoder.md. Importing this module costs nothing: the libraries behind it, which
take about 50 MB, are imported by `Encoder.load`, so that a gateway without routes never has them.
"""

from __future__ import annotations

import os
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
"""What the model was trained to read at most, with the two tokens that mark start and end."""

MAX_CHARACTERS = 4096
"""So much of a text is split into tokens. Ordinary text fills MAX_TOKENS with a third of it; a text of
32 MiB costs no more than this one."""

HEAD_TENTHS = 6
"""Of a text that is too long, so many tenths of the limit are its beginning and the rest is its end: what
is wanted stands in front of what was pasted, or after it."""

ELLIPSIS = " … "

MODEL_FOLDER = Path(__file__).with_name("model")
MODEL_FILE, TOKENIZER_FILE = "encoder.onnx", "tokenizer.json"

ONLY_ERRORS = 3
"""Of onnxruntime's log levels: its warnings are for those who build models."""

SILENCE = "ORT_DISABLE_TELEMETRY"
"""onnxruntime (1.32 does) keeps a database of events in the user's cache folder, and looks up Microsoft's
collector to send them to, unless the environment says this when it is imported: its function for the same
comes too late for the first ones."""


class EncoderUnavailable(Exception):
    """The model or a library that runs it is missing or broken. Says which, and what to do."""


class Encoder:
    """A loaded model. It may be called from any thread; it computes on the one that calls, without holding
    the interpreter's lock meanwhile."""

    def __init__(self, session: onnxruntime.InferenceSession, tokenizer: tokenizers.Tokenizer) -> None:
        self._session = session
        self._tokenizer = tokenizer

    @classmethod
    def load(cls, folder: Path = MODEL_FOLDER) -> Encoder:
        """Takes about 0.2 s the first time in a process. Raises EncoderUnavailable."""
        model, tokenizer = (_existing(folder / name) for name in (MODEL_FILE, TOKENIZER_FILE))
        try:
            return cls(_session(model), _tokenizer(tokenizer))
        except ImportError as error:
            raise EncoderUnavailable(
                f"the embedded router needs {error.name or 'a library'}, which cannot be imported ({error}); "
                f"it is one of Plano's dependencies: install Plano again"
            ) from error
        # Both libraries raise bare exceptions of their own making for a file that they cannot read.
        except Exception as error:
            raise EncoderUnavailable(
                f"the sentence encoder in {folder} cannot be read ({_one_line(error)}); expected the files "
                f"that ship with Plano: {_REMEDY}"
            ) from error

    def encode(self, texts: Sequence[str]) -> Vectors:
        """One row a text, each of length one: float32, [len(texts), DIMENSIONS].

        Any string will do. Equal texts have equal rows whatever stands beside them: texts go through the
        model one at a time, which on one thread is as fast as in batches.
        """
        import numpy  # noqa: PLC0415 - loaded since `load`; at the top it would be for all who import this

        vectors = numpy.empty((len(texts), DIMENSIONS), numpy.float32)
        for row, text in enumerate(texts):
            ids = numpy.array([self.tokens(text)], numpy.int64)
            feed = {"input_ids": ids, "attention_mask": numpy.ones_like(ids)}
            vectors[row] = self._session.run(None, feed)[0][0]
        return vectors

    def tokens(self, text: str) -> list[int]:
        """What of a text is read: the numbers of its tokens, start and end marks included; at least those
        two, at most MAX_TOKENS."""
        if len(text) > MAX_CHARACTERS:
            head, tail = _ends(MAX_CHARACTERS)
            text = text[:head] + ELLIPSIS + text[-tail:]
        # A lone surrogate, which JSON may hold and UTF-8 may not, becomes a question mark.
        text = text.encode("utf-8", "replace").decode("utf-8")
        ids: list[int] = self._tokenizer.encode(text).ids
        if len(ids) > MAX_TOKENS:
            head, tail = _ends(MAX_TOKENS)
            ids = ids[:head] + ids[-tail:]
        return ids


def _ends(limit: int) -> tuple[int, int]:
    """How many of `limit` are taken from the beginning, and how many from the end."""
    head = limit * HEAD_TENTHS // 10
    return head, limit - head


def _session(model: Path) -> onnxruntime.InferenceSession:
    os.environ.setdefault(SILENCE, "1")
    import onnxruntime  # noqa: PLC0415 - 20 MB and 40 ms, for those alone who use it

    onnxruntime.disable_telemetry_events()
    options = onnxruntime.SessionOptions()
    options.log_severity_level = ONLY_ERRORS
    # One decision, one thread: the gateway's workers are the parallelism.
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    # The graph is written in fused steps. Rewriting it gains nothing measurable, and differs by release.
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    return onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])


def _tokenizer(file: Path) -> tokenizers.Tokenizer:
    import tokenizers  # noqa: PLC0415 - 13 MB with its vocabulary, likewise

    return tokenizers.Tokenizer.from_file(str(file))


_REMEDY = "install Plano again, or in a checkout run `make encoder`"


def _existing(file: Path) -> Path:
    if not file.is_file():
        raise EncoderUnavailable(f"{file} is missing; it ships with Plano: {_REMEDY}")
    return file


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
