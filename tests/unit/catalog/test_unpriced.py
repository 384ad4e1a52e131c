"""A ceiling on money that does not see all of it says so before anything is spent."""

from __future__ import annotations

from pathlib import Path

import pytest

from plano.catalog.build import load_catalog

FILE = """
version: v0.4.0
listeners:
  - name: models
    type: model
    keys:
      - {{name: research, hash: sha256:{digest}, max_usd_per_day: 5{models}}}
model_providers:
  - {{model: openai/gpt-4o, access_key: k}}
  - {{model: ollama/llama3, base_url: "http://127.0.0.1:11434"}}
  - {{model: lab/one, base_url: "http://127.0.0.1:1", provider_interface: openai}}
  - {{model: "lab/*", base_url: "http://127.0.0.1:1", provider_interface: openai}}
  - {{model: "anthropic/*", access_key: k}}
  - {{model: simulated/any}}
model_aliases: {{own: {{target: lab/one}}}}
{more}
"""


def warnings(folder: Path, models: str = "", more: str = "") -> list[str]:
    file = folder / "config.yaml"
    file.write_text(FILE.format(digest="0" * 64, models=models, more=more))
    configuration, _ = load_catalog(file, {})
    return [warning.partition("config.yaml:")[2] for warning in configuration.warnings]


@pytest.mark.parametrize(
    ("models", "names"),
    [
        pytest.param("", "ollama/llama3, lab/one, lab/*", id="all"),
        pytest.param(", models: [own, gpt-4o]", "lab/one", id="by an alias"),
        pytest.param(', models: ["lab/*"]', "lab/one, lab/*", id="by a pattern"),
        pytest.param(
            ", models: [lab/two, anthropic/claude-sonnet-4-5, anthropic/claude-unheard-of]",
            "anthropic/claude-unheard-of, lab/two",
            id="members of wildcards by name",
        ),
    ],
)
def test_models_whose_money_is_not_seen_are_named(tmp_path: Path, models: str, names: str) -> None:
    """Whoever set the ceiling believes that it holds."""
    (warning,) = warnings(tmp_path, models)

    assert warning.partition(" listeners[0].keys[0].max_usd_per_day: ")[2] == (
        f"'research' may use models without a known price, which are not counted: {names}; leave them out of "
        "its models, or limit its tokens"
    )


@pytest.mark.parametrize(
    ("models", "more"),
    [
        pytest.param(", models: [gpt-4o, simulated/any]", "", id="a known price, and none to pay"),
        pytest.param(', models: ["anthropic/*"]', "", id="a provider whose prices are known"),
        pytest.param(
            "", "model_metrics_sources: [{type: cost, provider: models.dev}]", id="prices from elsewhere"
        ),
        pytest.param(
            ", models: [own]",
            "model_metrics_sources:\n"
            "  - {type: cost, provider: bundled, model_aliases: {openai/gpt-4o: lab/one}}",
            id="a price by another name",
        ),
    ],
)
def test_where_all_is_seen_or_nothing_known_yet_nothing_is_said(
    tmp_path: Path, models: str, more: str
) -> None:
    """A warning that is always there is read by nobody."""
    assert warnings(tmp_path, models, more) == []


def test_of_many_the_first_are_named(tmp_path: Path) -> None:
    """A line is read, a page is not."""
    declared = [f"  - {{model: ollama/m{number}, base_url: 'http://127.0.0.1:1'}}" for number in range(9)]
    file = tmp_path / "config.yaml"
    head, _, _ = FILE.format(digest="0" * 64, models="", more="").partition("  - {model: openai")
    file.write_text("\n".join([head, *declared]))

    configuration, _ = load_catalog(file, {})

    assert "ollama/m0, ollama/m1, ollama/m2, ollama/m3, ollama/m4 and 4 more;" in configuration.warnings[0]
