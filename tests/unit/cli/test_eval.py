"""`plano eval`: how often routing is right, on labelled conversations."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import pytest

from plano.cli.main import main

Output = pytest.CaptureFixture[str]
EXAMPLE = Path(__file__).parents[3] / "examples" / "routing"
CONFIG = str(EXAMPLE / "config.yaml")

ROUTES = """\
version: v0.4.0
model_providers: [{model: simulated/a, default: true}]
routing_preferences:
  - {name: poetry, description: "poems, rhymes and song lyrics", models: [a]}
  - {name: mathematics, description: "equations, proofs and percentages", models: [a]}
"""
LINES = [
    ("write a poem about the sea", "poetry"),
    ("two rhymes for my song lyrics", "poetry"),
    ("solve this equation and prove it", "poetry"),  # as a mistake of who labelled it
    ("hello there", None),
]


@pytest.fixture
def files(tmp_path: Path) -> tuple[str, str]:
    """A configuration, and labelled lines of which the router gets three right."""
    config, data = tmp_path / "config.yaml", tmp_path / "labelled.jsonl"
    config.write_text(ROUTES, "utf-8")
    data.write_text("".join(f"{line(*each)}\n" for each in LINES), "utf-8")
    return str(config), str(data)


def line(ask: str, route: str | None) -> str:
    return json.dumps({"messages": [{"role": "user", "content": ask}], "route": route})


def test_turns_spans_and_conversations_are_told_with_their_intervals(
    files: tuple[str, str], capsys: Output
) -> None:
    """What no route fits is none of them, whatever model answers it."""
    config, data = files

    code = main(["eval", "--config", config, data])

    said = capsys.readouterr().out
    assert (code, said.splitlines()[0]) == (0, f"{data}, judged by the embedded router:")
    assert [row.split()[:4] for row in said.splitlines()[2:5]] == [
        ["turns", "4", "75.0", "%"],
        ["spans", "4", "75.0", "%"],
        ["conversations", "4", "75.0", "%"],
    ]


def test_programs_get_an_object(files: tuple[str, str], capsys: Output) -> None:
    """In the form that is promised, with the confusions beside it."""
    config, data = files

    main(["eval", "--config", config, data, "--json", "--errors", "1"])

    found = json.loads(capsys.readouterr().out)
    assert found["turns"].keys() == {"n", "accuracy", "low", "high"}
    assert found.keys() >= {"spans", "conversations", "routes", "confusion"}
    assert found["latency_ms"].keys() == {"p50", "p95", "p99"}
    assert (found["turns"]["accuracy"], found["without_verdict"], found["routers"]) == (
        0.75,
        0,
        {"embedded": 4},
    )
    (error,) = found["errors"]
    assert (error["line"], error["route"], error["given"]) == (3, "poetry", "mathematics")


@pytest.mark.parametrize(
    ("wanted", "code", "told"),
    [("0.75", 0, ""), ("76%", 1, "accuracy of turns: found 75.0 %, wanted 76.0 %\n")],
)
def test_too_little_accuracy_fails_the_run(
    files: tuple[str, str], capsys: Output, wanted: str, code: int, told: str
) -> None:
    """Routing is tested in a user's CI; the figures are printed all the same."""
    config, data = files

    assert main(["eval", "--config", config, data, "--min-accuracy", wanted]) == code
    said = capsys.readouterr()
    assert (said.err, "conversations" in said.out) == (told, True)


@pytest.mark.parametrize("wanted", ["75", "high", "-1%", "101%", "nan"])
def test_an_accuracy_is_a_share(files: tuple[str, str], capsys: Output, wanted: str) -> None:
    """`75` may be meant as a share of a hundred, and would always fail."""
    config, data = files

    assert main(["eval", "--config", config, data, "--min-accuracy", wanted]) == 2
    assert "expected a share such as 0.9 or 90%" in capsys.readouterr().err


def test_the_first_errors_are_shown_when_asked_for(files: tuple[str, str], capsys: Output) -> None:
    """With the place in the file: half of them are the label's."""
    config, data = files

    main(["eval", "--config", config, data, "--errors", "5"])

    wrong = capsys.readouterr().out.partition("\nwrong:\n")[2].splitlines()
    assert wrong[0].startswith(f"  {data}:3: solve this")
    assert wrong[1].startswith("      should be poetry; got mathematics, score ")
    assert len(wrong) == 2


def test_lines_come_from_standard_input_too(
    files: tuple[str, str], capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pipe cannot be read twice; the lines are."""
    config, data = files
    piped = io.TextIOWrapper(io.BytesIO(Path(data).read_bytes()))
    monkeypatch.setattr(sys, "stdin", piped)

    code = main(["eval", "--config", config, "-"])

    assert (code, capsys.readouterr().out.splitlines()[0]) == (
        0,
        "standard input, judged by the embedded router:",
    )


def test_lines_may_bring_their_own_routes(tmp_path: Path, capsys: Output) -> None:
    """Of models that are declared nowhere: nothing is sent to them."""
    config, data = tmp_path / "config.yaml", tmp_path / "labelled.jsonl"
    config.write_text("version: v0.4.0\nmodel_providers: [{model: simulated/a}]\n", "utf-8")
    own = [{"name": "verse", "description": "poems", "models": ["no/one"]}]
    data.write_text(
        json.dumps(json.loads(line("write a poem", "verse")) | {"routing_preferences": own}), "utf-8"
    )

    code = main(["eval", "--config", str(config), str(data), "--json"])

    assert (code, json.loads(capsys.readouterr().out)["turns"]["accuracy"]) == (0, 1.0)


def test_every_line_at_fault_is_told_before_anything_is_measured(
    files: tuple[str, str], capsys: Output
) -> None:
    """At its place, all at once."""
    config, data = files
    Path(data).write_text("{\n" + line("hi", "nonsense"), "utf-8")

    code = main(["eval", "--config", config, data])

    said = capsys.readouterr()
    assert (code, said.out) == (1, "")
    assert [each.partition(" expected")[0] for each in said.err.splitlines()] == [
        f"{data}:1:",
        f"{data}:2: 'route':",
    ]


def test_a_file_that_is_not_there_is_said(files: tuple[str, str], capsys: Output) -> None:
    """The input is at fault, not the machine."""
    config, data = files

    code = main(["eval", "--config", config, f"{data}.gone"])

    assert (code, capsys.readouterr().err) == (
        1,
        f"Error: {data}.gone: expected a file that can be read; found: No such file or directory\n",
    )


def test_turns_that_nobody_could_judge_are_told(files: tuple[str, str], capsys: Output) -> None:
    """They count as none of the routes, which must not be taken for the router's opinion."""
    config, data = files
    served = "overrides: {llm_routing_model: simulated/a}\nrouting: {fallback_router: none}\n"
    Path(config).write_text(ROUTES + served, "utf-8")

    code = main(["eval", "--config", config, data, "--json"])

    said = capsys.readouterr()
    assert (code, json.loads(said.out)["without_verdict"]) == (0, 4)
    assert "4 of 4 turns had no verdict" in said.err


def test_the_example_is_routed_well(capsys: Output) -> None:
    """Its conversations are of eight kinds, and some of none."""
    code = main(["eval", "--config", CONFIG, str(EXAMPLE / "labelled.jsonl"), "--min-accuracy", "70%"])

    assert (code, capsys.readouterr().err) == (0, "")
