"""The latest turn decides among kinds of work; a task goes on until another is named."""

from __future__ import annotations

from plano.catalog.catalog import Route
from plano.catalog.names import RouteName
from plano.classifiers.embedded.history import Turn, continues, likeness
from plano.classifiers.embedded.profile import Profile, profile_of
from plano.classifiers.embedded.reading import Heard
from tests.unit.classifiers.embedded.words import KINDS, Words


def profile(*routes: tuple[str, str]) -> Profile:
    return profile_of([Route(RouteName(name), text, ()) for name, text in routes], Words().encode, KINDS)


WORK = profile(("debugging", "program errors or crashes"), ("poetry", "poems, verses or rhymes"))
TASKS = profile(
    ("find bus", "find a bus between cities"),
    ("buy ticket", "buy a bus ticket"),
    ("play music", "play a song"),
)


def turn(text: str, question: str = "") -> Turn:
    encode = Words().encode
    return Turn(Heard(text, question), encode([text])[0], encode([question])[0] if question else None)


def decided(read: Profile, *turns: Turn) -> str:
    return read.names[int(likeness(turns, read).argmax())]


def test_a_long_turn_stands_alone_among_kinds_of_work() -> None:
    """People change the kind of work from turn to turn."""
    first = turn("program errors and crashes everywhere")
    then = turn("now give me some poems with verses and rhymes about all of this please")

    assert decided(WORK, first, then) == "poetry"


def test_a_short_turn_leans_on_the_one_before() -> None:
    """'and shorter' says nothing of what it is about."""
    assert decided(WORK, turn("verses about spring with rhymes"), turn("and shorter")) == "poetry"


def test_a_short_turn_that_says_enough_does_not_lean() -> None:
    """What came before counts half."""
    assert decided(WORK, turn("verses about spring"), turn("program errors")) == "debugging"


def test_a_task_goes_on_while_its_details_are_given() -> None:
    """'Next Monday at noon' names no task."""
    assert decided(TASKS, turn("find a bus between cities"), turn("next Monday at noon")) == "find bus"


def test_a_task_ends_when_another_is_named() -> None:
    """Being under way is a lead, not a verdict."""
    assert decided(TASKS, turn("find a bus between cities"), turn("play a song")) == "play music"


def test_saying_yes_to_an_offer_is_asking_for_what_was_offered() -> None:
    """The words of the task are the assistant's, and the user made them his."""
    began = turn("find a bus between cities")

    assert decided(TASKS, began, turn("yes please", "Shall I buy the bus ticket?")) == "buy ticket"
    assert decided(TASKS, began, turn("noon", "Shall I buy the bus ticket?")) == "find bus"


def test_a_short_answer_to_a_question_belongs_to_a_task_whatever_the_routes() -> None:
    """Agents of all kinds ask back."""
    began = turn("program errors or crashes in the log")

    assert decided(WORK, began, turn("the second poems", "Which program has the errors?")) == "debugging"


def test_only_what_may_be_small_talk_is_taken_for_it() -> None:
    """Thanks within a task are part of it; among kinds of work they are not."""
    first, thanks = turn("first"), turn("thanks a lot")
    asked = turn("fine", "Shall I go on?")

    cases = [
        continues([first, thanks], WORK),
        continues([first, asked], WORK),
        continues([first, thanks], TASKS),
        continues([thanks], TASKS),
    ]
    assert cases == [False, True, True, False]
