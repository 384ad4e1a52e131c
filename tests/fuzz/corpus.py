"""The inputs that are kept: one file a target, one input a line, readable where the input is text.

A line is a JSON string whose characters stand for bytes; or, for an input that once failed, a list of its
name and that string. Whoever repairs a defect names the input here.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

FOLDER = Path(__file__).parent / "corpora"
MOST_BYTES = 12 * 1024
"""Of one target's inputs that have no name, the smallest first: the suite replays them all in seconds."""


@dataclass(frozen=True, slots=True)
class Corpus:
    """What one target has been given before."""

    inputs: tuple[bytes, ...] = ()
    """Those that between them reach all that was ever reached, as far as they are small."""
    failed: Mapping[str, bytes] = field(default_factory=dict)
    """Those that once failed, by name."""

    def all(self) -> tuple[bytes, ...]:
        return (*self.failed.values(), *self.inputs)


def read(target: str, folder: Path = FOLDER) -> Corpus:
    """What is kept for a target; nothing at first."""
    file = folder / f"{target}.jsonl"
    lines = [json.loads(line) for line in file.read_text("ascii").splitlines()] if file.exists() else []
    return Corpus(
        tuple(line.encode("latin-1") for line in lines if isinstance(line, str)),
        {line[0]: line[1].encode("latin-1") for line in lines if isinstance(line, list)},
    )


def write(target: str, corpus: Corpus, folder: Path = FOLDER) -> None:
    folder.mkdir(exist_ok=True)
    named = [[name, text.decode("latin-1")] for name, text in sorted(corpus.failed.items())]
    lines = [json.dumps(line) for line in (*named, *(text.decode("latin-1") for text in corpus.inputs))]
    (folder / f"{target}.jsonl").write_text("".join(f"{line}\n" for line in lines), "ascii")


def smallest(inputs: Iterable[bytes], most_bytes: int = MOST_BYTES) -> tuple[bytes, ...]:
    """As many as fit, the smallest first, in an order that does not change when nothing else does."""
    kept: list[bytes] = []
    for text in sorted(set(inputs), key=lambda each: (len(each), each)):
        most_bytes -= len(text)
        if most_bytes < 0:
            break
        kept.append(text)
    return tuple(kept)
