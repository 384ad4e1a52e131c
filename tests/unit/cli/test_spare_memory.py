"""Memory goes back to the system when a crowd has left it behind, and not before."""

from __future__ import annotations

from plano.cli.spare_memory import A_CLIENT_BYTES, WORTHWHILE_BYTES, SpareMemory

ENOUGH = 2 * WORTHWHILE_BYTES // A_CLIENT_BYTES


def looks(*connections: int) -> list[bool]:
    spare = SpareMemory()
    return [spare.is_worthwhile(each, 0) for each in connections]


def test_nothing_is_given_back_while_the_crowd_is_there() -> None:
    """It would be asked for again at once."""
    assert looks(0, ENOUGH, 2 * ENOUGH, 2 * ENOUGH - 1) == [False] * 4


def test_it_is_given_back_once_when_the_crowd_has_gone() -> None:
    """Each time costs milliseconds."""
    assert looks(ENOUGH, 0, 0, 0) == [False, True, False, False]


def test_a_crowd_that_leaves_by_and_by_is_followed() -> None:
    """Half of it is a crowd too."""
    assert looks(4 * ENOUGH, 2 * ENOUGH, ENOUGH, 0) == [False, True, True, True]


def test_a_few_clients_are_no_crowd() -> None:
    """They come and go all day."""
    few = WORTHWHILE_BYTES // A_CLIENT_BYTES - 1

    assert looks(few, 0, few, 0) == [False] * 4


def test_large_bodies_are_a_crowd_too() -> None:
    """One client can hold as much as a thousand."""
    spare = SpareMemory()

    assert (spare.is_worthwhile(1, WORTHWHILE_BYTES), spare.is_worthwhile(1, 0)) == (False, True)
