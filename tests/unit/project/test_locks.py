"""The locks: complete, pinned, hashed, and valid wherever packages come from."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
LOCKS = sorted((ROOT / "requirements").glob("*.lock"))
PIN = re.compile(r"^(?P<name>[a-z0-9._-]+)==\S+( ; [^\\]+)? \\$")
HASH = re.compile(r"^    --hash=sha256:[0-9a-f]{64}( \\)?$")
NOTE = re.compile(r"^\s*#(?!.*(://|file:/|index-url|--find-links)).*$|^$")


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_a_lock_holds_pins_and_hashes_and_names_no_source(lock: Path) -> None:
    """Where packages come from is the machine's business; what they are is ours."""
    lines = lock.read_text().splitlines()

    assert [line for line in lines if not (PIN.match(line) or HASH.match(line) or NOTE.match(line))] == []


def test_one_package_has_one_version_in_all_locks() -> None:
    """The locks are installed into one environment, in any order."""
    pins = {line.split()[0] for lock in LOCKS for line in lock.read_text().splitlines() if "==" in line}

    names = [pin.partition("==")[0] for pin in pins]
    assert len(names) == len(set(names))


def test_every_direct_dependency_is_locked_and_they_are_few() -> None:
    """Each is a promise of somebody else's that has to be watched."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    direct = {re.split(r"[^A-Za-z0-9-]", dependency)[0].lower() for dependency in project["dependencies"]}

    locked = {line.partition("==")[0] for line in (ROOT / "requirements/run.lock").read_text().splitlines()}
    assert (direct - locked, len(direct) < 15) == (set(), True)
