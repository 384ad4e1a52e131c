"""What importing costs: measured in modules, which are the same on every machine."""

from __future__ import annotations

import json
import sys
from importlib.metadata import version
from subprocess import run

import pytest

import plano

PROBE = """
import json, sys
before = set(sys.modules)
touched = []
sys.addaudithook(lambda event, _: touched.append(event) if event.startswith("socket.") else None)
import {module}
print(json.dumps([sorted({{name.partition(".")[0] for name in set(sys.modules) - before}}), touched]))
"""


def imported_by(module: str) -> tuple[set[str], list[str]]:
    """The top-level packages that `import <module>` loads in a fresh process, and the socket
    operations that it makes."""
    done = run(
        [sys.executable, "-c", PROBE.format(module=module)], capture_output=True, text=True, check=True
    )
    packages, touched = json.loads(done.stdout)
    return set(packages), touched


def test_importing_plano_loads_nothing_else() -> None:
    """A program that uses the router in-process decides itself what it pays for, and when."""
    packages, touched = imported_by("plano")

    assert (packages - {"__future__"}, touched) == ({"plano"}, [])


@pytest.mark.parametrize(
    "library",
    [
        "asyncio",
        "genai_prices",
        "httptools",
        "msgspec",
        "prometheus_client",
        "pydantic",
        "ssl",
        "uvloop",
        "yaml",
    ],
)
def test_the_command_line_loads_no_library_before_a_command_is_typed(library: str) -> None:
    """`plano --version` and a mistyped command answer at once."""
    packages, _ = imported_by("plano.cli.main")

    assert library not in packages


def test_the_installed_version_is_the_one_in_the_code() -> None:
    """One number, in one place, whoever asks."""
    assert version("plano") == plano.__version__
