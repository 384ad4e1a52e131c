"""The table of faults names tests that there are, and `make fault` runs them all."""

from __future__ import annotations

import ast
from itertools import chain
from pathlib import Path

from tests.fault.table import IN_NO_ROW, NOT_THERE, PLACES, TABLE, files, named

FAULTS = Path(PLACES["fault"])
UNWATCHED = {"tests.wall.gateway", "tests.wall.gateway.gateway"}
TELEMETRY = "telemetry collector dead or slow"


def names_in(file: Path) -> set[str]:
    tree = ast.parse(file.read_text())
    functions = (each for each in tree.body if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef))
    return {f"{file}::{each.name}" for each in functions if each.name.startswith("test_")}


def imported(file: Path) -> set[str]:
    """Names in full, of whatever the module imports anywhere."""
    nodes = list(ast.walk(ast.parse(file.read_text())))
    plain = ((alias.name for alias in node.names) for node in nodes if isinstance(node, ast.Import))
    ours = (
        (f"{node.module}.{alias.name}" for alias in node.names)
        for node in nodes
        if isinstance(node, ast.ImportFrom)
    )
    return set(chain.from_iterable(chain(plain, ours)))


def test_every_test_that_is_named_exists() -> None:
    """A test that was renamed leaves its row empty, and nobody notices."""
    there = {
        test
        for folder in PLACES.values()
        for file in Path(folder).glob("test_*.py")
        for test in names_in(file)
    }

    assert named() - there == set()


def test_every_row_and_every_clause_is_shown_or_said_not_to_be() -> None:
    """19 rows, as they were written down."""
    empty = [row for row, clauses in TABLE.items() if not clauses or not all(clauses.values())]

    assert (empty, len({*TABLE, TELEMETRY}), TELEMETRY in NOT_THERE) == ([], 19, True)


def test_every_file_of_the_table_is_run() -> None:
    """Those elsewhere as well."""
    run = files()

    assert {each.partition("::")[0] for each in named() if not each.startswith("tests/fault/")} == set(
        run[1:]
    )
    assert run[0] == "tests/fault"


def test_every_file_of_faults_is_in_the_table_or_said_not_to_be() -> None:
    """A file that is in no row shows something, or should not be there."""
    there = {file.stem.removeprefix("test_") for file in FAULTS.glob("test_*.py")}
    in_table = {Path(each.partition("::")[0]) for each in named()}
    shown = {file.stem.removeprefix("test_") for file in in_table if file.parent == FAULTS}

    assert sorted(there - shown) == sorted(IN_NO_ROW)


def test_every_gateway_of_the_folder_is_watched() -> None:
    """One that is not may keep what a fault has cost it, and its test is green."""
    unwatched = {file.name for file in FAULTS.glob("*.py") if UNWATCHED & imported(file)}

    assert unwatched == {"watched.py"}
