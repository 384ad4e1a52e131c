"""`plano check`: every problem of a configuration, or what it comes to."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from plano.cli.main import main

Output = pytest.CaptureFixture[str]

SOUND = """\
version: v0.4.0
listeners: [{type: model, name: m, address: "::1", port: 12345, timeout: 30s}]
model_providers:
  - {model: openai/gpt-4o, access_key: sk-canary, default: true}
  - {model: anthropic/*, passthrough_auth: true}
  - {model: simulated/fast, base_url: "simulated://local?tokens_per_s=200"}
  - {model: mine/m, provider_interface: openai, base_url: "http://[::1]:8000/api", fallbacks: [fast]}
model_aliases:
  quick: {target: fast}
  sure: {target: m, fallbacks: [gpt-4o, fast]}
  just: {target: m, fallbacks: []}
routing_preferences: [{name: code, description: writing code, models: [gpt-4o, quick]}]
"""


def write(folder: Path, text: str) -> str:
    path = folder / "gateway.yaml"
    path.write_text(text, "utf-8")
    return str(path)


def test_a_sound_configuration_is_shown_as_it_was_understood(tmp_path: Path, capsys: Output) -> None:
    """What was written and what it comes to are not always the same; keys are not shown."""
    path = write(tmp_path, SOUND)

    code = main(["check", path])

    shown = [re.split(r"  +", line.strip()) for line in capsys.readouterr().out.splitlines() if line]
    assert code == 0
    assert shown == [
        [f"{path}: listens on [::1]:12345, answers within 30 s"],
        ["models:"],
        ["name", "model", "speaks", "at", "key"],
        [
            "openai/gpt-4o (default)",
            "openai/gpt-4o",
            "chat, responses",
            "https://api.openai.com/v1/chat/completions",
            "set",
        ],
        [
            "anthropic/*",
            "anthropic/*",
            "messages, chat",
            "https://api.anthropic.com/v1/messages",
            "the client's",
        ],
        [
            "simulated/fast",
            "simulated/fast",
            "chat, messages, responses",
            "in this process (tokens_per_s=200)",
            "none",
        ],
        ["mine/m", "mine/m", "chat, responses", "http://[::1]:8000/api/chat/completions", "none"],
        ["aliases:"],
        ["alias", "model"],
        ["quick", "simulated/fast"],
        ["sure", "mine/m"],
        ["just", "mine/m"],
        ["fallbacks:"],
        ["asked for by name", "then"],
        ["mine/m", "simulated/fast"],
        ["sure", "openai/gpt-4o, simulated/fast"],
        ["just", "none"],
        ["routes:"],
        ["route", "models", "prefers"],
        ["code", "openai/gpt-4o, simulated/fast", "none"],
    ]


def test_warnings_go_to_standard_error(tmp_path: Path, capsys: Output) -> None:
    """They are for the person, not for the program behind the pipe."""
    path = write(tmp_path, SOUND + "tracing: {random_sampling: 1}\n")

    main(["check", path])

    assert capsys.readouterr().err == (
        f"warning: {path}: read and checked, but without effect so far: tracing\n"
    )


def test_every_problem_is_printed_and_counted(tmp_path: Path, capsys: Output) -> None:
    """One run, one list; the exit code is for CI."""
    path = write(tmp_path, "version: v0.5\nmodel_providers: [{model: gpt-4o}]\n")

    code = main(["check", path])

    told = capsys.readouterr().out.splitlines()
    assert code == 1
    assert [line.partition(": ")[0] for line in told] == [f"{path}:1:10", f"{path}:2:27", "2 problems"]


def test_warnings_are_printed_beside_problems(tmp_path: Path, capsys: Output) -> None:
    """Who mends the problems first would be told of the warnings one run later."""
    path = write(tmp_path, "version: v0.4.0\nllm_providers: [{model: gpt-4o}]\n")

    code = main(["check", path])

    assert (code, capsys.readouterr().err) == (
        1,
        f"warning: {path}:2:1: llm_providers: deprecated: write model_providers\n",
    )


def test_the_configuration_of_the_folder_is_found(
    tmp_path: Path, capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As `plano up` finds it."""
    (tmp_path / "plano_config.yaml").write_text(SOUND, "utf-8")
    monkeypatch.chdir(tmp_path)

    code = main(["check"])

    assert (code, "plano_config.yaml: listens on" in capsys.readouterr().out) == (0, True)


def test_nothing_to_check_is_said(tmp_path: Path, capsys: Output, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty folder is not a sound configuration."""
    monkeypatch.chdir(tmp_path)

    code = main(["check"])

    assert (code, capsys.readouterr().err) == (
        1,
        "Error: expected a FILE, or config.yaml or plano_config.yaml in this folder; found neither\n",
    )


def test_the_schema_is_printed_for_editors(capsys: Output) -> None:
    """`# yaml-language-server: $schema=…` then completes the file."""
    code = main(["check", "--schema"])

    schema = json.loads(capsys.readouterr().out)
    assert (code, schema["title"], schema["required"]) == (0, "Plano configuration", ["version"])
