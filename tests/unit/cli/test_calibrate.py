"""`plano calibrate`: the threshold under which no route fits."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from plano.cli.main import main

Output = pytest.CaptureFixture[str]

ROUTES = """\
version: v0.4.0
model_providers: [{model: simulated/a}]
routing: {embedded_threshold: 0}
routing_preferences:
  - {name: poetry, description: "poems, rhymes and song lyrics", models: [a]}
  - {name: mathematics, description: "equations, proofs and percentages", models: [a]}
"""
WHAT = ("the sea", "my old dog", "winter", "a train", "our garden", "the moon", "bread", "rain")
ASKS = [
    *((f"write a poem with rhymes about {what}", "poetry") for what in WHAT),
    *((f"prove the equation number {number} in percentages", "mathematics") for number in range(12)),
    *((f"what is the price of {what}?", None) for what in ("petrol", "a hotel", "gold", "milk", "a flat")),
    *((f"who is the mayor of {what}?", None) for what in ("Rome", "Oslo", "Lima", "Bern", "Riga", "Kiel")),
    *((f"which train goes to {what}?", None) for what in ("Rome", "Oslo", "Lima", "Bern", "Riga", "Kiel")),
    *((f"is it warm in {what}?", None) for what in ("Rome", "Oslo", "Lima", "Bern", "Riga", "Kiel")),
]


def write(folder: Path, asks: list[tuple[str, str | None]], routes: str = ROUTES) -> list[str]:
    config, data = folder / "config.yaml", folder / "labelled.jsonl"
    config.write_text(routes, "utf-8")
    lines = ({"messages": [{"role": "user", "content": ask}], "route": route} for ask, route in asks)
    data.write_text("".join(f"{json.dumps(line)}\n" for line in lines), "utf-8")
    return ["calibrate", "--config", str(config), str(data)]


def test_a_threshold_that_gains_for_sure_is_what_to_write(tmp_path: Path, capsys: Output) -> None:
    """As lines that can be copied into the file."""
    code = main(write(tmp_path, ASKS))

    said = capsys.readouterr()
    assert (code, said.err) == (0, "")
    assert "Put into the file:\n\nrouting:\n  embedded_threshold: " in said.out


def test_what_it_prints_has_the_effect_that_it_tells(tmp_path: Path, capsys: Output) -> None:
    """The same lines, measured with the threshold in the file, are as right as was said."""
    arguments = write(tmp_path, ASKS)
    main([*arguments, "--json"])
    told = json.loads(capsys.readouterr().out)
    threshold = told["embedded_threshold"]
    _, *config_and_data = write(
        tmp_path, ASKS, ROUTES.replace("embedded_threshold: 0", f"embedded_threshold: {threshold}")
    )

    main(["eval", *config_and_data, "--json"])

    measured = json.loads(capsys.readouterr().out)["turns"]["accuracy"]
    assert (measured, told["before"]["threshold"], told["gain"]["low"] > 0) == (
        told["after"]["both"]["accuracy"],
        0,
        True,
    )


@pytest.mark.parametrize(
    ("asks", "told"),
    [
        ([ask for ask in ASKS if ask[1]], "expected some lines that belong to no route"),
        ([ask for ask in ASKS if not ask[1]], "expected some lines that belong to a route"),
    ],
)
def test_lines_of_one_kind_cannot_be_fitted_to(
    asks: list[tuple[str, str | None]], told: str, tmp_path: Path, capsys: Output
) -> None:
    """Without any that belong nowhere, the lowest threshold always looks best."""
    code = main(write(tmp_path, asks))

    assert (code, told in capsys.readouterr().err) == (1, True)


def test_few_lines_are_said_to_be_few(tmp_path: Path, capsys: Output) -> None:
    """A threshold is printed all the same, beside the reason not to trust it."""
    code = main(write(tmp_path, ASKS[:3] + ASKS[-3:]))

    assert (code, "3 turns with a route, 3 without: under 20 of either" in capsys.readouterr().err) == (
        0,
        True,
    )


def test_a_served_router_model_is_said_not_to_be_calibrated(tmp_path: Path, capsys: Output) -> None:
    """Its verdicts have no score."""
    served = "overrides: {llm_routing_model: simulated/a}\n"

    main(write(tmp_path, ASKS, ROUTES + served))

    assert "simulated/a chooses the routes here" in capsys.readouterr().err
