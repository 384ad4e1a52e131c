"""What `plano up` needs before it can serve."""

from __future__ import annotations

import json
import sys
from subprocess import run

import pytest

PROBE = "import json, sys, plano.cli.up, plano.cli.worker; print(json.dumps(list(sys.modules)))"


@pytest.fixture(scope="module")
def loaded() -> set[str]:
    """The packages that are loaded when the gateway starts."""
    done = run([sys.executable, "-c", PROBE], capture_output=True, text=True, check=True)
    return {name.partition(".")[0] for name in json.loads(done.stdout)}


@pytest.mark.parametrize("library", ["genai_prices", "prometheus_client", "rich", "httpx", "multiprocessing"])
def test_a_start_does_not_wait_for_what_only_some_need(library: str, loaded: set[str]) -> None:
    """Prices, exposition and tables are loaded when they are asked for; a restart is felt by clients."""
    assert library not in loaded
