"""What `plano eval`, `plano calibrate` and `plano lint` print, word for word, for outcomes that are given.

A table that is changed on purpose is written anew by deleting its `.txt` and running this once: the
test then fails and leaves the new one to be read and committed.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest

from plano.catalog.names import RouteName
from plano.cli.accuracy_tables import show_accuracy, show_errors
from plano.cli.calibrate import show_calibration
from plano.evaluation.accuracy import Outcome, accuracy
from plano.evaluation.calibration import Scored, calibrate
from plano.evaluation.labelled import LabelledTurn
from plano.evaluation.run import Judged
from plano.routing.decision import Reason
from plano.routing.route_set import RouteSet
from plano.routing.utterance import Utterance

FOLDER: Final = Path(__file__).parent / "tables"
WIDEST: Final = 100
Output = pytest.CaptureFixture[str]


def assert_golden(name: str, said: str) -> None:
    golden = FOLDER / f"{name}.txt"
    if not golden.exists():
        golden.write_text(said, "utf-8")
        pytest.fail(f"wrote {golden.name}: read it, then commit it")
    assert said == golden.read_text("utf-8")
    assert max(map(len, said.splitlines())) <= WIDEST


def outcomes(*told: tuple[str | None, str | None, int]) -> list[Outcome]:
    """Gold, predicted and how often; every third turn belongs to the conversation before."""
    pairs = [(gold, given) for gold, given, count in told for _ in range(count)]
    return [Outcome(str(at // 3), gold, given, at / 10) for at, (gold, given) in enumerate(pairs)]


def test_few_routes_make_a_matrix(capsys: Output) -> None:
    """A person sees at a glance which two get mixed up."""
    found = accuracy(
        outcomes(
            ("code generation", "code generation", 31),
            ("code generation", "debugging", 6),
            ("debugging", "debugging", 18),
            ("contracts, leases and whatever else a lawyer reads", None, 4),
            (None, None, 9),
            (None, "code generation", 2),
        )
    )

    show_accuracy("labelled.jsonl", found, {"embedded": 70})

    assert_golden("few-routes", capsys.readouterr().out)


def test_many_routes_make_a_list_of_the_largest_confusions(capsys: Output) -> None:
    """A matrix of thirty routes fits on no screen."""
    names = [f"a kind of work that takes {number} words to say" for number in range(30)]
    found = accuracy(
        outcomes(
            *((name, name, 5) for name in names),
            *((name, names[at - 1], at % 7) for at, name in enumerate(names)),
        )
    )

    show_accuracy("-", found, {"plano/orchestrator": 200, "embedded": 37})

    assert_golden("many-routes", capsys.readouterr().out)


def test_all_right_has_no_confusions(capsys: Output) -> None:
    """A table of zeros would have to be searched for what is not there."""
    show_accuracy("labelled.jsonl", accuracy(outcomes(("code", "code", 3), (None, None, 1))), {})

    assert_golden("all-right", capsys.readouterr().out)


def test_errors_show_the_ask_and_how_near_it_was(capsys: Output) -> None:
    """On one line, whatever the user pasted; a control character must not reach the terminal."""
    pasted = "why does\nthis fail?\x1b[2J " + "x = 1\n" * 100
    routes = RouteSet([])
    first = LabelledTurn(7, "7", (Utterance("user", pasted),), RouteName("debugging"), routes)
    second = LabelledTurn(12, "12", (Utterance("user", "hi"),), None, routes)
    third = LabelledTurn(13, "13", (Utterance("user", "sum 1 and 2"),), RouteName("mathematics"), routes)
    errors = [
        Judged(
            first, Reason("preference", "chose", "", RouteName("code generation"), 0.91, 0.034, "embedded")
        ),
        Judged(second, Reason("preference", "chose", "", RouteName("debugging"), router="plano/served")),
        Judged(third, Reason("preference", "abstained", "", RouteName("mathematics"), 0.19, 0.1, "embedded")),
    ]

    show_errors("labelled.jsonl", errors)

    assert_golden("errors", capsys.readouterr().out)


def scored(*told: tuple[str | None, str, float, int]) -> list[Scored]:
    turns = [(gold, nearest, score) for gold, nearest, score, count in told for _ in range(count)]
    return [Scored(str(at), gold, nearest, score) for at, (gold, nearest, score) in enumerate(turns)]


CALIBRATIONS = {
    "sure": scored(
        ("code", "code", 0.8, 40), ("code", "law", 0.7, 5), (None, "law", 0.5, 30), (None, "law", 0.9, 4)
    ),
    "chance": scored(("code", "code", 0.8, 4), (None, "law", 0.5, 1)),
    "as-good-as-any": scored(("code", "code", 0.8, 40), (None, "law", 0.1, 30)),
}


@pytest.mark.parametrize("name", CALIBRATIONS)
def test_a_calibration_says_what_to_write_and_what_it_costs(name: str, capsys: Output) -> None:
    """And, where the gain may be chance, says that first."""
    show_calibration("labelled.jsonl", calibrate(CALIBRATIONS[name], present=0.3))

    said = capsys.readouterr()
    assert_golden(f"calibration-{name}", said.out + said.err)


def test_every_golden_file_has_its_test() -> None:
    """A file that nothing reads would be taken for a promise."""
    expected = {
        "few-routes",
        "many-routes",
        "all-right",
        "errors",
        *(f"calibration-{name}" for name in CALIBRATIONS),
    }

    assert {path.stem for path in FOLDER.glob("*.txt")} == expected
