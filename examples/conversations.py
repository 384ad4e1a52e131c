"""What the demo asks: a dozen conversations of different kinds, none of which names a model."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Conversation:
    """What is said, oldest first; the user begins, and has the last word."""

    kind: str
    turns: tuple[str, ...]

    @property
    def messages(self) -> list[dict[str, str]]:
        speakers = ("user", "assistant")
        return [{"role": speakers[at % 2], "content": turn} for at, turn in enumerate(self.turns)]


CONVERSATIONS = (
    Conversation(
        "code to write",
        ("Write a Python function that merges two sorted lists without using sort().",),
    ),
    Conversation(
        "the same, elsewhere",
        (
            "Write a Python function that merges two sorted lists without using sort().",
            "def merge(a, b): ...",
            "now in Go",
        ),
    ),
    Conversation(
        "code to explain",
        (
            (
                "What does this do, step by step?\n\n"
                "def f(n, memo={}):\n    if n < 2: return n\n"
                "    if n not in memo: memo[n] = f(n-1) + f(n-2)\n    return memo[n]"
            ),
        ),
    ),
    Conversation(
        "an error to find",
        (
            (
                "My tests fail since this morning and I can't see why:\n\n"
                'Traceback (most recent call last):\n  File "app.py", line 12, in <module>\n'
                "    total = sum(prices)\nTypeError: unsupported operand type(s) for +: 'int' and 'str'"
            ),
        ),
    ),
    Conversation(
        "a contract clause",
        (
            (
                "Our supplier wants to cap liability at one month's fees. "
                "Is that clause usual, and what should we ask for instead?"
            ),
        ),
    ),
    Conversation(
        "symptoms",
        ("I've had a dull headache behind my eyes for three days and light makes it worse.",),
    ),
    Conversation(
        "a poem",
        ("A short poem about the last tram of the night, please. No rhymes.",),
    ),
    Conversation(
        "a sum",
        ("If I put 250 a month aside at 3.5 % a year, how much is it after ten years?",),
    ),
    Conversation(
        "a translation",
        ("How would you say 'the meeting has been moved to Thursday' in polite Japanese?",),
    ),
    Conversation(
        "another language",
        ("Escribe una función en JavaScript que valide direcciones de correo.",),
    ),
    Conversation(
        "a change of subject",
        (
            "Write a haiku about rain.",
            "Rain on the tin roof / …",
            "lovely. btw, why does my SQL query return every row twice after this join?",
        ),
    ),
    Conversation(
        "small talk",
        ("hi there! how's your day going?",),
    ),
)
