"""Sample wordings of a route, made of its own words: what a user who wants it may say."""

from __future__ import annotations

import re
from typing import Final

from plano.catalog.catalog import Route

ASKS: Final = ("{}", "can you help me with {}", "I need {}")
"""Asking for the same three ways moves the embedding as far as users' own ways of asking do: leads over
these told pairs of routes that real turns confuse from others better than leads over the bare words."""

_BETWEEN: Final = re.compile(r"[,;:()]|[.!?](?:\s|$)|\bor\b|\band\b|\be\.g\b|\bsuch as\b|\bincluding\b")
_SHORTEST: Final = 3


def spoken(name: str) -> str:
    """A name as it would be said: `code_review` is two words."""
    return " ".join(re.sub(r"[_\-./]+|(?<=[a-z])(?=[A-Z])", " ", name).split())


def fragments(description: str) -> list[str]:
    """The things that a description lists, each once."""
    parts = (part.strip(" .\"'") for part in _BETWEEN.split(description))
    return list(dict.fromkeys(part for part in parts if len(part) >= _SHORTEST))


def wordings(route: Route) -> list[str]:
    """Ways to ask for the route by its name and by what its description lists."""
    return asked([spoken(route.name), *fragments(route.description)])


def asked(things: list[str]) -> list[str]:
    """Each thing, asked for in each way."""
    return [ask.format(thing) for thing in dict.fromkeys(things) for ask in ASKS]


_WORD: Final = re.compile(r"[^\W\d_]+|\d+")
_ENDING: Final = re.compile(r"(?<=...)(?:ing|ies|ed|es|s|e|y)$")
_LITTLE_WORDS: Final = """
    a an the of or and to in on for is are was what how that this it its with from by at be as into
    do does  you your i me my we our they their user users' about any some one not no new
"""
_EMPTY: Final = frozenset(_LITTLE_WORDS.split())


def content(text: str) -> list[str]:
    """The words of a text that carry meaning, without their endings, in their order."""
    words = (word for word in _WORD.findall(spoken(text).lower()) if word not in _EMPTY)
    return [_ENDING.sub("", word) for word in words]
