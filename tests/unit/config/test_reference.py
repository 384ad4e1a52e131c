"""The reference for users says what the code does."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from plano.catalog.build import load_catalog
from plano.catalog.providers import known_providers
from plano.chat.dialect import Dialect
from plano.config.environment import KEY_VARIABLES
from plano.config.limits import NAMES
from plano.config.notices import UNSERVED
from plano.config.schema import File, Listener, Overrides, Provider, Routing, RoutingPreference

PAGE = (Path(__file__).parents[3] / "docs" / "configuration.md").read_text("utf-8")
EXAMPLES = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
SPOKEN = {
    "chat": Dialect.OPENAI_CHAT,
    "messages": Dialect.ANTHROPIC_MESSAGES,
    "responses": Dialect.OPENAI_RESPONSES,
}


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda text: text.splitlines()[0])
def test_every_example_loads(example: str, tmp_path: Path) -> None:
    """Examples are copied before anything else is read."""
    data: dict[str, Any] = {"version": "v0.4.0", "model_providers": [{"model": "simulated/any"}]}
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(data | yaml.safe_load(example)), "utf-8")

    _, catalog = load_catalog(path, dict.fromkeys(KEY_VARIABLES.values(), "k") | {"AZURE_API_KEY": "k"})

    assert catalog.models


def test_every_key_is_described() -> None:
    """A key that is not on the page does not exist for anybody."""
    keys = {
        key
        for form in (File, Listener, Overrides, Provider, Routing, RoutingPreference)
        for key in form.model_fields
    }
    elsewhere = {
        *(key.removeprefix("overrides.") for key in UNSERVED if key.startswith("overrides.")),
        "llm_provider",
        "model",
        "agents",
        "router",
        "input_filters",
        "output_filters",
    }

    assert sorted(key for key in keys - elsewhere if f"`{key}" not in PAGE) == []


def test_every_limit_is_described() -> None:
    """With the name that the file takes."""
    assert sorted(name for name in NAMES if f"`{name}`" not in PAGE) == []


def test_the_table_of_providers_is_the_one_in_use() -> None:
    """Where a key is sent must not be guessed."""
    rows = dict(re.findall(r"^\| `(\w+)` \|([^|]*\|[^|]*\|[^|]*)\|$", PAGE, re.MULTILINE))
    said = {}
    for name, provider in known_providers().items():
        where, spoken, key = (cell.strip() for cell in rows[name].split("|"))
        dialects = (
            set(SPOKEN.values()) if spoken == "all three" else {SPOKEN[word] for word in spoken.split(", ")}
        )
        scheme, _, base = (provider.base_url or "").partition("://")
        said[name] = (
            dialects == set(provider.dialects),
            scheme != "https" or where == f"`{base}`",
            key.strip("`") == KEY_VARIABLES.get(name, key.strip("`")),
        )

    assert {name for name, agrees in said.items() if not all(agrees)} == set()


def test_the_defaults_of_the_page_are_the_defaults() -> None:
    """`routing` is long enough for them to drift apart."""
    written = {"session_ttl_seconds": "600", "session_max_entries": "10000", "decision_timeout_ms": "1000"}

    assert {key: str(getattr(Routing(), key)) for key in written} == written
    assert [f"| `{key}` | {value} |" in PAGE for key, value in written.items()] == [True] * len(written)
