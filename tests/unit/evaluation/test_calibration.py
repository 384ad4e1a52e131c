"""The threshold under which no route fits, and what it honestly gains."""

from __future__ import annotations

import random

import pytest

from plano.evaluation.calibration import Calibration, Scored, calibrate, effect, fit


def turn(
    score: float, *, gold: str | None = "code", nearest: str | None = "code", conversation: str = ""
) -> Scored:
    return Scored(conversation or f"{score}{gold}{nearest}", gold, nearest, score)


def test_the_threshold_lies_in_the_middle_between_what_fits_and_what_does_not() -> None:
    """Users' next turns score a little higher and a little lower than these."""
    scored = [turn(0.9), turn(0.7), turn(0.3, gold=None), turn(0.1, gold=None)]

    assert fit(scored, present=0.0) == pytest.approx(0.5, abs=0.011)


def test_turns_that_go_to_the_wrong_route_do_not_hold_the_threshold_down() -> None:
    """They are wrong either way."""
    scored = [turn(0.9), turn(0.2, nearest="law"), turn(0.4, gold=None)]

    assert effect(scored, fit(scored, present=0.0)).both.accuracy == pytest.approx(2 / 3)


def test_turns_that_are_refused_whatever_their_score_have_no_say() -> None:
    """Small talk is none of the routes by another measure."""
    scored = [turn(0.9, nearest=None, gold=None), turn(0.5), turn(0.1, gold=None)]

    assert effect(scored, fit(scored, present=1.0)).both.accuracy == 1.0


def test_a_threshold_that_is_as_good_as_any_stays() -> None:
    """A change without a gain is a risk."""
    scored = [turn(0.9), turn(0.1, gold=None)]

    assert fit(scored, present=0.123) == 0.123


def test_the_effect_is_told_for_either_kind_and_for_both() -> None:
    """What a higher threshold wins on the one it loses on the other."""
    scored = [turn(0.9), turn(0.4), turn(0.3, gold=None), turn(0.6, gold=None)]

    found = effect(scored, 0.5)

    shares = (found.in_scope, found.out_of_scope, found.both)
    assert [(share.n, share.accuracy) for share in shares] == [(2, 0.5), (2, 0.5), (4, 0.5)]


def simulated(*, n: int, apart: float, seed: int) -> Calibration:
    """Scores of both kinds, so far apart; the present threshold lets everything in."""
    chance = random.Random(seed)
    inside = [turn(chance.gauss(0.6 + apart, 0.1), conversation=f"in {each}") for each in range(n)]
    outside = [turn(chance.gauss(0.6, 0.1), gold=None, conversation=f"out {each}") for each in range(n)]
    return calibrate([*inside, *outside], present=0.0)


def test_what_can_be_told_apart_is_a_sure_gain() -> None:
    """The interval is away from zero, and turns that were held out are nearly as right as the others."""
    found = simulated(n=60, apart=0.5, seed=1)

    assert (found.gain.is_sure, found.gain.held_out.accuracy > 0.95, found.has_few) == (True, True, False)


def test_what_cannot_be_told_apart_gains_nothing_on_what_was_held_out() -> None:
    """The best threshold of noise always looks better on what it was fitted to; no other turn agrees."""
    gains = [simulated(n=15, apart=0.0, seed=seed).gain for seed in range(12)]

    assert (sum(gain.mean for gain in gains) <= 0, any(gain.is_sure for gain in gains)) == (True, False)


def test_turns_of_one_conversation_are_held_out_together() -> None:
    """Otherwise a turn would be judged by a threshold that its own dialogue has chosen."""
    outlier = [turn(0.2, conversation="one") for _ in range(5)]
    rest = [turn(0.9, conversation=f"c{each}") for each in range(20)]
    outside = [turn(0.5, gold=None, conversation=f"n{each}") for each in range(4)]

    found = calibrate([*outlier, *rest, *outside], present=1.0)

    # Fitted to all, the threshold lets the one dialogue in; the others alone choose one that keeps it out.
    assert (found.after.threshold < 0.2, found.gain.held_out.accuracy) == (True, 20 / 29)


def test_few_turns_are_said_to_be_few() -> None:
    """A threshold fitted to three turns is chance."""
    assert calibrate([turn(0.9), turn(0.1, gold=None)], present=0.5).has_few


def test_one_kind_alone_cannot_be_fitted() -> None:
    """Without turns that belong nowhere, the lowest threshold is always the best."""
    with pytest.raises(ValueError, match="without one"):
        calibrate([turn(0.9)], present=0.5)
