"""`plano models`: what can be asked for, under which names, at what price."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from plano.cli.main import main

Output = pytest.CaptureFixture[str]

OFFER = """\
version: v0.4.0
model_providers:
  - {model: openai/gpt-4o-mini, access_key: sk-canary, name: mini, default: true}
  - {model: anthropic/*, access_key: sk-canary}
  - {model: simulated/a}
  - {model: mine/a, provider_interface: openai, base_url: "http://127.0.0.1:8000"}
model_aliases:
  fast: {target: mini}
  haiku: {target: anthropic/claude-haiku-4-5}
"""


@pytest.fixture
def offer(tmp_path: Path) -> str:
    path = tmp_path / "config.yaml"
    path.write_text(OFFER, "utf-8")
    return str(path)


def test_every_model_is_listed_with_all_its_names(offer: str, capsys: Output) -> None:
    """A bare id that two models have is nobody's name; an unknown price is unknown, not zero."""
    code = main(["models", offer])

    *lines, source = capsys.readouterr().out.splitlines()
    rows = [line.split() for line in lines[2:] if line]
    assert code == 0
    assert re.fullmatch(r"list prices .*: bundled \(genai-prices [\d.]+\), of \d{4}-\d\d-\d\d", source)
    assert [(row[0], row[-2:]) for row in rows[2:]] == [
        ("simulated/a", ["unknown", "unknown"]),
        ("mine/a", ["unknown", "unknown"]),
    ]
    assert rows[0][:-2] == ["openai/gpt-4o-mini", "(default)", "mini,", "gpt-4o-mini,", "fast"]
    assert rows[1] == ["anthropic/*", "by", "model", "by", "model"]


def test_programs_get_an_array(offer: str, capsys: Output) -> None:
    """For scripts that fill a menu, or compare prices."""
    main(["models", offer, "--json"])

    first = json.loads(capsys.readouterr().out)[0]
    prices = (first.pop("input_usd_per_mtok"), first.pop("output_usd_per_mtok"))
    source = (first.pop("price_source"), first.pop("price_date"))
    assert 0 < prices[0] < prices[1]
    assert re.fullmatch(r"bundled \(genai-prices [\d.]+\) \d{4}-\d\d-\d\d", " ".join(source))
    assert first == {
        "model": "openai/gpt-4o-mini",
        "names": ["mini", "gpt-4o-mini", "fast"],
        "provider": "openai",
        "default": True,
        "dialects": ["openai_chat", "openai_responses"],
    }


def test_members_of_wildcards_are_listed_when_asked_for(offer: str, capsys: Output) -> None:
    """With the aliases that lead to them."""
    main(["models", offer, "--members", "--json"])

    rows = {row["model"]: row["names"] for row in json.loads(capsys.readouterr().out)}
    assert rows["anthropic/claude-haiku-4-5"] == ["haiku"]


def test_a_price_that_is_not_known_is_of_nobody(offer: str, capsys: Output) -> None:
    """Neither of the table nor of a day."""
    main(["models", offer, "--json"])

    rows = json.loads(capsys.readouterr().out)
    assert [(row["model"], row["price_source"], row["price_date"]) for row in rows[1:]] == [
        ("anthropic/*", None, None),
        ("simulated/a", None, None),
        ("mine/a", None, None),
    ]


def test_without_any_price_no_source_is_named(tmp_path: Path, capsys: Output) -> None:
    """It would be the source of nothing."""
    path = tmp_path / "config.yaml"
    path.write_text("version: v0.4.0\nmodel_providers:\n  - {model: simulated/a}\n", "utf-8")

    main(["models", str(path)])

    assert "list prices" not in capsys.readouterr().out


def test_a_broken_configuration_offers_nothing(tmp_path: Path, capsys: Output) -> None:
    """Half a list would be taken for the whole."""
    code = main(["models", str(tmp_path / "missing.yaml")])

    said = capsys.readouterr().err
    assert (code, said.startswith(f"{tmp_path}/missing.yaml:1:1: expected a file")) == (1, True)


def test_every_line_about_a_broken_configuration_begins_with_its_place(
    tmp_path: Path, capsys: Output
) -> None:
    """Editors and terminals make the place a link; the first problem is no exception."""
    path = tmp_path / "config.yaml"
    path.write_text("version: v0.4.0\nllm_providers:\n  - model: gpt-4o\n  - model: o3\n", "utf-8")

    main(["models", str(path)])

    lines = capsys.readouterr().err.splitlines()
    assert [line.partition(": ")[0] for line in lines] == [f"{path}:3:12", f"{path}:4:12", "warning"]


def test_no_key_is_ever_printed(offer: str, capsys: Output) -> None:
    """Neither in the table nor in the array."""
    main(["models", offer])
    main(["models", offer, "--json"])

    assert "canary" not in "".join(capsys.readouterr())
