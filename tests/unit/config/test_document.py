"""YAML as data that remembers its places."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plano.config.document import MOST_VALUES, Document, Unreadable, read_document
from plano.config.environment import Filled
from plano.config.problems import Place


def read(text: str) -> Document:
    return read_document(text, Filled)


def test_a_value_and_its_key_know_their_places() -> None:
    """Editors count lines and columns from 1, and so do we."""
    document = read("a:\n  - b: c\n")

    places = (document.place_of(("a", 0, "b")), document.place_of_key(("a", 0, "b")), document.place_of(()))
    assert places == (Place(2, 8), Place(2, 5), Place(1, 1))


def test_a_place_that_is_not_there_is_the_nearest_around_it() -> None:
    """A key that is missing is reported where it should have been."""
    document = read("a:\n  - b: c\n")

    assert document.place_of(("a", 0, "missing", 3)) == Place(2, 5)


def test_anchors_and_merge_keys_are_filled_in() -> None:
    """Files share what their entries have in common this way."""
    document = read(
        "base: &base {key: k, url: u}\n"
        "more: &more {url: other, host: h}\n"
        "one: {<<: *base, url: own}\n"
        "two: {<<: [*base, *more]}\n"
        "three: *base\n"
    )

    data = document.data
    assert isinstance(data, dict)
    assert (data["one"], data["two"], data["three"]) == (
        {"key": "k", "url": "own"},
        {"key": "k", "url": "u", "host": "h"},
        {"key": "k", "url": "u"},
    )


def test_a_merged_value_stands_where_it_was_written() -> None:
    """The mistake is in the anchor, not in the mapping that took it over."""
    document = read("base: &base {key: k}\none: {<<: *base}\n")

    assert document.place_of(("one", "key")) == Place(1, 19)


def test_a_quoted_merge_key_is_a_key() -> None:
    """Quotes take every special meaning away."""
    assert read("a: {'<<': x}").data == {"a": {"<<": "x"}}


def test_plain_words_become_what_yaml_says_and_dates_stay_text() -> None:
    """A date means nothing here, and a model may be named after one."""
    document = read("[1, 0x10, 1.5, true, ~, 2025-08-07, '1', !!str 2, 1e3]")

    assert document.data == [1, 16, 1.5, True, None, "2025-08-07", "1", "2", "1e3"]


BOMBS = [
    pytest.param("a: &a [*a]", id="an alias of itself"),
    pytest.param("a: &a {<<: *a}", id="a merge of itself"),
    pytest.param("[" * 100 + "]" * 100, id="deep"),
    pytest.param(
        "a: &a [x,x,x,x,x,x,x,x,x,x]\n"
        + "".join(
            f"{b}: &{b} [{','.join([f'*{a}'] * 10)}]\n" for a, b in zip("abcdef", "bcdefg", strict=True)
        ),
        id="exponential",
    ),
]


@pytest.mark.parametrize("text", BOMBS)
def test_a_small_file_cannot_become_a_large_one(text: str) -> None:
    """The file may come from somebody else's repository."""
    with pytest.raises(Unreadable):
        read(text)


def test_a_wide_file_is_bounded() -> None:
    """Whatever reads it works on at most so many values."""
    with pytest.raises(Unreadable, match=str(MOST_VALUES)):
        read("[" + "x," * MOST_VALUES + "]")


def test_a_control_character_is_found_where_it_is() -> None:
    """It cannot be seen, so it has to be pointed at."""
    with pytest.raises(Unreadable) as caught:
        read("version: v0.4.0\nmode: \x07\n")

    assert caught.value.place == Place(2, 7)


@given(st.text(alphabet=st.sampled_from("ab:-?&*!<>|{}[],#'\"%@` \t\n\\$~01.\x00é")))
def test_whatever_is_written_is_data_or_unreadable(text: str) -> None:
    """A parser's own exceptions would reach a person as a traceback."""
    try:
        places = list(read(text).places.values())
    except Unreadable as unreadable:
        places = [unreadable.place]

    assert all(place.line >= 1 and place.column >= 1 for place in places)


@pytest.mark.parametrize(
    ("message", "concealed"),
    [
        pytest.param("got 'a-secret-of-20-bytes'", "got '$KEY'", id="a variable alone"),
        pytest.param("got 'https://h/a-secret-of-20-bytes'", "got 'https://h/$KEY'", id="the whole value"),
        pytest.param("got 'h/a-secret-of-20-bytes'", "got 'h/$KEY'", id="a part of the value"),
        pytest.param("got 'h/a-secret-of-20'", "got 'h/$KEY'", id="cut off"),
        pytest.param("got 'h/a-secret-of-20…'", "got 'h/$KEY…'", id="cut off, with a mark"),
        pytest.param('it\'s a "quote\\n"', 'it\'s a "quote\\n"', id="as it stands"),
        pytest.param("got 'a\\nb\\nc'", "got '${LINES}'", id="as Python quotes it"),
    ],
)
def test_what_came_from_a_variable_is_told_as_it_was_written(message: str, concealed: str) -> None:
    """Whichever part of a value a message quotes, and however it cuts it: keys come in variables."""
    values = {"$KEY": "a-secret-of-20-bytes", "${LINES}": "a\nb\nc"}
    document = Document(
        substituted={("base_url",): ("https://h/$KEY", "https://h/a-secret-of-20-bytes")}, variables=values
    )

    assert document.conceal(message) == concealed
