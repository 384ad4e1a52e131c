"""What caches hold of a session, and what reading costs."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plano.catalog.names import ModelId
from plano.catalog.prices import Price
from plano.evaluation.replay.caches import Bill, Caches, Read, bill

A, B, DISK = ModelId("openai/a"), ModelId("openai/b"), ModelId("deepseek/c")
Step = tuple[ModelId, int, float]


@pytest.mark.parametrize(
    ("steps", "last"),
    [
        ([(A, 100, 0)], Read(0, 0, 100)),
        ([(A, 100, 0), (A, 130, 9)], Read(100, 0, 30)),
        ([(A, 100, 0), (B, 130, 9)], Read(0, 100, 30)),
        ([(A, 100, 0), (B, 130, 9), (A, 150, 20)], Read(100, 30, 20)),
        ([(A, 100, 0), (A, 130, 300)], Read(100, 0, 30)),
        ([(A, 100, 0), (A, 130, 301)], Read(0, 100, 30)),
        ([(DISK, 100, 0), (DISK, 130, 7200)], Read(100, 0, 30)),
        ([(A, 100, 0), (A, 110, 200), (A, 120, 400)], Read(110, 0, 10)),
        ([(A, 100, 0), (A, 20, 9)], Read(20, 0, 0)),
        ([(A, 100, 0), (A, 20, 9), (A, 50, 10)], Read(20, 0, 30)),
        ([(A, 100, 0), (B, 20, 9), (A, 50, 10)], Read(20, 0, 30)),
        ([(A, 0, 0)], Read(0, 0, 0)),
    ],
    ids=[
        "first", "grown", "changed", "and back", "in time", "too late", "on disk", "each use begins anew",
        "cut", "cut, then grown", "cut elsewhere", "nothing",
    ],
)  # fmt: skip
def test_tokens_are_found_missed_or_new(steps: list[Step], last: Read) -> None:
    """By who has read what of the session, and how long ago."""
    caches = Caches()

    reads = [caches.read(*step) for step in steps]

    assert reads[-1] == last


@given(
    st.lists(
        st.tuples(st.sampled_from([A, B, DISK]), st.integers(0, 10**6), st.floats(-100, 10**5)), max_size=20
    )
)
def test_every_token_is_counted_once(steps: list[Step]) -> None:
    """However a session goes: hits, misses and news add up to what was read, and none is negative."""
    caches = Caches()

    reads = [caches.read(*step) for step in steps]

    assert [read.hit + read.missed + read.new for read in reads] == [tokens for _, tokens, _ in steps]
    assert all(min(read.hit, read.missed, read.new) >= 0 for read in reads)


def test_what_a_cache_takes_is_paid_where_it_has_a_price() -> None:
    """Anthropic takes a quarter more for what it writes."""
    cost = bill(Read(1_000_000, 2_000_000, 3_000_000), 4_000_000, Price(3.0, 15.0, 0.3, 3.75), 0.1)

    assert cost == Bill(0.3, pytest.approx(11.25), pytest.approx(7.5), 60.0)  # type: ignore[arg-type] # pytest's own


def test_cached_input_without_a_price_has_its_share_of_the_input_price() -> None:
    """And what is written costs what input costs."""
    assert bill(Read(1_000_000, 0, 1_000_000), 0, Price(4.0, 9.0), 0.25) == Bill(1.0, 4.0, 0.0, 0.0)
