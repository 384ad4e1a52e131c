"""What fuzzing has found stays found; and every target is tried with inputs of hypothesis' making, too."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fuzz import corpus
from tests.fuzz.corpus import Corpus
from tests.fuzz.target import Target, cut
from tests.fuzz.targets.every import EVERY

TARGETS = [pytest.param(target, id=name) for name, target in EVERY.items()]
FAILED = [
    pytest.param(EVERY[name], text, id=f"{name}: {failed}")
    for name in EVERY
    for failed, text in corpus.read(name).failed.items()
]


@pytest.mark.parametrize("target", TARGETS)
def test_the_kept_corpus_meets_no_defect(target: Target) -> None:
    """It reaches, between them, all that hours of fuzzing have reached: a change that breaks a reader for odd
    inputs is seen here, in seconds."""
    inputs = (*target.seeds, *corpus.read(target.name).all())

    for text in inputs:
        target.check(text)


@pytest.mark.parametrize(("target", "text"), FAILED)
def test_an_input_that_once_failed_never_does_again(target: Target, text: bytes) -> None:
    """Each is the smallest that showed a defect, which its name tells."""
    target.check(text)


def mutated(target: Target) -> st.SearchStrategy[bytes]:
    """Inputs with a few pieces of them taken out, changed, or put in."""
    known = (*target.seeds, *corpus.read(target.name).all(), b"")
    pieces = st.one_of(st.sampled_from((b"", *target.words)), st.sampled_from(known), st.binary(max_size=4))
    edits = st.lists(st.tuples(st.integers(0, 1 << 16), st.integers(0, 8), pieces), max_size=5)
    return st.builds(_edited, st.sampled_from(known), edits)


def _edited(text: bytes, edits: list[tuple[int, int, bytes]]) -> bytes:
    for place, dropped, piece in edits:
        at = place % (len(text) + 1)
        text = text[:at] + piece + text[at + dropped :]
    return text


@pytest.mark.parametrize("target", TARGETS)
@given(data=st.data())
def test_what_resembles_the_kept_corpus_meets_no_defect(target: Target, data: st.DataObject) -> None:
    """The same properties under another driver: `make fuzz` tries twenty thousand of each."""
    text = data.draw(mutated(target))

    target.check(text)


@pytest.mark.parametrize(
    "file", [pytest.param(file, id=file.stem) for file in sorted(corpus.FOLDER.glob("*"))]
)
def test_every_kept_corpus_is_some_targets(file: Path) -> None:
    """One that nobody replays would seem to guard something."""
    assert (file.stem in EVERY, file.suffix) == (True, ".jsonl")


def test_what_is_kept_is_read_as_it_was_written(tmp_path: Path) -> None:
    """Bytes of all values, and the names of those that failed."""
    kept = Corpus((b"", bytes(range(256))), {"a name": b'"\n\xff'})

    corpus.write("any", kept, tmp_path)

    assert corpus.read("any", tmp_path) == kept
    assert [type(json.loads(line)) for line in (tmp_path / "any.jsonl").read_text("ascii").splitlines()] == [
        list,
        str,
        str,
    ]


def test_the_smallest_are_kept_as_far_as_there_is_room() -> None:
    """The suite replays them all, and the repository carries them."""
    assert corpus.smallest([b"ccc", b"a", b"bb", b"a", b"dddd"], most_bytes=5) == (b"a", b"bb")


@pytest.mark.parametrize(
    ("data", "pieces"),
    [
        pytest.param(b"", [], id="nothing"),
        pytest.param(b"\x00abc", [b"abc"], id="whole"),
        pytest.param(b"\x01\x80abcd", [b"ab", b"cd"], id="in the middle"),
        pytest.param(b"\xff\x00\x00\x00abc", [b"a", b"b", b"c"], id="byte by byte"),
    ],
)
def test_cuts_are_read_from_the_input_itself(data: bytes, pieces: list[bytes]) -> None:
    """So that whatever mutates inputs also moves the cuts."""
    assert cut(data)[1] == pieces
