"""What a verdict depends on, and nothing else: two equal questions have one answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b

from plano.classifiers.embedded.reading import Heard, heard
from plano.routing.route_set import RouteSet
from plano.routing.utterance import Utterance


@dataclass(frozen=True, slots=True)
class Question:
    """Which of `routes` fits the latest of `turns`?"""

    turns: tuple[Heard, ...]
    """Oldest first, at least one."""
    routes: RouteSet
    key: bytes
    """Equal for equal questions, whatever white space, models or cut-away middles they differ in."""


def question_of(conversation: Sequence[Utterance], routes: RouteSet) -> Question:
    """The question that `conversation`, which holds a user's utterance, asks of `routes`."""
    turns = heard(conversation)
    digest = blake2b(routes.key, digest_size=16)
    for turn in turns:
        for text in (turn.question, turn.text):
            encoded = text.encode("utf-8", "surrogatepass")
            digest.update(b"%d:%b" % (len(encoded), encoded))
    return Question(turns, routes, digest.digest())
