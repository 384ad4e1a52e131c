"""What somebody may use of what is declared: the models that a gateway key's list allows.

One question about one model, asked wherever a model could come into a request: named, by an alias, from a
route, from a session's pin, as a fallback.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from plano.catalog.catalog import Model

ANYTHING: Final = "*"
"""In a pattern: any characters, slashes included; the only sign that is special."""


@dataclass(frozen=True, slots=True)
class Allowance:
    """The models that may be used; what is not in it is not there."""

    declared: frozenset[str]
    """Declared models that are allowed, by their names (two may have one id)."""
    members: frozenset[str] = frozenset()
    """Members of wildcards that are allowed, in full."""
    patterns: tuple[re.Pattern[str], ...] = ()
    """For members of wildcards, of which there may be any number."""

    def allows(self, model: Model, full: str) -> bool:
        """Whether `model` may be used under its full name `full` (a wildcard's is the member's)."""
        if model.name in self.declared:
            return True
        if not model.is_wildcard:
            return False
        return full in self.members or any(pattern.fullmatch(full) for pattern in self.patterns)


def is_pattern(entry: str) -> bool:
    return ANYTHING in entry


def pattern_of(entry: str) -> re.Pattern[str]:
    """`openai/gpt-*` as it is matched against a full name."""
    return re.compile(".*".join(map(re.escape, entry.split(ANYTHING))), re.DOTALL)


def matched(pattern: re.Pattern[str], models: Iterable[Model]) -> frozenset[str]:
    """The names of the declared models that a pattern allows by their ids, wildcards as a whole left out."""
    return frozenset(model.name for model in models if not model.is_wildcard and pattern.fullmatch(model.id))


def may_match_member(entry: str, wildcard: Model) -> bool:
    """Whether a pattern could allow any member of a wildcard, as far as their fixed beginnings tell."""
    ours, theirs = entry.partition(ANYTHING)[0], wildcard.id[:-1]
    return ours.startswith(theirs) or theirs.startswith(ours)
