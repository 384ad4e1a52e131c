"""Requests as hypothesis writes them: odd spacing, escapes, wide characters, numbers of any size."""

from __future__ import annotations

import json

from hypothesis import strategies as st

SPACE = st.text(" \t\n\r", max_size=2)
TAKEN = {
    "model",
    "stream",
    "messages",
    "tools",
    "n",
    "routing_preferences",
    "input",
    "system",
    "instructions",
}
KEYS = st.text(max_size=8).filter(lambda key: key not in TAKEN)
NUMBERS = st.one_of(
    st.integers(),
    st.just(123456789012345678901234567890),
    st.floats(allow_nan=False, allow_infinity=False),
)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
VALUES = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        NUMBERS,
        TEXTS,
        st.sampled_from(['"model":"x"', "}{[,]", '\\"', "[\\", '"]']),
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(TEXTS, inner, max_size=4)),
    max_leaves=8,
)


@st.composite
def text_of(draw: st.DrawFn, value: object) -> str:
    """One of the many ways to write a value."""
    indent = draw(st.sampled_from([None, None, 1]))
    return json.dumps(value, ensure_ascii=draw(st.booleans()), indent=indent)


@st.composite
def key_text(draw: st.DrawFn, key: str) -> str:
    """A key, sometimes with a letter of it escaped."""
    if key and draw(st.integers(0, 3)) == 0:
        at = draw(st.integers(0, len(key) - 1))
        if ord(key[at]) < 0x10000:
            rest = json.dumps(key[at + 1 :])[1:-1]
            return f'"{json.dumps(key[:at])[1:-1]}\\u{ord(key[at]):04X}{rest}"'
    return json.dumps(key, ensure_ascii=draw(st.booleans()))


@st.composite
def object_text(draw: st.DrawFn, members: list[tuple[str, object]]) -> bytes:
    """An object with these members in this order, written anyhow."""
    written = []
    for key, value in members:
        parts = (SPACE, key_text(key), SPACE, st.just(":"), SPACE, text_of(value), SPACE)
        written.append("".join(draw(part) for part in parts))
    inside = ",".join(written) or draw(SPACE)
    return (draw(SPACE) + "{" + inside + "}" + draw(SPACE)).encode()


@st.composite
def requests(draw: st.DrawFn) -> tuple[list[tuple[str, object]], bytes]:
    """A request's members and its bytes: a model or none, preferences or none, anything beside."""
    members: list[tuple[str, object]] = list(draw(st.dictionaries(KEYS, VALUES, max_size=4)).items())
    if draw(st.booleans()):
        members.append(("model", draw(st.one_of(st.none(), TEXTS))))
    if draw(st.booleans()):
        members.append(("routing_preferences", draw(st.lists(VALUES, max_size=3))))
    members = draw(st.permutations(members))
    return members, draw(object_text(members))
