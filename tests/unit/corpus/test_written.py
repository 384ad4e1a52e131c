"""Route sets written as text: what becomes of each mark, and every mistake told with its line."""

from __future__ import annotations

import pytest

from tools.corpus.held import Conversation, Header, Message, Route, RouteSet
from tools.corpus.written import WrittenBadly, parse

FACTS = """\
%set vet
%split train
%kind domains
%domain veterinary medicine
%about a practice
%style owners, worried
%route advice :: what to do with an animal that is ill
%route bills :: invoices: sums, dates
"""
HEADER = Header(
    "vet",
    "domains",
    "veterinary medicine",
    "a practice",
    "owners, worried",
    [Route("advice", "what to do with an animal that is ill"), Route("bills", "invoices: sums, dates")],
)


def test_every_mark_begins_what_it_stands_for() -> None:
    """A conversation holds all that was said; golds are of the user's turns alone."""
    text = """
@@ short, lang:de
$$ you are kind
>> advice
the cat ate a lily

help
<< How long ago?
!!
{"tool": 1}
<<
So?
>> advice | -
an hour
>> -
\\>> is not a mark
"""

    held = parse(FACTS + text)

    messages = [
        Message("system", "you are kind"),
        Message("user", "the cat ate a lily\n\nhelp", "advice"),
        Message("assistant", "How long ago?"),
        Message("tool", '{"tool": 1}'),
        Message("assistant", "So?"),
        Message("user", "an hour", ["advice", None]),
        Message("user", ">> is not a mark", None),
    ]
    assert held == RouteSet(HEADER, "train", (Conversation("vet/01", ["short", "lang:de"], messages),))


FAULTS = [
    pytest.param("@@ shrt\n>> advice\nhi", "9: expected a known tag; found 'shrt'", id="tag"),
    pytest.param("@@\n>> advise\nhi", "10: expected a route of the set, or '-'; found 'advise'", id="route"),
    pytest.param("@@\n>> advice\n\n", "10: expected some text; found none", id="no text"),
    pytest.param(">> advice\nhi", "9: expected '@@' before a turn", id="no conversation"),
    pytest.param(
        "%colour red", "9: expected one of set, split, kind, domain, about, style, route", id="fact"
    ),
    pytest.param("%route bills", "9: expected '%route name :: description'", id="no description"),
    pytest.param("stray", "9: expected a mark; found 'stray'", id="stray text"),
    pytest.param("%kind mood", "1: expected one of domains, task-types, domain-action", id="kind"),
]


@pytest.mark.parametrize(("text", "told"), FAULTS)
def test_a_mistake_is_told_with_its_line(text: str, told: str) -> None:
    """Whoever writes four hundred lines finds it."""
    with pytest.raises(WrittenBadly) as bad:
        parse(FACTS + text)

    assert any(line.startswith(told) for line in str(bad.value).splitlines()), str(bad.value)
