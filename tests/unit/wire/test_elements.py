"""Lists read from their end: the same elements, at the cost of those asked for."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Callable
from itertools import islice

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from plano.errors import InvalidRequest
from plano.wire.elements import ELEMENT_LIMIT, WINDOW, Elements

MIB = 1 << 20


def elements(written: bytes) -> Elements:
    return Elements(msgspec.Raw(written), "messages")


def written(items: list[object], indent: int | None = None, *, compact: bool = True) -> bytes:
    separators = (",", ":") if compact else None
    return json.dumps(items, separators=separators, indent=indent, ensure_ascii=False).encode()


def newest_first(written: bytes, count: int | None = None) -> list[object]:
    return [json.loads(bytes(raw)) for raw in islice(elements(written).newest_first(), count)]


@pytest.mark.parametrize("raw", [None, msgspec.Raw(b"null"), msgspec.Raw(b"[]"), msgspec.Raw(b"[ \n]")])
def test_what_is_absent_or_empty_has_no_elements(raw: msgspec.Raw | None) -> None:
    """Null counts as absent, as everywhere in a body."""
    absent = Elements(raw, "messages")

    assert (absent.all(), list(absent.newest_first())) == ([], [])


_TRAPS = st.sampled_from(
    [',{"role":"user"}', '},{"', '"},{"a":"', "\\", '\\"', "]}", ',{"', '"', '\\\\"},{"x":1}', "é" * 20]
)
_TEXTS = st.lists(_TRAPS | st.text(max_size=5), max_size=6).map("".join)
_VALUES = st.recursive(
    _TEXTS | st.integers() | st.none(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_TEXTS, inner, max_size=3),
    max_leaves=12,
)
_SIZES = st.sampled_from([0, 0, 0, 100, WINDOW // 3, WINDOW - 20, WINDOW + 5, 3 * WINDOW])
_ITEMS = st.builds(
    lambda value, size, odd: value if odd else {"content": value, "pad": ',{"\\' * (size // 4)},
    _VALUES,
    _SIZES,
    st.integers(0, 9).map(lambda at: at == 0),
)


@given(st.lists(_ITEMS, max_size=12), st.sampled_from([None, 1]), st.booleans(), st.integers(1, 12))
def test_read_from_the_end_they_are_the_same(
    items: list[object], indent: int | None, compact: bool, repeated: int
) -> None:
    """However they are written, whatever their texts look like, wherever a window happens to begin."""
    items = items * repeated

    assert newest_first(written(items, indent, compact=compact)) == items[::-1]


def test_one_window_is_opened_for_the_last_few() -> None:
    """A conversation of four megabytes is sent with every step of an agent's loop."""
    message = {"role": "user", "content": "words, and more words. " * 40}
    body = written([message] * 4000)

    tracemalloc.start()
    found = newest_first(body, 16)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert (found == [message] * 16, peak < 4 * WINDOW) == (True, True)


def _exhausted(body: bytes) -> None:
    for _ in elements(body).newest_first():
        pass


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"[" + b"{}," * 2_000_000 + b"{}]", id="millions of empty objects"),
        pytest.param(b"[" + b"1," * 3_000_000 + b"1]", id="millions of numbers"),
        pytest.param(b"[[" + b'{"a":1},' * 700_000 + b"{}]]", id="millions of objects in one element"),
        pytest.param(b'["' + b',{\\"a\\":1}' * 600_000 + b'"]', id="a text that looks like objects"),
        pytest.param(b"[" + b'{"a":1},' * 700_000 + b"{}]", id="millions of small objects"),
    ],
)
@pytest.mark.parametrize(
    "read", [lambda body: elements(body).all(), lambda body: next(elements(body).newest_first()), _exhausted]
)
def test_memory_is_bounded_whatever_the_list_is_made_of(body: bytes, read: Callable[[bytes], object]) -> None:
    """Undecoded, `{}` takes thirty times what it takes in the body: 32 MiB of those were a gigabyte."""
    tracemalloc.start()
    try:
        read(body)
    except InvalidRequest as refused:
        outcome: str | None = refused.param
    else:
        outcome = "messages"
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert (outcome, peak < 12 * MIB + 3 * len(body)) == ("messages", True), peak / MIB


def test_more_elements_than_the_limit_are_refused_when_all_are_wanted() -> None:
    """The limit is the largest that a provider documents."""
    most = b"[" + b'{"a":1},' * (ELEMENT_LIMIT - 1) + b'{"a":1}]'

    assert len(elements(most).all()) == ELEMENT_LIMIT
    with pytest.raises(InvalidRequest) as caught:
        elements(most[:-1] + b',{"a":1}]').all()
    assert (caught.value.param, str(ELEMENT_LIMIT) in caught.value.message) == ("messages", True)


def test_the_last_elements_of_any_number_can_be_read() -> None:
    """Whether a conversation is too long is the provider's to say; routing reads its end."""
    body = b"[" + b'{"role":"tool"},' * 1_000_000 + b'{"role":"user"}]'

    assert newest_first(body, 2) == [{"role": "user"}, {"role": "tool"}]


def test_commas_in_texts_make_no_elements() -> None:
    """A pasted table of two megabytes is one message."""
    table = {"content": '1,2,"3",\\,' * 200_000}

    assert newest_first(written([{"a": 1}, table, {"b": 2}])) == [{"b": 2}, table, {"a": 1}]
    assert len(elements(written([table] * 3)).all()) == 3
