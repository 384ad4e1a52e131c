"""What is remembered is bounded, and what is used stays."""

from __future__ import annotations

from plano.classifiers.embedded.recent import Recent


def test_what_was_not_asked_for_the_longest_is_forgotten_first() -> None:
    """The repeated history of a loop must stay while one-off questions pass."""
    recent: Recent[str, int] = Recent(2, 100)
    recent.put("a", 1, 1)
    recent.put("b", 2, 1)
    recent.get("a")
    recent.put("c", 3, 1)

    assert (recent.get("a"), recent.get("b"), recent.get("c")) == (1, None, 3)


def test_bytes_are_bounded_as_well_as_entries() -> None:
    """Few long texts take more than many short ones."""
    recent: Recent[str, int] = Recent(10, 100)
    recent.put("a", 1, 60)
    recent.put("b", 2, 60)

    assert (recent.get("a"), recent.get("b"), recent.size, len(recent)) == (None, 2, 60, 1)


def test_what_alone_is_too_large_displaces_nothing() -> None:
    """One request must not empty the memory of all others."""
    recent: Recent[str, int] = Recent(10, 100)
    recent.put("a", 1, 60)
    recent.put("b", 2, 101)

    assert (recent.get("a"), recent.get("b")) == (1, None)


def test_a_value_put_again_counts_once() -> None:
    """Otherwise the memory would shrink with use."""
    recent: Recent[str, int] = Recent(10, 100)
    recent.put("a", 1, 60)
    recent.put("a", 2, 70)

    assert (recent.get("a"), recent.size) == (2, 70)
