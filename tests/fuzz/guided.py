"""One target under atheris, which lets coverage guide what is tried next.

    python -m tests.fuzz.guided PROGRAM TARGET [FLAG OF LIBFUZZER…]

Started by `tests.fuzz.__main__`. PROGRAM starts this again with whatever flags follow it: merging does so.
"""

from __future__ import annotations

import importlib
import sys
from random import Random
from typing import Any

from tests.fuzz.target import Target
from tests.fuzz.trees import keys_in, mutated


def main() -> None:
    program, name, *flags = sys.argv[1:]
    atheris: Any = importlib.import_module("atheris")
    with atheris.instrument_imports(include=["plano"]):
        # Only what is imported from here on is instrumented.
        target: Target = importlib.import_module("tests.fuzz.targets.every").EVERY[name]
    keys = keys_in(target.words)

    def mutate(data: bytes, longest: int, seed: int) -> bytes:
        chance = Random(seed)
        text = mutated(data, keys, chance) if chance.random() < 0.5 else None
        if text is None or len(text) > longest:
            text = bytes(atheris.Mutate(data, longest))
        return text

    more = {"custom_mutator": mutate} if target.holds_json else {}
    atheris.Setup([program, *flags], target.check, **more)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
