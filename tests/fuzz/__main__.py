"""Coverage-guided fuzzing, by hand: every target, or those that are named.

    python -m tests.fuzz [TARGET…] [--runs N | --seconds N] [--corpus FOLDER] [--keep] [--list]

`make fuzz` starts it with what it needs (requirements/fuzz.lock), which the suite does not: atheris.
Prints what became of each target; exit code 1 when one of them has failed.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.fuzz import corpus
from tests.fuzz.target import Target
from tests.fuzz.targets.every import EVERY

STOPPED = 72
"""How libFuzzer exits when it is interrupted."""
SLOWEST_S = 20
"""One run that takes longer has failed."""
_RUNS = re.compile(r"stat::number_of_executed_units:\s*(\d+)")
_RAISED = re.compile(r"Uncaught Python exception: ===\n(.*)")
_STARTS_AGAIN = '#!/bin/sh\nexec "{python}" -m tests.fuzz.guided "$0" {target} "$@"\n'


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one target."""

    target: str
    runs: int
    seconds: float
    new: int
    """Inputs that reach what nothing kept had reached."""
    failure: str
    """Empty, or where the input is that failed, and how."""

    def __str__(self) -> str:
        said = self.failure or "0 exceptions"
        return f"{self.target:18} {self.runs:9,} runs {self.seconds:6.0f} s {self.new:5} new inputs  {said}"


class Session:
    """One target's run, in folders of its own."""

    def __init__(self, target: Target, folder: Path) -> None:
        self._target = target
        self._folder = folder
        self._inputs = folder / "inputs"
        self._inputs.mkdir(parents=True, exist_ok=True)
        self._program = folder / "again"
        self._program.write_text(_STARTS_AGAIN.format(python=sys.executable, target=target.name), "utf-8")
        self._program.chmod(0o755)

    def run(self, *, runs: int | None, seconds: int | None) -> Outcome:
        """For so many runs, or so long."""
        before = corpus.read(self._target.name)
        for number, text in enumerate((*self._target.seeds, *before.all())):
            (self._inputs / f"kept-{number:04}").write_bytes(text)
        began = time.monotonic()
        limit = f"-max_total_time={seconds}" if seconds else f"-runs={runs or self._target.hand_runs}"
        told = self._guided(
            limit,
            f"-dict={self._dictionary()}",
            f"-max_len={self._target.longest}",
            f"-timeout={SLOWEST_S}",
            f"-artifact_prefix={self._folder}/",
            "-print_final_stats=1",
            str(self._inputs),
        )
        found = _RUNS.search(told.stderr)
        (self._folder / "log").write_text(told.stdout + told.stderr, "utf-8")
        new = sum(not each.name.startswith("kept-") for each in self._inputs.iterdir())
        took_s = time.monotonic() - began
        return Outcome(self._target.name, int(found[1]) if found else 0, took_s, new, self._failure(told))

    def keep(self) -> None:
        """Keep the fewest inputs that reach all that was reached."""
        merged = self._folder / "merged"
        merged.mkdir(exist_ok=True)
        self._guided("-merge=1", f"-max_len={self._target.longest}", str(merged), str(self._inputs))
        inputs = corpus.smallest(each.read_bytes() for each in merged.iterdir())
        failed = corpus.read(self._target.name).failed
        corpus.write(self._target.name, corpus.Corpus(inputs, failed))

    def _guided(self, *flags: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(self._program), *flags], capture_output=True, text=True, errors="replace", check=False
        )

    def _dictionary(self) -> Path:
        """Libfuzzer's own form: one word a line, quoted."""
        file = self._folder / "words"
        escaped = ("".join(f"\\x{byte:02x}" for byte in word) for word in self._target.words if word)
        file.write_text("".join(f'"{word}"\n' for word in escaped), "ascii")
        return file

    def _failure(self, told: subprocess.CompletedProcess[str]) -> str:
        if told.returncode in (0, STOPPED):
            return ""
        raised = _RAISED.search(told.stdout + told.stderr)
        inputs = [
            str(each) for kind in ("crash", "timeout", "oom") for each in self._folder.glob(f"{kind}-*")
        ]
        return f"FAILED: {raised[1] if raised else f'exit code {told.returncode}'} {' '.join(inputs)}"


def main(arguments: Sequence[str]) -> int:
    asked = _asked(arguments)
    if asked.list:
        print("\n".join(EVERY))
        return 0
    unknown = [name for name in asked.targets if name not in EVERY]
    if unknown:
        print(f"unknown: {', '.join(unknown)}; targets are {', '.join(EVERY)}", file=sys.stderr)
        return 2
    has_failed = False
    folder = asked.corpus or Path(tempfile.mkdtemp(prefix="fuzz-"))
    print(f"inputs and logs are in {folder}", flush=True)
    for name in asked.targets or EVERY:
        session = Session(EVERY[name], folder / name)
        outcome = session.run(runs=asked.runs, seconds=asked.seconds)
        print(outcome, flush=True)
        has_failed = has_failed or bool(outcome.failure)
        if asked.keep and not outcome.failure:
            session.keep()
    return int(has_failed)


def _asked(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        "python -m tests.fuzz", description=__doc__.partition("\n")[0] if __doc__ else ""
    )
    parser.add_argument("targets", nargs="*", metavar="TARGET")
    limit = parser.add_mutually_exclusive_group()
    limit.add_argument("--runs", type=int, help="of each target (as many as its own number says)")
    limit.add_argument("--seconds", type=int, help="for each target")
    parser.add_argument("--corpus", type=Path, help="where inputs are kept between runs (a new folder)")
    parser.add_argument("--keep", action="store_true", help="put what was found into tests/fuzz/corpora")
    parser.add_argument("--list", action="store_true", help="print the targets")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
