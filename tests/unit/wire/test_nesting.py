"""How deep a document goes, by three ways of measuring that must agree."""

from __future__ import annotations

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from plano.wire import nesting
from tests.unit.wire.documents import VALUES


def depth(value: object) -> int:
    match value:
        case dict():
            return 1 + max(map(depth, value.values()), default=0)
        case list():
            return 1 + max(map(depth, value), default=0)
    return 0


def measured(limit: int, body: bytes) -> bool:
    values = msgspec.json.decode(body, type=list[msgspec.Raw])
    return nesting.deeper_than(limit, body, values)


@given(
    value=st.lists(VALUES, max_size=6), limit=st.integers(1, 6), padding=st.sampled_from(["", "[{" * 2100])
)
def test_the_depth_is_exact(value: list[object], limit: int, padding: str) -> None:
    """Brackets inside strings are no nesting; long and short values are measured apart."""
    body = json.dumps([*value, [padding]]).encode()

    assert measured(limit, body) == (depth([*value, [padding]]) > limit)


@given(value=VALUES, limit=st.integers(1, 6), spaced=st.booleans(), wide=st.booleans())
def test_the_brackets_alone_tell_the_same(value: object, limit: int, spaced: bool, wide: bool) -> None:
    """Documents that would be dear to open are measured without opening them."""
    text = json.dumps(value, indent=2 if spaced else None, ensure_ascii=not wide).encode()

    assert nesting._depth_exceeds(limit, nesting._skeleton(text)) == (depth(value) > limit)


CHAIN = b"[" * 40 + b"]" * 40


@pytest.mark.parametrize(
    ("body", "levels"),
    [
        pytest.param(b"[" + b",".join([b"[[]]"] * 5000) + b"]", 3, id="many elements"),
        pytest.param(b"[" + b",".join([CHAIN] * 5000) + b"]", 41, id="many deep elements"),
        pytest.param(b'[["[",' + b"0," * 1_200_000 + b"[]]]", 3, id="millions of numbers"),
        pytest.param(
            b"[" * 30 + b'"' + b'[{\\"' * 2000 + b'"' + b"]" * 30, 30, id="brackets far down in a text"
        ),
        pytest.param(
            b"[" * 9 + b",".join([b'{"a": "' + b"." * 99 + b'"}'] * 80) + b"]" * 9, 10, id="siblings"
        ),
        pytest.param(b"[" + b"[{}, " * 70 + b"1" + b"]" * 71 + b" " * 4096, 72, id="each beside another"),
        pytest.param(
            b"[" + b'[{},{},"},{",' * 70 + b"1" + b"]" * 71 + b" " * 4096, 72, id="and beside texts"
        ),
        pytest.param(b'["\\\\",[[]],"\\\\\\"[[[["' + b',"[["' * 5000 + b"]", 3, id="escapes"),
    ],
)
def test_what_was_made_to_be_dear_is_measured_exactly(body: bytes, levels: int) -> None:
    """A shortcut that guesses would let too much pass, or refuse what is right."""
    assert (measured(levels, body), measured(levels - 1, body)) == (False, True)
