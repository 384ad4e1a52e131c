"""The tree of errors: complete, unambiguous, and told to callers as it is."""

from __future__ import annotations

import re
from pathlib import Path

from plano.errors import ALL, PlanoError

PAGE = Path(__file__).parents[2] / "docs" / "errors.md"
ROW = re.compile(r"^\| `(?P<code>\w+)` \| (?P<status>\d+) \| (?P<fault>\w+) \|", re.MULTILINE)


def leaves(branch: type[PlanoError]) -> set[type[PlanoError]]:
    below = branch.__subclasses__()
    return {branch} if not below else {leaf for child in below for leaf in leaves(child)}


def test_the_list_holds_every_leaf_of_the_tree() -> None:
    """What the list misses is missing from the documents, too."""
    assert set(ALL) == leaves(PlanoError)


def test_a_code_belongs_to_one_error() -> None:
    """Programs act on codes."""
    codes = [error.code for error in ALL]

    assert len(set(codes)) == len(codes)


def test_the_page_of_codes_says_what_the_code_says() -> None:
    """Codes, statuses and faults are promises to callers."""
    told = [(row["code"], int(row["status"]), row["fault"]) for row in ROW.finditer(PAGE.read_text())]

    assert sorted(told) == sorted((error.code, error.status, error.fault) for error in ALL)
