"""Labelled conversations: read a line at a time, with every fault told by its place."""

from __future__ import annotations

import io
import json

import pytest

from plano.catalog.catalog import Route
from plano.catalog.names import RouteName
from plano.chat.conversation import Conversation
from plano.evaluation import lines
from plano.evaluation.labelled import Contents, LabelledFile
from plano.evaluation.lines import LinesAtFault
from plano.routing.route_set import RouteSet
from plano.routing.utterance import Utterance

CONFIGURED = RouteSet([Route(RouteName(name), "", ()) for name in ("code", "law")])
SOUND = {"messages": [{"role": "user", "content": "hello"}], "route": "code"}


def said(conversation: Conversation) -> tuple[Utterance, ...]:
    """What the user said; stands for the reading of the gateway."""
    return tuple(
        Utterance("user", turn.text) for turn in conversation.turns if turn.role == "user" and turn.text
    )


def file(*lines: object, routes: RouteSet = CONFIGURED) -> LabelledFile:
    texts = (line if isinstance(line, bytes) else json.dumps(line).encode() for line in lines)
    return LabelledFile("data.jsonl", io.BytesIO(b"\n".join(texts)), routes, said)


def faults(*lines: object, routes: RouteSet = CONFIGURED) -> list[str]:
    with pytest.raises(LinesAtFault) as told:
        file(*lines, routes=routes).check()
    return str(told.value).splitlines()


def test_a_line_is_a_turn_with_its_words_its_route_and_its_routes() -> None:
    """Members that are nobody's business here, as a style or a set, are let be."""
    own = [{"name": "poems", "description": "verse", "examples": ["a haiku"], "models": ["nobody/declared"]}]
    lines = (SOUND, b"", SOUND | {"route": None, "style": "short", "routing_preferences": own})

    first, second = file(*lines).turns()

    assert (first.line, first.ask, first.gold, first.routes) == (1, "hello", "code", CONFIGURED)
    assert (second.line, second.gold) == (3, None)
    assert list(second.routes) == [Route(RouteName("poems"), "verse", (), examples=("a haiku",))]


@pytest.mark.parametrize(
    ("predicted", "right"), [("law", "law"), (None, None), ("code", "code"), ("poems", "code")]
)
def test_where_several_are_right_any_of_them_is(predicted: str | None, right: str | None) -> None:
    """Careful people disagree about some turns; a router that sides with one of them is not wrong."""
    (turn,) = file(SOUND | {"route": ["code", "law", None]}).turns()

    assert turn.right_for(None if predicted is None else RouteName(predicted)) == right


def test_what_is_in_a_file_is_counted() -> None:
    """A threshold cannot be fitted without turns of both kinds."""
    own = [{"name": "poems", "description": "verse"}]

    contents = file(SOUND, SOUND | {"route": None, "routing_preferences": own}).check()

    assert contents == Contents(turns=2, without_route=1, own_routes=1)


def test_lines_of_one_conversation_share_it_and_others_stand_alone() -> None:
    """A line without a name is a conversation of its own, and no name can make it another's."""
    lines = (SOUND, SOUND | {"conversation": "line 1"}, SOUND | {"conversation": "line 1"}, SOUND)

    names = [turn.conversation for turn in file(*lines).turns()]

    assert (names[1] == names[2], len(set(names))) == (True, 3)


def test_equal_routes_of_lines_are_one_object() -> None:
    """What a router works out for a route set, it works out once for a whole dialogue."""
    line = SOUND | {"route": None, "routing_preferences": [{"name": "poems", "description": "verse"}]}

    first, second = file(line, line).turns()

    assert first.routes is second.routes


PREFERENCE = {"name": "poems", "description": "verse"}
FAULTS = [
    pytest.param(b"{", "expected a JSON object on one line; found one that ends too early", id="cut"),
    pytest.param(
        b'{"a": nope}',
        "expected a JSON object on one line; found invalid character at byte 7",
        id="not JSON",
    ),
    pytest.param(b"[1]", "expected a JSON object; found a list", id="a list"),
    pytest.param(b'{"a": "\xff"}', "The body is not UTF-8", id="not UTF-8"),
    pytest.param(
        {"route": "code"},
        "expected the key 'messages', as a chat request has it; found none",
        id="no messages",
    ),
    pytest.param(SOUND | {"messages": 1}, "`messages` must be a list", id="messages of another kind"),
    pytest.param(
        SOUND | {"messages": [{"role": 1}]},
        "`messages[0].role` must be a string.",
        id="a role of another kind",
    ),
    pytest.param(
        SOUND | {"messages": [{"role": "system", "content": "be kind"}]},
        "expected words of the user in 'messages'; found none",
        id="nothing said",
    ),
    pytest.param(
        {"messages": SOUND["messages"]},
        "expected the key 'route': a name, or null for none of them; found none",
        id="no gold",
    ),
    pytest.param(
        SOUND | {"route": 7},
        "'route': expected a name, null, or a list of these; found 7",
        id="gold of another kind",
    ),
    pytest.param(
        SOUND | {"route": ["code", 7]},
        "'route': expected a name, null, or a list of these; found [\"code\", 7]",
        id="one of several golds of another kind",
    ),
    pytest.param(
        SOUND | {"route": []},
        "'route': expected at least one name or null in the list; found none",
        id="no gold in the list",
    ),
    pytest.param(
        SOUND | {"route": "cod"}, "'route': expected one of 'code', 'law'; found 'cod'", id="unknown gold"
    ),
    pytest.param(
        SOUND | {"conversation": ["a"]},
        "'conversation': expected text or a number; found something else",
        id="conversation of another kind",
    ),
    pytest.param(
        SOUND | {"routing_preferences": [PREFERENCE, PREFERENCE]},
        "'routing_preferences': expected each name once; found 'poems' again",
        id="a name twice",
    ),
    pytest.param(
        SOUND | {"routing_preferences": []},
        "'routing_preferences': expected at least one route, each with a name; found less",
        id="no own routes",
    ),
    pytest.param(
        SOUND | {"routing_preferences": [{"name": "poems"}]},
        "'routing_preferences': [0]: expected the key 'description'; found none",
        id="no description",
    ),
    pytest.param(
        SOUND | {"routing_preferences": [PREFERENCE | {"examples": [1]}]},
        "'routing_preferences': [0].examples[0]: expected text; found a number",
        id="an example of another kind",
    ),
]


@pytest.mark.parametrize(("line", "told"), FAULTS)
def test_a_line_that_is_not_what_it_should_be_is_told(line: object, told: str) -> None:
    """With what was expected and what was found, at its place."""
    (fault,) = faults(SOUND, line)

    assert fault.startswith(f"data.jsonl:2: {told}")


def test_all_faults_are_told_at_once_up_to_a_number() -> None:
    """Whoever wrote them with a program made one mistake many times."""
    told = faults(*[b"{"] * (lines.MOST_TOLD + 5))

    assert (len(told), told[-1]) == (lines.MOST_TOLD + 1, "and 5 more")


def test_no_line_at_all_is_a_fault() -> None:
    """Nothing measured would look like everything right."""
    assert faults() == ["data.jsonl: expected labelled conversations, one a line; found none"]


def test_a_line_needs_routes_from_somewhere() -> None:
    """Without routes, none is the only answer there is."""
    (fault,) = faults(SOUND, routes=RouteSet([]))

    assert fault == (
        "data.jsonl:1: expected 'routing_preferences' in the line, as the configuration has none; found none"
    )


def test_a_line_without_end_is_a_fault_and_what_follows_is_read() -> None:
    """A file of one line must not be held in memory to be told so."""
    endless = b'{"x": "' + b"a" * (3 * lines.LONGEST_LINE_BYTES) + b'"}'

    told = faults(endless, b"{")

    assert [fault.partition(" expected")[0] for fault in told] == ["data.jsonl:1:", "data.jsonl:2:"]


def test_a_byte_order_mark_is_no_fault() -> None:
    """Some editors and spreadsheets write one."""
    assert file(b"\xef\xbb\xbf" + json.dumps(SOUND).encode()).check().turns == 1


def test_a_file_that_changed_since_it_was_checked_is_told() -> None:
    """Its figures would be those of neither."""
    lines = io.BytesIO(json.dumps(SOUND).encode())
    reading = LabelledFile("data.jsonl", lines, CONFIGURED, said)
    reading.check()
    lines.truncate(5)

    with pytest.raises(LinesAtFault, match=r"data\.jsonl:1: expected a JSON object"):
        list(reading.turns())
