"""The kinds of work that ship are those of the file they were made from, by the encoder that ships."""

from __future__ import annotations

import numpy as np
import pytest

from plano.classifiers.embedded.encoder import Encoder
from plano.classifiers.embedded.kinds import shipped_kinds
from tests.unit.classifiers.embedded.words import KINDS, Words
from tools.build_kinds.__main__ import KINDS_TEXT, kinds


def test_the_likeliest_kind_is_that_of_the_nearest_utterances() -> None:
    """And all add up to one, so that they can be weighed against each other."""
    likely = KINDS.likely(Words().encode(["how long in the oven"])[0])

    assert (KINDS.names[int(likely.argmax())], round(float(likely.sum()), 5)) == ("cooking", 1.0)


def test_what_ships_was_made_from_this_text() -> None:
    """A changed utterance has no effect before `make kinds`."""
    told, shipped = kinds(KINDS_TEXT.read_text("utf-8")), shipped_kinds()

    counts = np.diff([*shipped.first_utterance.tolist(), len(shipped.utterances)]).tolist()
    assert [kind.partition(":")[0] for kind in told] == list(shipped.names)
    assert [len(utterances) for utterances in told.values()] == counts


def test_what_ships_was_made_by_this_encoder() -> None:
    """Vectors of two encoders lie in two spaces."""
    told, shipped, encoder = kinds(KINDS_TEXT.read_text("utf-8")), shipped_kinds(), Encoder.load()
    texts = [utterances[0] for utterances in told.values()]

    cosines = (encoder.encode(texts) * shipped.utterances[shipped.first_utterance]).sum(axis=1)
    assert cosines.min() > 0.99


def test_no_utterance_stands_twice() -> None:
    """In two kinds it would speak for both; in one it would count double."""
    utterances = [utterance for each in kinds(KINDS_TEXT.read_text("utf-8")).values() for utterance in each]

    assert sorted(utterances) == sorted(set(utterances))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("hello\n", "kinds.txt:1: expected '# name: description' before the first utterance"),
        ("# a: b\n# c: d\nhello\n", "kinds.txt: no utterance for 'a: b'"),
    ],
)
def test_a_text_that_is_no_list_of_kinds_is_refused(text: str, message: str) -> None:
    """The build says where."""
    with pytest.raises(ValueError, match=message):
        kinds(text)
