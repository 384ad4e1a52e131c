"""What `docs/router-model.md` and its manifest say, held against what the gateway does."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from plano.catalog.build import load_catalog
from plano.catalog.catalog import Catalog
from plano.chat.dialect import Dialect
from plano.cli.main import main
from plano.routing.question import Questions, wording_for
from plano.routing.route_set import RouteSet
from plano.routing.utterance import Utterance

ROOT = Path(__file__).parents[3]
TEXT = (ROOT / "docs" / "router-model.md").read_text()
FILES = re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL)
OPTION = re.compile(r"(--[a-z-]+)(?: ([^-\s]\S*))?")
MANIFEST = list(yaml.safe_load_all((ROOT / "deploy" / "kubernetes" / "router-model.yaml").read_text()))
ENVIRONMENT = dict.fromkeys(
    ("ROUTER_MODEL_KEY", "OPENAI_API_KEY", "ANTHROPIC_API_KEY"), "sk-canary-0123456789ab"
)


@pytest.fixture(params=FILES, ids=["vllm", "ollama", "own wording"])
def written(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    (tmp_path / "router-prompt.txt").write_text("{routes} {conversation}")
    path = tmp_path / "config.yaml"
    path.write_text(request.param)
    return path


def catalog_of(text: str, folder: Path) -> Catalog:
    path = folder / "config.yaml"
    path.write_text(text)
    return load_catalog(path, ENVIRONMENT)[1]


def container() -> dict[str, Any]:
    (found,) = MANIFEST[0]["spec"]["template"]["spec"]["containers"]
    return dict(found)


def test_every_file_of_the_page_passes_the_check(
    written: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What people copy must work as it stands, without a problem and without a warning."""
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)

    assert (main(["check", str(written)]), capsys.readouterr().err) == (0, "")


def test_every_file_of_the_page_has_a_router_model(written: Path) -> None:
    """That is what the page is about."""
    _, catalog = load_catalog(written, ENVIRONMENT)

    assert catalog.router_model is not None


def test_the_page_shows_the_question_as_it_is_asked(tmp_path: Path) -> None:
    """Who writes a wording of their own goes by it."""
    routes = RouteSet(catalog_of(FILES[0], tmp_path).routes)
    turn = Utterance("user", "can you reverse a linked list for me?")

    question = Questions(wording_for("katanemo/Plano-Orchestrator-4B"), budget_tokens=8192).about(
        [turn], routes
    )

    (shown,) = re.findall(r"```\n(<routes>\n.*?</conversation>\n)```", TEXT, re.DOTALL)
    assert shown in question


def test_the_first_file_leads_to_what_the_manifest_serves(tmp_path: Path) -> None:
    """One name written differently is a 404 a question."""
    model = catalog_of(FILES[0], tmp_path).router_model
    assert model is not None
    endpoint = model.model.endpoints[Dialect.OPENAI_CHAT]

    (service,) = [part for part in MANIFEST if part["kind"] == "Service"]
    (port,) = service["spec"]["ports"]
    assert (endpoint.host, endpoint.port) == (service["metadata"]["name"], port["port"])
    assert f"--served-model-name={model.upstream_model}" in container()["args"]
    assert f"--port={endpoint.port}" in container()["args"]


def test_the_page_and_the_manifest_serve_with_the_same_options() -> None:
    """Two commands for one thing drift apart."""
    (command,) = re.findall(r"vllm serve (.*?)\n```", TEXT, re.DOTALL)
    options = OPTION.findall(command.replace("\\\n", ""))
    page = {"=".join(option) if option[1] else option[0] for option in options}

    assert container()["command"][2] == command.split()[0]
    assert page - set(container()["args"]) == {'--api-key="$ROUTER_MODEL_KEY"'}
    assert set(container()["args"]) - page == set()
