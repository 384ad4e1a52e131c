"""The shipped model, loaded once, and the class that runs it."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from plano.classifiers.embedded.encoder import (
    DIMENSIONS,
    MAX_CHARACTERS,
    MAX_TOKENS,
    MODEL_FOLDER,
    SILENCE,
    Encoder,
    EncoderUnavailable,
)

START, END = 101, 102

ODD = [
    pytest.param("", id="nothing"),
    pytest.param(" \t\r\n", id="only space"),
    pytest.param("\0", id="a null character"),
    pytest.param("a\ud800b\udfff", id="lone surrogates"),
    pytest.param("a" * 1_000_000, id="a million of one letter"),
    pytest.param("a " * 500_000, id="a million characters in words of one"),
    pytest.param("e\u0301\u0301\u0301" * 2_000, id="stacked accents"),
    pytest.param("\u200b\u202e\ufeff\x1b[0m", id="invisible characters"),
    pytest.param("👩‍👩‍👧‍👦🏳️‍🌈", id="joined emoji"),
    pytest.param("العربية עברית हिन्दी ไทย 日本語 한국어 ქართული ᚠᛇᚻ", id="scripts"),
    pytest.param("\U0010ffff\ue000\uffff", id="unassigned and private"),
    pytest.param("[CLS] [SEP] [PAD] [MASK] [UNK]", id="the names of marks"),
]

PARAPHRASES = [
    ("How do I sort a list in Python?", "ordering the elements of a python list", "what to wear in the rain"),
    ("My head hurts and I feel sick.", "headache together with nausea", "renew my passport"),
    ("Write a poem about autumn.", "compose verses on falling leaves", "fix the failing build"),
    ("Is this clause enforceable?", "legal validity of a contract term", "boil the potatoes"),
    ("Book me a flight to Lisbon.", "I need plane tickets to Portugal", "explain this stack trace"),
]


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return Encoder.load()


def test_every_row_has_length_one(encoder: Encoder) -> None:
    """Whoever compares rows takes the inner product for the cosine."""
    vectors = encoder.encode([text for texts in PARAPHRASES for text in texts])

    assert (vectors.shape, vectors.dtype) == ((15, DIMENSIONS), np.dtype(np.float32))
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


def test_no_texts_give_no_rows(encoder: Encoder) -> None:
    """A route without examples is nobody's special case."""
    assert encoder.encode([]).shape == (0, DIMENSIONS)


def test_equal_texts_have_equal_rows_whatever_stands_beside_them(encoder: Encoder) -> None:
    """Vectors are remembered by their text; the batch that a text came in must not matter, to the bit."""
    text = "Explain what this function does."
    beside = encoder.encode([text, "yes", "a much longer neighbour " * 40, text])

    alone = encoder.encode([text])

    assert (beside[0].tobytes(), beside[3].tobytes()) == (alone[0].tobytes(), alone[0].tobytes())


@pytest.mark.parametrize(("text", "paraphrase", "stranger"), PARAPHRASES)
def test_a_paraphrase_is_nearer_than_a_stranger(
    encoder: Encoder, text: str, paraphrase: str, stranger: str
) -> None:
    """The one thing that the model is for; a wrong weight or a swapped token would show here."""
    this, near, far = encoder.encode([text, paraphrase, stranger])

    assert float(this @ near) > float(this @ far) + 0.2


@pytest.mark.parametrize("text", ODD)
def test_any_string_has_a_vector(encoder: Encoder, text: str) -> None:
    """Texts are written by strangers; none may fail a decision."""
    (vector,) = encoder.encode([text])

    assert float(np.linalg.norm(vector)) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("text", ODD)
def test_what_is_read_of_a_text_is_bounded_and_marked(encoder: Encoder, text: str) -> None:
    """The time for a decision follows from it."""
    ids = encoder.tokens(text)

    assert (ids[0], ids[-1], 2 <= len(ids) <= MAX_TOKENS) == (START, END, True)


def test_a_long_text_is_read_at_both_ends(encoder: Encoder) -> None:
    """The question stands before what was pasted, or after it."""
    pasted = "lorem ipsum " * 100_000
    ids = encoder.tokens(f"Summarise this contract. {pasted} Keep it under ten words.")

    head, tail = encoder.tokens("Summarise this contract."), encoder.tokens("Keep it under ten words.")
    assert (ids[: len(head) - 1], ids[-len(tail) + 1 :], len(ids)) == (head[:-1], tail[1:], MAX_TOKENS)


def test_the_middle_of_a_long_text_costs_nothing(encoder: Encoder) -> None:
    """What is not read must not be looked at either: 32 MiB may come in one turn."""
    short = "x y " * MAX_CHARACTERS
    long = "x y " * 4_000_000

    assert encoder.tokens(long) == encoder.tokens(short)


def test_threads_may_share_one(encoder: Encoder) -> None:
    """Decisions are made off the event loop."""
    texts = [f"text number {number} of several" for number in range(24)]
    expected = encoder.encode(texts)

    with ThreadPoolExecutor(4) as pool:
        rows = list(pool.map(lambda text: encoder.encode([text])[0], texts))

    np.testing.assert_array_equal(np.stack(rows), expected)


def test_the_shipped_files_are_those_that_were_checked() -> None:
    """The figures in encoder.json are about these bytes and no others."""
    provenance = json.loads((MODEL_FOLDER / "encoder.json").read_text("utf-8"))

    found = {
        name: {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
        for name in provenance["files"]
        for data in [(MODEL_FOLDER / name).read_bytes()]
    }
    assert (found, provenance["cosine_to_original"]["least"] >= 0.98) == (provenance["files"], True)


@pytest.mark.parametrize("missing", ["encoder.onnx", "tokenizer.json"])
def test_a_missing_file_is_named_with_what_to_do(tmp_path: Path, missing: str) -> None:
    """A broken installation is repaired by whoever reads the message."""
    for name in {"encoder.onnx", "tokenizer.json"} - {missing}:
        (tmp_path / name).write_bytes(b"")

    with pytest.raises(EncoderUnavailable) as refusal:
        Encoder.load(tmp_path)

    assert str(refusal.value) == (
        f"{tmp_path / missing} is missing; it ships with Plano: "
        "install Plano again, or in a checkout run `make encoder`"
    )


DAMAGED = [
    pytest.param("encoder.onnx", 0, id="an empty model"),
    pytest.param("encoder.onnx", 1_000_000, id="a model cut short"),
    pytest.param("tokenizer.json", 0, id="an empty tokenizer"),
    pytest.param("tokenizer.json", 1_000, id="a tokenizer cut short"),
]


@pytest.mark.parametrize(("damaged", "length"), DAMAGED)
def test_a_damaged_file_is_told_as_ours(tmp_path: Path, damaged: str, length: int) -> None:
    """A download cut short; the libraries' own exceptions name neither the file nor a remedy."""
    for name in ("encoder.onnx", "tokenizer.json"):
        data = (MODEL_FOLDER / name).read_bytes()
        (tmp_path / name).write_bytes(data[:length] if name == damaged else data)

    with pytest.raises(EncoderUnavailable, match=r"cannot be read \(.+\); expected the files that ship"):
        Encoder.load(tmp_path)


def test_importing_the_module_imports_none_of_its_libraries() -> None:
    """A gateway without routes pays neither their memory nor their time."""
    code = (
        "import sys, plano, plano.classifiers.embedded.encoder\n"
        "print(sorted({'numpy', 'onnxruntime', 'tokenizers'} & set(sys.modules)))"
    )

    told = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)

    assert told.stdout.strip() == "[]"


def test_running_the_model_opens_no_socket_and_meets_no_hub() -> None:
    """Everything it needs is in the package; one of its libraries brings a client for a hub along."""
    code = (
        "import sys\n"
        "touched = []\n"
        "sys.addaudithook(lambda event, _: touched.append(event) if event.startswith('socket.') else None)\n"
        "from plano.classifiers.embedded.encoder import Encoder\n"
        "Encoder.load().encode(['hello'])\n"
        "print(touched, sorted({'huggingface_hub', 'httpx2', 'torch'} & set(sys.modules)))"
    )

    told = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)

    assert (told.stdout.strip(), told.stderr) == ("[] []", "")


def test_running_the_model_leaves_nothing_behind(tmp_path: Path) -> None:
    """onnxruntime would keep a database of events there, to be sent to its makers: from C++, where no hook of
    Python sees it. It would fail where the file system is read-only, too."""
    code = "from plano.classifiers.embedded.encoder import Encoder\nEncoder.load().encode(['hello'])"
    homes = dict.fromkeys(("HOME", "XDG_CACHE_HOME", "TMPDIR"), str(tmp_path))
    unsilenced = {name: value for name, value in os.environ.items() if name != SILENCE}

    subprocess.run([sys.executable, "-c", code], check=True, env=unsilenced | homes)

    assert list(tmp_path.rglob("*")) == []
