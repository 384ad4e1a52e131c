"""How what was said before counts: the latest turn decides, unless it cannot stand alone."""

from __future__ import annotations

from collections.abc import Sequence

from plano.classifiers.embedded.profile import Profile, Vectors

TURNS_READ = 4
"""User turns that can matter, the latest included."""
SHORT_WORDS = 10
"""A turn of fewer words leans on the one before."""
LEAN = 0.5


def stands_alone(text: str) -> bool:
    return len(text.split()) >= SHORT_WORDS


def likeness(turns: Sequence[tuple[str, Vectors]], profile: Profile) -> Vectors:
    """How near each route is to the conversation: `turns` are the user's, oldest first, with vectors."""
    text, vector = turns[-1]
    own = profile.likeness(vector)
    if len(turns) == 1 or stands_alone(text):
        return own
    leaning: Vectors = own + LEAN * likeness(turns[:-1], profile)
    return leaning
