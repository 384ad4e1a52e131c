"""How what was said before counts.

People who talk to a language model change the kind of work from turn to turn, so there the latest turn
decides, and leans on the one before only when it is short. People who talk to an assistant that performs
tasks answer its questions, and stay with a task until they name another. The two want opposite rules, and
nobody says which it is; what tells is the routes (are they kinds of work, or somebody's tasks?) and, in
the conversation, that the assistant has asked and the user answers shortly.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from plano.classifiers.embedded.profile import Profile
from plano.classifiers.embedded.reading import Heard
from plano.classifiers.embedded.vectors import Vectors

SHORT_WORDS = 10
"""A turn of fewer words may not stand alone."""
LEAN = 0.5
"""How much of what came before goes into a short turn, among kinds of work."""
CARRY = 0.2
"""How much of what came before goes into any turn, among tasks."""
STAY = 0.28
"""By how much the task under way leads."""
SAYS_ENOUGH = 1.0
"""A turn of a task whose best score is lower says little ("next Monday"), and counts as much less."""
LEAST_SAID = 0.3
QUESTION_WEIGHT = 0.3
"""Of the question that a turn answers."""
ACCEPTED_WEIGHT = 0.7
"""Of the question that a turn says yes to: it is as good as the user's own words."""


@dataclass(frozen=True, slots=True, eq=False)
class Turn:
    """One user turn and its vectors."""

    heard: Heard
    vector: Vectors
    question: Vectors | None = None
    """Of what the assistant had asked."""


def likeness(turns: Sequence[Turn], profile: Profile) -> Vectors:
    """How near each route is to the conversation of `turns`, oldest first, at least one."""
    carried = decided = profile.likeness(turns[0].vector)
    for turn in turns[1:]:
        tasked = _tasked(turn, profile)
        kept = LEAN if profile.known > 0.5 and _is_short(turn) else CARRY * tasked
        carried = _own(turn, profile, tasked) + kept * carried
        under_way = int(decided.argmax())
        decided = carried.copy()
        decided[under_way] += STAY * tasked
    return decided


def continues(turns: Sequence[Turn], profile: Profile) -> bool:
    """The latest turn belongs to a task under way, or answers a question: it cannot be small talk."""
    return len(turns) > 1 and (profile.known < 0.5 or turns[-1].question is not None)


def _tasked(turn: Turn, profile: Profile) -> float:
    """From 0 to 1: how far the turn is one of a task."""
    answers = turn.question is not None and _is_short(turn)
    return 1.0 if answers else 1.0 - profile.known


def _own(turn: Turn, profile: Profile, tasked: float) -> Vectors:
    own = profile.likeness(turn.vector)
    if not tasked:
        return own
    said = min(1.0, max(LEAST_SAID, float(own.max()) / SAYS_ENOUGH))
    own = own * (1.0 - tasked + tasked * said)
    if turn.question is not None:
        weight = ACCEPTED_WEIGHT if turn.heard.affirms else QUESTION_WEIGHT
        own = own + tasked * weight * profile.likeness(turn.question)
    result: Vectors = np.asarray(own, np.float32)
    return result


def _is_short(turn: Turn) -> bool:
    return turn.heard.words < SHORT_WORDS
