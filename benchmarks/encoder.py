"""What the sentence encoder takes: time for a text, time to load, memory in a worker.

    python -m benchmarks.encoder [--rounds N]

One thread, one process, tokenising included; loading is measured in fresh processes. Nothing else
should run meanwhile; on a shared machine the least of the times is nearest to the truth.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import time
from statistics import median, quantiles

from plano.classifiers.embedded.encoder import MAX_TOKENS, Encoder

STARTS = 5

WORDS = """\
ask answer code table contract river music doctor train window letter budget garden server picture winter
market number teacher kitchen report island engine lawyer coffee bridge energy salary ticket flower signal"""
"""Each is one token of the vocabulary."""

LOADING = """
import json, time
import plano.classifiers.embedded.encoder as subject

def memory():
    with open("/proc/self/smaps_rollup") as rollup:
        fields = dict(line.split(":") for line in list(rollup)[1:])
    return int(fields["Rss"].split()[0]) / 1024

before, started = memory(), time.perf_counter()
encoder = subject.Encoder.load()
loaded = time.perf_counter()
encoder.encode(["What is the capital of Australia?"])
answered, first = time.perf_counter(), memory()
for count in range(8, 300, 20):
    encoder.encode(["word " * count])
print(json.dumps({
    "load": 1000 * (loaded - started), "first": 1000 * (answered - loaded),
    "rss": first - before, "rss_used": memory() - before,
}))
"""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.encoder", description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=200, help="texts of each length (default: 200)")
    rounds = parser.parse_args().rounds

    encoder = Encoder.load()
    chance = random.Random(1)
    print(f"{'text':<34} {'least':>9} {'half':>9} {'9 of 10':>9}")
    for count in (15, 128, MAX_TOKENS - 2):
        took = sorted(times_ms(encoder, [text(chance, count) for _ in range(rounds)]))
        print(row(f"{count} new tokens", took))
    huge = text(chance, 30) * 100_000
    took = sorted(times_ms(encoder, [huge] * 20))
    print(row(f"{len(huge) / 2**20:.0f} MiB, read at both ends", took))

    starts = [loading() for _ in range(STARTS)]
    print(f"\n{'in a fresh process':<34} {'half':>9}")
    for name, label, unit in (
        ("load", "libraries and model loaded", "ms"),
        ("first", "first text", "ms"),
        ("rss", "memory added then", "MiB"),
        ("rss_used", "memory added, long texts seen", "MiB"),
    ):
        print(f"{label:<34} {median(start[name] for start in starts):>9.1f} {unit}")


def text(chance: random.Random, count: int) -> str:
    return " ".join(chance.choices(WORDS.split(), k=count)) + " "


def times_ms(encoder: Encoder, texts: list[str]) -> list[float]:
    """For each text by itself, tokenising included; the first is for warming up and is left out."""
    took = []
    for each in texts:
        started = time.perf_counter()
        encoder.encode([each])
        took.append((time.perf_counter() - started) * 1000)
    return took[1:]


def row(label: str, took: list[float]) -> str:
    return f"{label:<34} {took[0]:>6.2f} ms {median(took):>6.2f} ms {quantiles(took, n=10)[-1]:>6.2f} ms"


def loading() -> dict[str, float]:
    """Milliseconds and mebibytes, measured inside a process that does nothing else."""
    done = subprocess.run([sys.executable, "-c", LOADING], check=True, capture_output=True, text=True)
    figures: dict[str, float] = json.loads(done.stdout)
    return figures


if __name__ == "__main__":
    main()
