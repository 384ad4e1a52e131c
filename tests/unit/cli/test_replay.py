"""`plano replay`, as it is typed."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from plano.cli.main import main
from tests.unit.evaluation.replay.sessions import GPT, MINI, SONNET, START, agent_log, line


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "sessions.jsonl"
    path.write_bytes(agent_log(40))
    return path


def test_a_table_fits_a_screen_and_says_what_nobody_can_know(
    log: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A person reads it, and decides by it."""
    code = main(["replay", str(log)])

    said = capsys.readouterr().out
    assert code == 0
    assert max(map(len, said.splitlines()[1:])) <= 100
    for words in (
        "redecide",
        "pin:600",
        "user-turns:600",
        "budget:5",
        "genai-prices",
        "- not known: whether",
    ):
        assert words in said


def test_the_same_command_prints_the_same(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Tomorrow, too: prices are those of the table's date."""
    said = []
    for _ in range(2):
        main(["replay", str(log), "--json"])
        said.append(capsys.readouterr().out)

    assert said[0] == said[1]
    assert set(json.loads(said[0])) == {"policies", "log", "prices", "seed", "resamples"}


def test_policies_are_priced_in_the_order_in_which_they_are_asked_for(
    log: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The first is what the others are compared with; asked for twice is asked for once."""
    asked = ["--policy", "pin:60", "--policy", "logged", "--policy", "pin:60"]

    main(["replay", str(log), *asked, "--json"])

    told = json.loads(capsys.readouterr().out)["policies"]
    assert [(each["policy"], each["against_first"] is None) for each in told] == [
        ("pin:60", True),
        ("logged", False),
    ]


def test_a_picture_is_written(log: Path, tmp_path: Path) -> None:
    """Beside whatever is printed."""
    main(["replay", str(log), "--plot", str(tmp_path / "costs.svg")])

    assert (tmp_path / "costs.svg").read_text().startswith("<svg ")


def test_a_log_comes_through_a_pipe(
    log: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As compressed ones do."""
    stdin = io.TextIOWrapper(io.BytesIO(log.read_bytes()))
    monkeypatch.setattr("sys.stdin", stdin)

    assert main(["replay", "-"]) == 0
    assert capsys.readouterr().out.startswith("standard input: ")


def test_a_configuration_brings_names_prices_routes_and_limits(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What would run is what is priced."""
    config = tmp_path / "gateway.yaml"
    config.write_text(
        "version: v0.4.0\n"
        "model_providers:\n"
        f"  - {{model: {SONNET}, access_key: k}}\n"
        "  - {model: mine/deployed, name: fast, base_url: 'http://h', provider_interface: openai}\n"
        "routing_preferences:\n"
        "  - {name: code, description: writing code, models: [fast]}\n"
        "model_metrics_sources:\n"
        f"  - {{type: cost, provider: bundled, model_aliases: {{{MINI}: fast}}}}\n"
        "routing: {session_ttl_seconds: 120, routing_budget: {max_switch_spend_pct: 12}}\n"
    )
    log = tmp_path / "log.jsonl"
    log.write_bytes(line(time=START, session="s", route="code", input_tokens=1_000_000, output_tokens=0))

    code = main(["replay", str(log), "--config", str(config), "--json"])

    told = json.loads(capsys.readouterr().out)
    assert code == 0
    assert [each["policy"] for each in told["policies"]] == [
        "redecide",
        "pin:120",
        "user-turns:120",
        "budget:0",
        "budget:12",
        "budget:20",
    ]
    assert told["policies"][0]["cost_usd"]["value"] == pytest.approx(0.25)


def test_lines_at_fault_are_told_at_once_and_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each begins with the place that programs jump to."""
    log = tmp_path / "log.jsonl"
    log.write_bytes(line(time=START, chosen=GPT) + b"{\n" + line(time="x", chosen=GPT))

    code = main(["replay", str(log)])

    said = capsys.readouterr()
    assert (code, said.out) == (1, "")
    assert [told.removeprefix(str(log))[:3] for told in said.err.splitlines()] == [":2:", ":3:"]


def test_a_log_that_cannot_be_priced_is_no_table_of_zeros(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It says what is missing."""
    log = tmp_path / "log.jsonl"
    log.write_bytes(line(time=START, chosen="mine/unpriced", input_tokens=9))

    code = main(["replay", str(log)])

    assert code == 1
    assert "has no price of mine/unpriced" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "code"), [(["--policy", "pins"], 2), (["--resamples", "1"], 2), (["--seed", "-1"], 2)]
)
def test_a_wrong_option_is_a_usage_error(log: Path, arguments: list[str], code: int) -> None:
    """Not a fault of the log's."""
    assert main(["replay", str(log), *arguments]) == code


def test_a_file_that_is_not_there_is_said_to_be(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """In a sentence."""
    assert main(["replay", str(tmp_path / "none.jsonl")]) == 1
    assert "expected a file that can be read" in capsys.readouterr().err
