"""Other ways to write a description, to be tried: a word list only proposes, the measure decides."""

from __future__ import annotations

import re
from typing import Final

from plano.evaluation.lint.wordings import content, spoken

_VAGUE: Final = re.compile(
    r"""\b(?:
      (?:anything|everything|something|all|things|stuff|questions?|requests?|tasks?|topics|matters|issues)
        \s+(?:that\s+(?:is|are)\s+|which\s+(?:is|are)\s+)?
        (?:related\s+to|to\s+do\s+with|having\s+to\s+do\s+with|concerning|regarding|relevant\s+to)
    | (?:anything|everything)\s+(?:about|else|that\s+does\s+not\s+fit.*|not\s+covered.*)
    | (?:anything|everything)
    | (?:any|all|general|other|various|misc(?:ellaneous)?|diverse|different|all\s+kinds\s+of|all\s+sorts\s+of)
        \s+(?:other\s+|general\s+|kinds?\s+of\s+)*(?:questions?|requests?|tasks?|things|stuff|topics|queries
        |inquiries|purposes?|matters|issues)(?:\s+(?:about|on|regarding|concerning|around|related\s+to|of))?
    | (?:all|various|many|different)\s+(?:kinds|sorts|types|aspects)\s+of
    | various | misc(?:ellaneous)? | et\s?c\b\.? | and\s+so\s+(?:on|forth) | and\s+(?:the\s+like|more|similar)
    | general(?:-|\s+)purpose | in\s+general | general | generic | others? | whatever | stuff | and\s+such
    )(?!\w)""",
    re.IGNORECASE | re.VERBOSE,
)
_ADJECTIVES: Final = frozenset(("other", "general", "generic", "various", "whatever"))
"""What comes before a noun that stays."""
_SUCH_AS: Final = re.compile(
    r"^\W*(?:such as|like|including|for example|e\.g\.?|namely)\b[\s,:]*", re.IGNORECASE
)
_LOOSE_ENDS: Final = re.compile(
    r"^(?:\s|[,;:.&]|\b(?:and|or|but|to|of|with)\b)+|(?:\s|[,;:&]|\b(?:and|or)\b)+$"
)
_DOUBLED: Final = re.compile(r"\s*,(?:\s*(?:and|or)?\s*,)+")

_COMMANDS: Final = """
    accept adapt add advise analyse analyze answer ask assess book brainstorm build buy calculate
    call cancel change chat check choose classify clean code compare complete compose compute
    configure convert convey correct create debug define delete deploy describe design detect
    develop diagnose discuss do document draft draw edit estimate evaluate explain explore extend
    extract fetch fill find fix format generate get give handle help identify implement improve
    install integrate interpret invent investigate learn list locate look make manage migrate modify
    move optimise optimize order organise organize outline parse pay perform plan play prepare
    process produce program proofread prove provide query read recommend record refactor remove rename
    reply report research reserve reset resolve respond review revise rewrite run schedule search
    send set share shorten simplify solve sort stop suggest summarise summarize support take talk
    tell test track train transform translate troubleshoot tune turn understand update upgrade use
    verify visualise visualize write
"""
_VERBS: Final = frozenset(_COMMANDS.split())
_START: Final = re.compile(r"((?:^|[,;:.]|\bor\b|\band\b)\s*)([A-Za-z]+)(?=\s|$|,|;|\.)")
_DOUBLES: Final = frozenset(("cancel", "chat", "get", "plan", "program", "put", "run", "set", "stop"))


def vague_words(text: str) -> list[str]:
    """What in a text would be true of any route: `anything related to`, `other`, `and so on`."""
    return list(dict.fromkeys(match.group() for match in _VAGUE.finditer(text)))


def without_vague(description: str) -> str:
    """The description without those words; empty when they were all of it."""
    text = _VAGUE.sub(lambda found: "" if found[0].lower() in _ADJECTIVES else ",", description)
    text = _DOUBLED.sub(",", text)
    before = None
    while text != before:
        before = text
        text = _SUCH_AS.sub("", _LOOSE_ENDS.sub("", text))
    text = re.sub(r",\s*(?:such as|including|like)\s+", ", ", text)
    return " ".join(re.sub(r"\s+([,;:.])", r"\1", text).split())


def says_no_more(name: str, description: str) -> bool:
    """Whether the description, vague words aside, holds nothing that the name does not say."""
    return not set(content(without_vague(description))) - set(content(spoken(name)))


def as_nouns(text: str) -> str:
    """A description whose items begin with commands, with these as nouns: `write code` is `writing code`."""
    return _START.sub(lambda found: found[1] + _noun(found[2]), text)


def _noun(word: str) -> str:
    verb = word.lower()
    if verb not in _VERBS:
        return word
    if verb in _DOUBLES:
        return f"{word}{word[-1]}ing"
    if verb.endswith("e") and not verb.endswith(("ee", "oe", "ye")):
        return f"{word[:-1]}ing"
    return f"{word}ing"
