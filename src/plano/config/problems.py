"""What is wrong with a configuration: all of it at once, each with its place."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

KeyPath = tuple[str | int, ...]
"""The way from the top of the file to a value: `("model_providers", 0, "model")`."""


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """Where something stands in a file, counted from 1 as editors do."""

    line: int = 1
    column: int = 1


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One thing that is wrong, where it is, and what would be right."""

    file: str
    place: Place
    path: str
    """As a person would write it: `model_providers[0].model`; empty for the file as a whole."""
    message: str

    def __str__(self) -> str:
        path = f"{self.path}: " if self.path else ""
        return printable(f"{self.file}:{self.place.line}:{self.place.column}: {path}{self.message}")


class ConfigurationInvalid(Exception):
    """A configuration that cannot be used; its text is every problem, one a line, in file order."""

    def __init__(self, problems: Iterable[Problem], warnings: Iterable[str] = ()) -> None:
        self.problems = tuple(sorted(set(problems)))
        self.warnings = tuple(warnings)
        """What would have been said about it had it been sound."""
        super().__init__("\n".join(map(str, self.problems)))


def spell(path: KeyPath) -> str:
    """A path as a person would write it."""
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else step
    return printable(text)


def printable(text: str) -> str:
    """`text` on one line, whatever it holds: what no screen can show is written as Python does."""
    return text if text.isprintable() else "".join(map(_shown, text))


def _shown(letter: str) -> str:
    return letter if letter.isprintable() else letter.encode("unicode_escape").decode("ascii")


def did_you_mean(wrong: str, choices: Iterable[str]) -> str:
    """` (did you mean 'x'?)`, or nothing when no choice is close."""
    near = get_close_matches(wrong[:200], list(choices), n=1, cutoff=0.7)
    return f" (did you mean {near[0]!r}?)" if near else ""


def enumerate_choices(choices: Sequence[str]) -> str:
    """`a`, `a or b`, `a, b or c`."""
    *most, last = choices
    return f"{', '.join(most)} or {last}" if most else last
