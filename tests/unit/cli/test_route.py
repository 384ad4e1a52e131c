"""`plano route`: what a person types while writing routes."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from plano.cli.main import main

Output = pytest.CaptureFixture[str]

CONFIG = """\
version: v0.4.0
model_providers:
  - {model: simulated/large}
  - {model: simulated/any, default: true}
routing_preferences:
  - name: translation
    description: translating a text from one human language into another
    models: [simulated/large, simulated/any]
  - name: cooking
    description: recipes, cooking and baking
    models: [simulated/large]
"""
ASK = "Translate this letter into Spanish, please."


@pytest.fixture
def config(tmp_path: Path) -> str:
    path = tmp_path / "config.yaml"
    path.write_text(CONFIG, "utf-8")
    return str(path)


class StandardInput:
    """What `sys.stdin` is when something is piped in."""

    def __init__(self, content: bytes) -> None:
        self.buffer = io.BytesIO(content)


def routed(capsys: Output, *arguments: str) -> dict[str, Any]:
    """The decision object that a command prints."""
    assert main(["route", *arguments, "--json"]) == 0
    decision: dict[str, Any] = json.loads(capsys.readouterr().out)
    return decision


def test_a_person_reads_the_model_the_route_and_every_step(config: str, capsys: Output) -> None:
    """Each step with what it said, its score and its time."""
    code = main(["route", ASK, "--config", config])

    out = capsys.readouterr().out
    first, *rest = out.splitlines()
    assert (code, first) == (0, "simulated/large, then simulated/any  (route: translation)")
    assert [line.split()[0:2] for line in rest if line.startswith("  ")] == [
        ["step", "outcome"],
        ["explicit", "abstained"],
        ["alias", "abstained"],
        ["preference", "chose"],
    ]


def test_a_model_can_be_named(config: str, capsys: Output) -> None:
    """As a request would."""
    decision = routed(capsys, ASK, "--config", config, "--model", "any")

    assert (decision["decision"], decision["models"]) == ("explicit", ["simulated/any"])


@pytest.mark.parametrize(
    ("content", "option"),
    [
        pytest.param([{"role": "user", "content": ASK}], (), id="messages"),
        pytest.param({"messages": [{"role": "user", "content": ASK}], "n": 1}, (), id="a request"),
        pytest.param({"input": ASK}, (), id="a responses request"),
        pytest.param([{"role": "user", "content": ASK}], ("--dialect", "openai_responses"), id="items"),
        pytest.param(
            {"system": "s", "messages": [{"role": "user", "content": [{"type": "text", "text": ASK}]}]},
            ("--dialect", "anthropic_messages"),
            id="blocks",
        ),
    ],
)
def test_a_conversation_is_read_from_a_file_or_standard_input(
    config: str,
    tmp_path: Path,
    capsys: Output,
    monkeypatch: pytest.MonkeyPatch,
    content: object,
    option: tuple[str, ...],
) -> None:
    """As clients send it, in any of the three dialects."""
    file = tmp_path / "conversation.json"
    file.write_text(json.dumps(content), "utf-8")
    monkeypatch.setattr(sys, "stdin", StandardInput(file.read_bytes()))

    from_file = routed(capsys, "--file", str(file), "--config", config, *option)
    from_input = routed(capsys, "-", "--config", config, *option)

    assert [decision["route"] for decision in (from_file, from_input)] == ["translation", "translation"]


@pytest.mark.parametrize("text", [ASK, '{"translate": "this letter into Spanish, please"}', "[1, 2]"])
def test_a_text_on_standard_input_stays_a_text(
    config: str, capsys: Output, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    """JSON that is no conversation is what somebody asks about."""
    monkeypatch.setattr(sys, "stdin", StandardInput(text.encode()))

    assert routed(capsys, "-", "--config", config)["reasons"][2]["router"] == "embedded"


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        pytest.param([], 2, "expected either TEXT (or -) or --file", id="nothing"),
        pytest.param(["hello", "--file", "x.json"], 2, "expected either TEXT", id="both"),
        pytest.param(["--file", "nowhere.json"], 1, "there is no such file", id="no file"),
        pytest.param(["--file", "{config}"], 1, "expected a conversation as JSON", id="not JSON"),
        pytest.param(["--file", "{number}"], 1, "expected a JSON list of messages", id="not a conversation"),
        pytest.param(["--file", "{latin}"], 1, "expected UTF-8; byte 1 is not", id="not UTF-8"),
        pytest.param(["hello", "--model", "nobody"], 1, "'nobody' is not declared", id="unknown model"),
        pytest.param(["hello", "--config", "{number}"], 1, "expected", id="no configuration"),
    ],
)
def test_what_cannot_be_used_is_said(
    config: str, tmp_path: Path, capsys: Output, arguments: list[str], code: int, said: str
) -> None:
    """One sentence on standard error, and nothing that a program could take for a decision."""
    (tmp_path / "number.json").write_text("1", "utf-8")
    (tmp_path / "latin.json").write_bytes(b"[\xe9]")
    places = {
        "config": config,
        "number": str(tmp_path / "number.json"),
        "latin": str(tmp_path / "latin.json"),
    }
    given = [each.format(**places) if each.startswith("{") else each for each in arguments]
    given += [] if "--config" in given else ["--config", config]

    found = main(["route", *given])

    told = capsys.readouterr()
    assert (found, told.out) == (code, "")
    assert said in told.err
