"""`plano lint`: reads the routes alone for faults."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from plano.cli.main import main

Output = pytest.CaptureFixture[str]
ROOT = Path(__file__).parents[3]

MODELS = "version: v0.4.0\nmodel_providers: [{model: simulated/a}]\n"
SOUND = """\
routing_preferences:
  - {name: poetry, description: "poems, rhymes and song lyrics", models: [a]}
  - {name: mathematics, description: "equations, proofs and percentages", models: [a]}
"""
VAGUE = """\
routing_preferences:
  - name: law
    description: general questions about law, contracts and courts
    models: [a]
  - {name: poetry, description: "poems, rhymes and song lyrics", models: [a]}
  - {name: travel, description: "flights, hotels and trains", models: [a]}
"""


def write(folder: Path, text: str) -> str:
    path = folder / "gateway.yaml"
    path.write_text(MODELS + text, "utf-8")
    return str(path)


def test_good_routes_have_no_warnings(tmp_path: Path, capsys: Output) -> None:
    """Even strictly."""
    code = main(["lint", write(tmp_path, SOUND), "--strict"])

    assert (code, *capsys.readouterr()) == (0, "no warnings in 2 routes\n", "")


def test_a_warning_stands_at_its_place_with_a_suggestion(tmp_path: Path, capsys: Output) -> None:
    """Editors and terminals jump to file:line:column."""
    path = write(tmp_path, VAGUE)

    code = main(["lint", path])

    first, second, last = capsys.readouterr().out.splitlines()
    place = f"{path}:5:18: routing_preferences[0].description: vague: 'general questions about'"
    assert (code, first.startswith(place)) == (0, True)
    assert (second, last) == ("    try: write: law, contracts and courts", "1 warning in 3 routes")


@pytest.mark.parametrize(("flags", "expected"), [([], 0), (["--strict"], 1), (["--strict", "--json"], 1)])
def test_warnings_fail_a_strict_run_alone(tmp_path: Path, flags: list[str], expected: int) -> None:
    """CI chooses whether they stop it."""
    assert main(["lint", write(tmp_path, VAGUE), *flags]) == expected


def test_programs_get_an_array(tmp_path: Path, capsys: Output) -> None:
    """With the measures as numbers."""
    path = write(tmp_path, VAGUE)

    main(["lint", path, "--json"])

    (finding,) = json.loads(capsys.readouterr().out)
    measures = finding.pop("measures")
    assert measures["lead_as_suggested"] > measures["lead"]
    assert finding.pop("message").startswith("'general questions about' would be true of any route")
    assert finding == {
        "code": "vague",
        "file": path,
        "line": 5,
        "column": 18,
        "path": "routing_preferences[0].description",
        "route": "law",
        "other": None,
        "suggestion": "write: law, contracts and courts",
        "wordings": [],
    }


def test_a_served_router_model_is_said_not_to_be_measured(tmp_path: Path, capsys: Output) -> None:
    """It reads routes in its own way."""
    served = "overrides: {llm_routing_model: simulated/a}\n"

    main(["lint", write(tmp_path, served + SOUND)])

    assert "simulated/a chooses the routes here; lint measures the embedded router" in capsys.readouterr().err


def test_a_file_without_routes_has_nothing_to_read(tmp_path: Path, capsys: Output) -> None:
    """Silence would be taken for praise."""
    path = write(tmp_path, "")

    code = main(["lint", path])

    assert (code, capsys.readouterr().err) == (
        1,
        f"Error: {path}: expected routes in routing_preferences; found none\n",
    )


def test_a_broken_configuration_is_told_as_elsewhere(tmp_path: Path, capsys: Output) -> None:
    """Line by line, each with its place."""
    path = write(tmp_path, "routing_preferences: [{name: a}]\n")

    code = main(["lint", path])

    assert (code, capsys.readouterr().err.startswith(f"{path}:3:23: ")) == (1, True)


def documented() -> list[list[dict[str, Any]]]:
    """Every list of routes that the documents show as one to follow."""
    pages = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    blocks = [
        block
        for page in pages
        for block in re.findall(r"```yaml\n(.*?)```", page.read_text("utf-8"), re.DOTALL)
    ]
    files = [
        yaml.safe_load(block) for block in blocks if block.startswith(("routing_preferences:", "version:"))
    ]
    return [file["routing_preferences"] for file in files if "routing_preferences" in file]


@pytest.mark.parametrize("routes", documented(), ids=lambda routes: routes[0]["name"])
def test_the_routes_of_the_documents_are_good_ones(
    routes: list[dict[str, Any]], tmp_path: Path, capsys: Output
) -> None:
    """They are copied before anything else is read."""
    shown = [{key: route[key] for key in ("name", "description")} | {"models": ["a"]} for route in routes]

    code = main(["lint", write(tmp_path, yaml.safe_dump({"routing_preferences": shown})), "--strict"])

    assert (code, capsys.readouterr().out.startswith("no warnings in ")) == (0, True)


def test_the_documents_show_routes() -> None:
    """The test above must have something to read."""
    assert len(documented()) >= 2


def test_the_routes_of_the_example_are_good_ones(capsys: Output) -> None:
    """`make run` shows them to everybody."""
    code = main(["lint", str(ROOT / "examples" / "routing" / "config.yaml"), "--strict"])

    assert (code, capsys.readouterr().out) == (0, "no warnings in 8 routes\n")
