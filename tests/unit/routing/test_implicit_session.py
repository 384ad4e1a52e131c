"""Sessions told apart by how they began: the hash that every replica and the original agree on."""

from __future__ import annotations

import random
import time
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plano.routing.fnv import BLOCK, OFFSET_BASIS, PRIME, SHORT, fnv1a64
from plano.routing.implicit_session import LARGE_BYTES, ImplicitSessions, beginning_of, implicit_session


def by_definition(data: bytes, state: int = OFFSET_BASIS) -> int:
    for byte in data:
        state = (state ^ byte) * PRIME % 2**64
    return state


@pytest.mark.parametrize(
    ("tenant", "instructions", "tools", "user", "digits"),
    [
        (None, ["s"], [], "u", "0f3606ae945d0841"),
        (None, ["s"], ["get_weather"], "u", "d3f22a8e83bdf204"),
        ("acme", ["s"], [], "u", "52c40c0e6600d2bf"),
        (None, [], [], "hello", "b4076d4c86272865"),
    ],
)
def test_the_check_values_hold(
    tenant: str | None, instructions: list[str], tools: list[str], user: str, digits: str
) -> None:
    """They are in the contract: a replica that computes others shares no session."""
    assert implicit_session(beginning_of(tenant, instructions, tools, user)) == f"implicit:{digits}"


def test_texts_are_joined_by_newlines_and_tools_by_commas() -> None:
    """Two system messages are one beginning, in order."""
    joined = implicit_session(beginning_of(None, ["a\nb"], ["x,y"], "u"))

    assert implicit_session(beginning_of(None, ["a", "b"], ["x", "y"], "u")) == joined


@pytest.mark.parametrize(
    ("data", "digest"),
    [(b"", 0xCBF29CE484222325), (b"a", 0xAF63DC4C8601EC8C), (b"foobar", 0x85944171F73967E8)],
)
def test_the_hash_is_fnv_1a(data: bytes, digest: int) -> None:
    """Values published with the function."""
    assert fnv1a64(data) == digest


@pytest.mark.parametrize(
    "size", [0, 1, SHORT, SHORT + 1, BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK + SHORT, 3 * BLOCK + 7]
)
def test_blocks_make_no_difference(size: int) -> None:
    """The fast way is the defined one, wherever blocks begin and end."""
    data = random.Random(size).randbytes(size)

    assert fnv1a64(data) == by_definition(data)


@given(st.binary(max_size=4 * SHORT), st.integers(0, 2**64 - 1))
def test_any_bytes_from_any_state(data: bytes, state: int) -> None:
    """Every low byte that a state may have, every byte that may come."""
    assert fnv1a64(data, state) == by_definition(data, state)


def test_half_a_character_is_hashed_too() -> None:
    """JSON can bring one; it costs no request its answer."""
    assert implicit_session(beginning_of(None, ["\ud83d"], [], "u")) != implicit_session(
        beginning_of(None, ["\ud83e"], [], "u")
    )


def test_a_known_beginning_is_the_same_session() -> None:
    """Remembering changes the time it takes, nothing else."""
    sessions = ImplicitSessions()
    beginning = beginning_of("acme", ["s" * 5000], ["t"], "u")
    before = sessions.known(beginning)

    sessions.learn(beginning, implicit_session(beginning))

    again = beginning_of("acme", ["s" * 5000], ["t"], "u")
    assert (before, sessions.known(again)) == (None, implicit_session(beginning))


def test_the_memory_is_bounded_and_forgets_what_was_not_asked_for() -> None:
    """Everybody may begin a session."""
    sessions = ImplicitSessions(most=10)
    first = beginning_of(None, [], [], "first")
    sessions.learn(first, "s")

    for number in range(100):
        sessions.learn(beginning_of(None, [], [], str(number)), "s")
        sessions.known(first)

    assert (len(sessions), sessions.known(first)) == (10, "s")


def test_a_large_beginning_is_known_as_such_and_not_shown() -> None:
    """It is hashed off the event loop; and no prompt comes into a log by way of a repr."""
    large = beginning_of(None, ["secret" * LARGE_BYTES], [], "u")

    assert (large.is_large, beginning_of(None, [], [], "u").is_large) == (True, False)
    assert "secret" not in repr(large)


def cpu_s(work: Callable[[], object]) -> float:
    began = time.process_time()
    work()
    return time.process_time() - began


def test_a_long_beginning_costs_a_fraction_of_byte_by_byte() -> None:
    """A megabyte byte by byte is 60 ms, during which nobody else is served."""
    text = "x" * 300_000
    fnv1a64(text.encode())

    fast = min(cpu_s(lambda: implicit_session(beginning_of(None, [text], [], "u"))) for _ in range(3))

    assert fast < cpu_s(lambda: by_definition(text.encode())) / 3
