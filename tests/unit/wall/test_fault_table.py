"""The table of faults names tests that there are, and `make fault` runs them all."""

from __future__ import annotations

import ast
from pathlib import Path

from tests.fault.table import NOT_THERE, PLACES, TABLE, files, named

TELEMETRY = "telemetry collector dead or slow"


def names_in(file: Path) -> set[str]:
    tree = ast.parse(file.read_text())
    functions = (each for each in tree.body if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef))
    return {f"{file}::{each.name}" for each in functions if each.name.startswith("test_")}


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
