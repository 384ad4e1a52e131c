"""Mutations of JSON."""

from __future__ import annotations

import json
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from tests.fuzz.trees import keys_in, mutated

TEXTS = st.text('a\u00e9\U0001f600"\\ ', max_size=4)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
)


@given(
    document=st.lists(VALUES, max_size=3) | st.dictionaries(TEXTS, VALUES, max_size=3),
    seed=st.integers(0, 2**32),
)
def test_what_is_json_stays_json(document: object, seed: int) -> None:
    """Most runs would otherwise end at the first byte that is wrong. A bracket in a text may be taken for a
    document, which is as good a mutation as any."""
    written = json.dumps(document).encode()

    changed = mutated(b"data: " + written + b"\n", ("model",), Random(seed))

    assert changed is not None
    assert changed.startswith(b"data: ")
    json.loads(changed.removeprefix(b"data: "))


def test_what_holds_no_document_is_left_to_others() -> None:
    """Bytes are changed byte by byte then."""
    assert [mutated(text, (), Random(1)) for text in (b"", b"redis://h", b"{[")] == [None] * 3


def test_a_targets_words_name_members() -> None:
    """They are what a changed document is given."""
    assert keys_in((b'"model":"', b'"a":1,"model":', b"x", b'"A b":')) == ("model", "a")
