"""Which names look like one that nobody has, for little: a client may ask for any number of them.

Every name is reduced to the pairs of letters in it, as the bits of one number; comparing two of those
is one instruction. Only the few names that share most pairs are then compared letter by letter.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import SequenceMatcher
from heapq import nlargest
from typing import Final

MOST_COMPARED: Final = 8
"""Names compared letter by letter, at some 50 µs each."""
LONGEST_COMPARED: Final = 100
"""Characters; comparing takes the square of them in the worst case, and no model is called so."""
MOST_TOLD: Final = 3
LEAST_ALIKE: Final = 0.6
"""Of 1 for the same: one letter in three may be another."""
_BITS: Final = 509
"""Of a name's number; a prime, so that pairs spread."""


class Names:
    """Names to look among, prepared once."""

    __slots__ = ("_names",)

    def __init__(self, names: Iterable[str]) -> None:
        short = (name for name in names if len(name) <= LONGEST_COMPARED)
        self._names: Final = [(bits := _pairs(name), bits.bit_count(), name) for name in short]

    def like(self, wrong: str) -> tuple[str, ...]:
        """Up to three names that look like `wrong`, the likest first; case is no difference."""
        if not wrong or len(wrong) > LONGEST_COMPARED:
            return ()
        wanted = _pairs(wrong)
        count = wanted.bit_count()
        alike = [
            ((wanted & bits).bit_count() / (count + own), name)
            for bits, own, name in self._names
            if wanted & bits
        ]
        matcher = SequenceMatcher(b=wrong.lower())
        close: list[tuple[float, str]] = []
        for _, name in nlargest(MOST_COMPARED, alike):
            matcher.set_seq1(name.lower())
            if matcher.real_quick_ratio() >= LEAST_ALIKE and matcher.quick_ratio() >= LEAST_ALIKE:
                close.append((matcher.ratio(), name))
        return tuple(name for ratio, name in nlargest(MOST_TOLD, close) if ratio >= LEAST_ALIKE)


def _pairs(name: str) -> int:
    """A bit for each pair of neighbouring letters; where the name begins and ends counts as a letter."""
    bits = 0
    before = 0
    for letter in (*name.lower(), "\0"):
        after = ord(letter)
        bits |= 1 << (before * 31 + after) % _BITS
        before = after
    return bits
