"""The corpus that is there: sound, its splits apart, its second labelling of turns that exist."""

from __future__ import annotations

import msgspec
import pytest

from tools.corpus.agreement import agreement
from tools.corpus.checking import faults
from tools.corpus.held import CORPUS, RouteSet, read_all

FEWEST_LABELLED_TWICE = 600
LEAST_AGREEMENT = 0.9
"""Under it, figures of routers would be about whoever wrote the labels."""


@pytest.fixture(scope="module")
def corpus() -> list[RouteSet]:
    return read_all()


def test_the_corpus_is_sound_and_its_splits_are_apart(corpus: list[RouteSet]) -> None:
    """A figure on turns that were trained on, or that nobody could get right, says nothing."""
    assert list(faults(corpus)) == []


def test_two_labellings_agree(corpus: list[RouteSet]) -> None:
    """What the second was asked is still there, and it mostly says the same."""
    turns = {turn.id: turn for held in corpus for turn in held.turns()}
    lines = map(msgspec.json.decode, (CORPUS / "second.jsonl").read_bytes().splitlines())

    found = agreement([(turns[line["turn"]], tuple(line["first"]), line["second"]) for line in lines])

    assert (found.turns >= FEWEST_LABELLED_TWICE, found.share >= LEAST_AGREEMENT) == (True, True)
