"""Embeds `kinds.txt` with the encoder that ships: `python -m tools.build_kinds [--check]`.

The file has a line `# name: description` for each kind of work, and an utterance that is typical of it on
each line below. To be done again when the file or the encoder changes; `--check` says whether it is due.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plano.classifiers.embedded.encoder import Encoder
from plano.classifiers.embedded.kinds import KINDS_FILE

KINDS_TEXT = Path(__file__).with_name("kinds.txt")
STALE_BELOW = 0.999
"""Two processors differ by less in the cosine of one vector."""


def kinds(text: str) -> dict[str, list[str]]:
    """`name: description` to utterances. Raises ValueError for what is not so."""
    found: dict[str, list[str]] = {}
    under: list[str] | None = None
    for number, line in enumerate(text.splitlines(), 1):
        if line.startswith("# "):
            under = found.setdefault(line[2:].strip(), [])
        elif line.strip():
            if under is None:
                raise ValueError(
                    f"kinds.txt:{number}: expected '# name: description' before the first utterance"
                )
            under.append(line.strip())
    empty = [kind for kind, utterances in found.items() if not utterances]
    if empty:
        raise ValueError(f"kinds.txt: no utterance for {empty[0]!r}")
    return found


def embedded(found: dict[str, list[str]], encoder: Encoder) -> dict[str, NDArray[Any]]:
    """What the file holds, by name. Sixteen bits are plenty for a cosine."""
    counts = [len(utterances) for utterances in found.values()]
    every = [utterance for utterances in found.values() for utterance in utterances]
    return {
        "names": np.array([kind.partition(":")[0] for kind in found]),
        "words": encoder.encode(list(found)).astype(np.float16),
        "utterances": encoder.encode(every).astype(np.float16),
        "first_utterance": np.cumsum([0, *counts[:-1]]).astype(np.int32),
    }


def agrees(made: dict[str, NDArray[Any]], file: Path) -> bool:
    """The file holds what would be made now."""
    with np.load(file, allow_pickle=False) as held:
        if any(made[name].shape != held[name].shape for name in made):
            return False
        if made["names"].tolist() != held["names"].tolist():
            return False
        cosines = [
            float((made[name].astype(np.float32) * held[name].astype(np.float32)).sum(axis=1).min())
            for name in ("words", "utterances")
        ]
        return min(cosines) >= STALE_BELOW


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.build_kinds", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 when it is out of date")
    arguments = parser.parse_args()
    made = embedded(kinds(KINDS_TEXT.read_text("utf-8")), Encoder.load())
    if not arguments.check:
        np.savez_compressed(KINDS_FILE, allow_pickle=False, **made)
    elif not agrees(made, KINDS_FILE):
        print(f"{KINDS_FILE} is out of date: run `make kinds`", file=sys.stderr)
        return 1
    print(f"{len(made['names'])} kinds of work, {len(made['utterances'])} utterances")
    return 0


if __name__ == "__main__":
    sys.exit(main())
