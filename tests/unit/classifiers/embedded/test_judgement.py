"""A verdict carries the numbers that explain it."""

from __future__ import annotations

import pytest

from plano.catalog.catalog import Route
from plano.catalog.names import RouteName
from plano.classifiers.embedded.history import Turn
from plano.classifiers.embedded.judgement import CAUTION, judged
from plano.classifiers.embedded.profile import Profile, profile_of
from plano.classifiers.embedded.reading import Heard
from plano.routing.verdict import Matched, NoneFits
from tests.unit.classifiers.embedded.words import KINDS, Words


def profile(*routes: tuple[str, str]) -> Profile:
    return profile_of([Route(RouteName(name), text, ()) for name, text in routes], Words().encode, KINDS)


WORK = (("debugging", "program errors or crashes"), ("poetry", "poems, verses or rhymes"))


def said(text: str) -> list[Turn]:
    return [Turn(Heard(text), Words().encode([text])[0])]


def test_the_nearest_route_is_chosen_with_its_score_and_lead() -> None:
    """Both are shown to people, and calibrated on."""
    verdict = judged(said("program errors"), profile(*WORK), 0.25)

    assert isinstance(verdict, Matched)
    assert (verdict.route, (verdict.score or 0) > 1, (verdict.margin or 0) > 0.5) == ("debugging", True, True)


def test_under_the_threshold_none_fits_and_the_nearest_is_told() -> None:
    """Who calibrates must see what would have been chosen."""
    verdict = judged(said("something unheard of"), profile(*WORK), 0.25)

    assert isinstance(verdict, NoneFits)
    assert verdict.because == f"the best score, {verdict.score:.2f}, is under the threshold, 0.25"
    assert verdict.nearest in ("debugging", "poetry")


def test_the_threshold_itself_is_enough() -> None:
    """`plano calibrate` prints thresholds that are scores."""
    scored = judged(said("program errors"), profile(*WORK), 0.0)
    assert isinstance(scored, Matched)

    assert isinstance(judged(said("program errors"), profile(*WORK), scored.score or 0.0), Matched)


@pytest.mark.parametrize(
    "routes",
    [
        pytest.param((*WORK, ("chat", "small talk greetings thanks")), id="a route for small talk"),
        pytest.param((*WORK, ("gratitude", "thanks a lot")), id="a route in these very words"),
    ],
)
def test_small_talk_goes_where_it_is_wanted(routes: tuple[tuple[str, str], ...]) -> None:
    """An assistant may have a route for thanks."""
    verdict = judged(said("thanks a lot"), profile(*routes), 0.0)

    assert isinstance(verdict, Matched)
    assert verdict.route == routes[-1][0]


def test_small_talk_belongs_to_no_other_route() -> None:
    """Whatever it happens to be nearest to."""
    verdict = judged(said("thanks a lot"), profile(*WORK), -9.0)

    assert verdict == NoneFits("the latest turn is small talk, and no route is for that")


def test_a_route_alone_leads_nobody() -> None:
    """There is no margin where there is no other."""
    verdict = judged(said("program errors"), profile(("debugging", "program errors")), 0.25)

    assert isinstance(verdict, Matched)
    assert verdict.margin is None


def test_a_first_turn_of_somebodys_tasks_is_met_with_caution() -> None:
    """What is out of scope often shares a word; once a task is under way it does not matter."""
    tasks = profile(("find bus", "find a bus between cities"), ("play music", "play a song"))
    first = judged(said("play a song"), tasks, 0.25)
    later = judged([*said("play a song"), *said("unheard of")], tasks, 0.25)

    assert isinstance(first, Matched)
    assert isinstance(later, Matched)
    assert first.score == pytest.approx(float(tasks.likeness(said("play a song")[0].vector).max()) - CAUTION)
    assert later.route == "play music"
