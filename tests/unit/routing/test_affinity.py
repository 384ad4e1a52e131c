"""Affinity without a store: keys that never meet, pins that survive whatever is written by others."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plano.routing.affinity import (
    LONGEST_MODEL_NAME,
    MOST_VALUE_BYTES,
    MOST_WARM_MODELS,
    Pin,
    Spending,
    Unreadable,
    Unwritable,
    Warm,
    is_session_id,
    is_tenant,
    read_pin,
    render,
    session_key,
)

VISIBLE = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=12)
PAIRS = st.tuples(st.text("ab:%3A", max_size=6), st.text("ab:%3A", min_size=1, max_size=6))
NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40)
USD = st.floats(min_value=0, allow_nan=False, allow_infinity=False)
COUNTS = st.integers(0, 2**53)
SPENDINGS = st.builds(
    Spending,
    NAMES,
    USD,
    USD,
    COUNTS,
    st.none() | COUNTS,
    st.none() | COUNTS,
    st.dictionaries(NAMES, st.builds(Warm, COUNTS, COUNTS), max_size=MOST_WARM_MODELS),
)
PINS = st.builds(Pin, NAMES, st.none() | NAMES, st.none() | SPENDINGS)


# --- keys ---


@pytest.mark.parametrize(
    ("tenant", "session_id", "key"),
    [
        (None, "s-1", "plano:affinity:s-1"),
        (None, "acme:s-1", "plano:affinity:acme:s-1"),
        ("acme", "s-1", "plano:affinity:acme:s-1"),
        ("acme", "implicit:0f3606ae945d0841", "plano:affinity:acme:implicit:0f3606ae945d0841"),
        ("", "s-1", "plano:affinity::s-1"),
        ("a:b", "c", "plano:affinity:a%3Ab:c"),
        ("a", "b:c", "plano:affinity:a:b:c"),
        ("a%3Ab", "c", "plano:affinity:a%253Ab:c"),
    ],
)
def test_a_key_has_the_form_that_others_know(tenant: str | None, session_id: str, key: str) -> None:
    """A Redis that one replica fills serves every other."""
    assert session_key(tenant, session_id) == key


@given(PAIRS, PAIRS)
def test_two_sessions_of_tenants_never_share_a_key(one: tuple[str, str], other: tuple[str, str]) -> None:
    """One tenant's pins are never another's."""
    assert (session_key(*one) == session_key(*other)) == (one == other)


@given(st.lists(VISIBLE, min_size=2, max_size=2, unique=True))
def test_two_sessions_without_tenants_never_share_a_key(ids: list[str]) -> None:
    """The id is all there is to tell them apart."""
    assert session_key(None, ids[0]) != session_key(None, ids[1])


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        ("s", True),
        ("~" * 256, True),
        ("", False),
        ("s" * 257, False),
        ("a b", False),
        ("a\n", False),
        ("a\x7f", False),
        ("é", False),
    ],
)
def test_ids_and_tenants_are_short_visible_ascii(text: str, is_one: bool) -> None:
    """What goes into a key has no surprises for those who read keys."""
    assert (is_session_id(text), is_tenant(text)) == (is_one, is_one)


# --- pins ---


@given(PINS)
def test_a_pin_is_read_as_it_was_written(pin: Pin) -> None:
    """The replica that reads it decides as the one that wrote it."""
    rendered = render(pin)

    assert isinstance(rendered, bytes)
    assert (read_pin(rendered), len(rendered) <= MOST_VALUE_BYTES) == (pin, True)


def test_a_pin_is_written_as_the_original_names_it() -> None:
    """Its members and its version are a promise to other programs."""
    assert json.loads(render(Pin("openai/gpt-5", "code"))) == {  # type: ignore[arg-type]  # it is bytes
        "model_name": "openai/gpt-5",
        "route_name": "code",
        "version": 1,
    }


@pytest.mark.parametrize(
    ("value", "pin"),
    [
        (b'{"model_name": "openai/gpt-5", "route_name": null}', Pin("openai/gpt-5")),
        (b'{"model_name":"openai/gpt-5","route_name":"code"}', Pin("openai/gpt-5", "code")),
        (b'{"route_name":"r","logical_expires_at":1790000000,"model_name":"a/b"}', Pin("a/b", "r")),
        (b'{"version":1,"model_name":"a/b","from_later":{"x":[1]}}', Pin("a/b")),
    ],
)
def test_what_others_write_is_read(value: bytes, pin: Pin) -> None:
    """The original writes no version; a later version may add members."""
    assert read_pin(value) == pin


NOT_JSON = "the value is not JSON"
NO_PIN = "the value is JSON but no pin"


@pytest.mark.parametrize(
    ("value", "because"),
    [
        pytest.param(b"", NOT_JSON, id="empty"),
        pytest.param(b"\x80\x04\x95", NOT_JSON, id="a pickle"),
        pytest.param(b'{"model_name":"a"', NOT_JSON, id="half"),
        pytest.param(b'{"model_name":"\xff"}', NOT_JSON, id="not UTF-8"),
        pytest.param(b'{"model_name":"a","x":"\xff"}', NOT_JSON, id="not UTF-8 where nobody looks"),
        pytest.param(b'{"model_name":"a","x":' + b"[" * 2000 + b"]" * 2000 + b"}", NOT_JSON, id="deep"),
        pytest.param(
            b'{"model_name":"a","spending":{"first_model":"a","switches_usd":NaN}}', NOT_JSON, id="NaN"
        ),
        pytest.param(b"[]", NO_PIN, id="a list"),
        pytest.param(b'"openai/gpt-5"', NO_PIN, id="a text"),
        pytest.param(b"{}", NO_PIN, id="no model"),
        pytest.param(b'{"model_name":""}', NO_PIN, id="an empty model"),
        pytest.param(b'{"model_name":1}', NO_PIN, id="a number for a model"),
        pytest.param(b'{"model_name":null}', NO_PIN, id="null for a model"),
        pytest.param(b'{"model_name":"%s"}' % (b"a" * (LONGEST_MODEL_NAME + 1)), NO_PIN, id="a long name"),
        pytest.param(b'{"model_name":"a","route_name":["r"]}', NO_PIN, id="a list for a route"),
        pytest.param(b'{"model_name":"a","version":"1"}', NO_PIN, id="a text for a version"),
        pytest.param(b'{"model_name":"a","version":true}', NO_PIN, id="true for a version"),
        pytest.param(b'{"model_name":"a","spending":{}}', NO_PIN, id="spending of nothing"),
        pytest.param(
            b'{"model_name":"a","spending":{"first_model":"a","switches":-1}}', NO_PIN, id="less than nothing"
        ),
        pytest.param(b'{"model_name":"a","version":2}', "the value has a version other than 1", id="later"),
        pytest.param(
            b'{"model_name":"a"}' + b" " * MOST_VALUE_BYTES, "the value has more than 4096 bytes", id="large"
        ),
    ],
)
def test_anything_else_is_unreadable_for_a_reason(value: bytes, because: str) -> None:
    """A key may hold anything: other programs share the database. It is never a model by accident."""
    assert read_pin(value) == Unreadable(because)


@given(
    st.binary(max_size=5000)
    | st.recursive(st.none() | st.text() | st.integers(), st.lists).map(repr).map(str.encode)
)
def test_no_bytes_are_too_strange_to_read(value: bytes) -> None:
    """A request is never lost over what somebody left in a database."""
    assert isinstance(read_pin(value), Pin | Unreadable)


@given(
    st.dictionaries(
        st.sampled_from(["model_name", "route_name", "version", "spending", "x"]),
        st.recursive(
            st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
            lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["first_model", "warm"]), inner),
        ),
    )
)
def test_no_document_is_too_strange_to_read(document: dict[str, object]) -> None:
    """Nearly right is where decoders break."""
    assert isinstance(read_pin(json.dumps(document).encode()), Pin | Unreadable)


@pytest.mark.parametrize(
    "pin",
    [
        Pin(""),
        Pin("a" * (LONGEST_MODEL_NAME + 1)),
        Pin("half \ud83d"),
        Pin("a", "half \ud83d"),
        Pin("a", None, Spending("a", float("nan"))),
        Pin("a", None, Spending("a", float("inf"))),
        Pin("a", None, Spending("a", switches_usd=-0.01)),
        Pin("€" * 500, "€" * 500, Spending("€" * 500)),
    ],
)
def test_what_nobody_could_read_is_not_written(pin: Pin) -> None:
    """A wildcard lets callers choose names; a pin that is unreadable would hold a key for its whole life."""
    assert isinstance(render(pin), Unwritable)


def test_the_oldest_warm_context_goes_first() -> None:
    """A pin stays under 4 KiB however many models a session has seen."""
    warm = {f"{'m' * 400}/{age}": Warm(1, 1000 - age) for age in range(12)}

    read = read_pin(render(Pin("a", None, Spending("a", warm=warm))))  # type: ignore[arg-type]  # bytes

    assert isinstance(read, Pin)
    assert read.spending is not None
    kept = [name.rpartition("/")[2] for name in read.spending.warm]
    assert kept == [str(age) for age in range(len(kept))]
    assert 0 < len(kept) <= MOST_WARM_MODELS
