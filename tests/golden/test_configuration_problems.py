"""What is said about each configuration in `config/`, word for word and place for place.

A file that is changed on purpose is written anew by deleting its `.txt` and running this once: the
test then fails and leaves the new one to be read and committed.
"""

from __future__ import annotations

from pathlib import Path
from types import MappingProxyType
from typing import Final

import pytest

from plano.catalog.build import load_catalog
from plano.config.problems import ConfigurationInvalid

FOLDER: Final = Path(__file__).parent / "config"
CASES: Final = sorted(path.stem for path in FOLDER.glob("*.yaml"))
ENVIRONMENT: Final = MappingProxyType(
    {"OPENAI_API_KEY": "sk-canary-key", "EMPTY": "", "MODEL": "gpt-4o", "PORT": "12000x"}
)


def told(name: str) -> str:
    """Everything that is said about a configuration, with its folder left out."""
    with pytest.raises(ConfigurationInvalid) as caught:
        load_catalog(FOLDER / f"{name}.yaml", ENVIRONMENT)
    return str(caught.value).replace(f"{FOLDER}/", "") + "\n"


@pytest.mark.parametrize("name", CASES)
def test_every_problem_is_told_at_its_place(name: str) -> None:
    """People fix what they are told, where they are told; programs jump to file:line:column."""
    golden = FOLDER / f"{name}.txt"

    said = told(name)

    if not golden.exists():
        golden.write_text(said, "utf-8")
        pytest.fail(f"wrote {golden.name}: read it, then commit it")
    assert said == golden.read_text("utf-8")


@pytest.mark.parametrize("name", CASES)
def test_no_problem_tells_a_secret(name: str) -> None:
    """What is said ends up in logs and in chats; every secret in these files has a canary in it."""
    assert "canary" not in told(name)


def test_every_golden_file_has_its_configuration() -> None:
    """A file that nothing reads would be taken for a promise."""
    assert sorted(path.stem for path in FOLDER.glob("*.txt")) == CASES
