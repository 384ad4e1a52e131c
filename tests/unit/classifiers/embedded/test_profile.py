"""How near a route is: by its own words, by the kind of work that it is, and by its examples."""

from __future__ import annotations

import numpy as np
import pytest

from plano.catalog.catalog import Route
from plano.catalog.names import RouteName
from plano.classifiers.embedded.profile import Profile, profile_of
from tests.unit.classifiers.embedded.words import KINDS, Words


def profile(*routes: tuple[str, str], examples: tuple[str, ...] = ()) -> Profile:
    """`examples` are the first route's."""
    made = [Route(RouteName(name), description, ()) for name, description in routes]
    made[0] = Route(made[0].name, made[0].description, (), examples=examples)
    return profile_of(made, Words().encode, KINDS)


def nearest(read: Profile, text: str) -> str:
    return read.names[int(read.likeness(Words().encode([text])[0]).argmax())]


TASKS = (("transfer money", "send money to a person"), ("card lost", "report a stolen card, block a card"))
WORK = (("debugging", "program errors or crashes"), ("poetry", "poems, verses or rhymes"))


def test_the_route_whose_words_are_used_is_nearest() -> None:
    """The plain case: people say what the route says."""
    assert nearest(profile(*TASKS), "please send money to my brother") == "transfer money"


def test_a_name_is_read_as_words() -> None:
    """Names are often identifiers, and what joins their words is not meant."""
    assert nearest(profile(("send_money", ""), ("lost-card", "")), "the card is lost") == "lost-card"


def test_one_fragment_is_enough() -> None:
    """A route that lists several things is meant by any one of them."""
    read = profile(("home", "lights, heating, doors, blinds, music"), ("car", "driving the car somewhere"))

    assert nearest(read, "blinds") == "home"


def test_what_a_route_is_not_for_is_not_held_for_it() -> None:
    """An encoder reads 'not for invoices' as being about invoices."""
    read = profile(
        ("questions", "Any question. Not for invoices, refunds or payments."), ("billing", "what was paid")
    )

    asked = Words().encode(["invoices refunds payments"])[0]
    assert read.directness(asked) == 0.0


def test_a_description_that_only_denies_is_kept() -> None:
    """Nothing would be left of it, and a route must have some place."""
    assert nearest(profile(("rest", "No invoices"), ("billing", "payments")), "invoices") == "rest"


def test_examples_draw_what_is_like_them() -> None:
    """The quickest way to tell a route what belongs to it."""
    text = "my plastic was swallowed by the machine"

    assert (
        nearest(profile(*reversed(TASKS), examples=("the machine swallowed my plastic",)), text)
        == "card lost"
    )


def test_work_is_found_by_its_kind_without_a_shared_word() -> None:
    """'Why is it broken' and 'debugging' have nothing in common but what they are about."""
    assert nearest(profile(*WORK), "why is it broken") == "debugging"


def test_kinds_say_nothing_of_somebodys_tasks() -> None:
    """Routes that are no kind of work must not be told apart by kinds of work."""
    known = (profile(*WORK).known, profile(*TASKS).known)

    assert known == (1.0, 0.0)


def test_a_route_for_everything_else_gets_what_no_other_claims() -> None:
    """Nothing is near to 'everything else': it is what the others leave."""
    read = profile(*WORK, ("rest", "Everything else"))

    assert nearest(read, "what goes with leeks") == "rest"


@pytest.mark.parametrize(
    ("name", "description"),
    [
        ("general", "From gardening to geography"),
        ("chat", "Anything else a person may want"),
        ("questions", "Any other question"),
    ],
)
def test_a_route_is_for_everything_else_by_its_name_or_its_description(name: str, description: str) -> None:
    """People write it in several ways."""
    assert nearest(profile(*WORK, (name, description)), "what goes with leeks") == name


def test_naming_other_things_does_not_make_a_route_the_one_for_everything_else() -> None:
    """'Poems and other verses' are poems."""
    read = profile(("debugging", "program errors or crashes"), ("poetry", "poems, rhymes and other verses"))

    cooking = read.affinities[:, list(KINDS.names).index("cooking")]
    assert cooking.max() < 0.2


@pytest.mark.parametrize(
    ("routes", "takes"),
    [
        pytest.param(WORK, False, id="none is near"),
        pytest.param((*WORK, ("talk", "small talk greetings thanks")), True, id="one is for it"),
    ],
)
def test_a_route_may_be_meant_for_small_talk(routes: tuple[tuple[str, str], ...], takes: bool) -> None:
    """Only where none is does small talk belong nowhere."""
    assert profile(*routes).takes_small_talk is takes


def test_a_route_alone_is_a_profile() -> None:
    """One route or none of them is a fair question."""
    read = profile(("debugging", "program errors"))

    assert read.likeness(Words().encode(["program errors"])[0]).shape == (1,)


def test_likeness_is_in_the_order_of_the_routes() -> None:
    """Whatever their number of fragments."""
    read = profile(("a", "red, green, blue"), ("b", "circle"), ("c", "salt or pepper"))

    order = [int(read.likeness(Words().encode([text])[0]).argmax()) for text in ("blue", "circle", "pepper")]
    assert order == [0, 1, 2]
    assert read.likeness(np.zeros(384, np.float32)).dtype == np.float32
