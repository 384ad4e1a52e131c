"""One target under atheris, which lets coverage guide what is tried next.

    python -m tests.fuzz.guided PROGRAM TARGET [FLAG OF LIBFUZZER…]

Started by `tests.fuzz.__main__`. PROGRAM starts this again with whatever flags follow it: merging does so.
"""

from __future__ import annotations

import importlib
import sys
from typing import Any


def main() -> None:
    program, name, *flags = sys.argv[1:]
    atheris: Any = importlib.import_module("atheris")
    with atheris.instrument_imports(include=["plano"]):
        # Only what is imported from here on is instrumented.
        every = importlib.import_module("tests.fuzz.targets.every").EVERY
    atheris.Setup([program, *flags], every[name].check)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
