"""What is read of a conversation: each user turn, cut to what the encoder takes, and the question of
the assistant that it answers.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from plano.routing.utterance import Utterance

TURNS_READ = 8
"""User turns that can matter, the latest included."""
LONGEST = 1000
"""Characters of a turn that are embedded, about what the encoder takes; of a longer one the head and the
tail, because people ask before or after what they paste. Each millisecond reads about 50 characters."""
HEAD = LONGEST * 6 // 10
LONGEST_QUESTION = 300
"""Characters at the assistant's end in which its question is looked for."""

_SENTENCE_ENDS = re.compile(r"(?<=[.!?;。！？])\s+|\n+")  # noqa: RUF001 - full width, as they are written
_QUESTION_MARKS = ("?", "？", "؟")  # noqa: RUF001 - likewise
_AFFIRMS = re.compile(
    r"(?:yes|yeah|yep|yup|sure|ok|okay|alright|great|perfect|sounds|that sounds|please do|go ahead|i do"
    r"|i would|correct|that's|sí|si|claro|ja|gerne|oui|d'accord|sim|certo|好|はい|да)\b",
    re.IGNORECASE,
)
_WITHOUT_SPACES = re.compile("[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff]")


@dataclass(frozen=True, slots=True)
class Heard:
    """One user turn."""

    text: str
    question: str = ""
    """What the assistant asked right before; empty when it asked nothing."""

    @property
    def words(self) -> int:
        """How many; in a script without spaces, two characters are about one."""
        return len(self.text.split()) + len(_WITHOUT_SPACES.findall(self.text)) // 2

    @property
    def affirms(self) -> bool:
        """It begins by saying yes."""
        return _AFFIRMS.match(self.text) is not None


def heard(conversation: Sequence[Utterance]) -> tuple[Heard, ...]:
    """The last user turns of `conversation`, oldest first."""
    turns: list[Heard] = []
    at = len(conversation)
    while at and len(turns) < TURNS_READ:
        at -= 1
        if conversation[at].speaker == "user":
            before = conversation[at - 1] if at else None
            asked = _question(before.text) if before is not None and before.speaker == "assistant" else ""
            turns.append(Heard(excerpt(conversation[at].text), asked))
    return tuple(reversed(turns))


def excerpt(text: str) -> str:
    """`text` with its white space made single, cut to its head and tail around `…`."""
    if len(text) > 4 * LONGEST:
        text = text[: 2 * LONGEST] + text[-2 * LONGEST :]
    text = " ".join(text.split())
    if len(text) <= LONGEST:
        return text
    return f"{text[:HEAD]} … {text[HEAD - LONGEST :]}"


def _question(text: str) -> str:
    """The question that stands in one of the last two sentences."""
    sentences: list[str] = [part.strip() for part in _SENTENCE_ENDS.split(text[-LONGEST_QUESTION:])]
    for sentence in reversed([sentence for sentence in sentences if len(sentence) > 1][-2:]):
        if sentence.endswith(_QUESTION_MARKS):
            return sentence
    return ""
