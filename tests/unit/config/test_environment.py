"""Variables in the file."""

from __future__ import annotations

import pytest

from plano.config.environment import Filled, Variables, read_dotenv

VARIABLES = Variables({"KEY": "from the environment", "EMPTY": ""}, {"KEY": "from .env", "ONLY": "beside"})

FILLED = [
    pytest.param("$KEY", "from the environment", id="the environment comes first"),
    pytest.param("${ONLY}", "beside", id="then .env"),
    pytest.param("a $KEY, b", "a from the environment, b", id="within text"),
    pytest.param("${GONE:-else}", "else", id="default when unset"),
    pytest.param("${EMPTY:-else}", "else", id="default when empty"),
    pytest.param("${GONE:-}", "", id="empty default"),
    pytest.param("${ONLY:-else}", "beside", id="default not needed"),
    pytest.param("$EMPTY", "", id="set to nothing"),
    pytest.param("$$KEY", "$KEY", id="a dollar sign"),
    pytest.param("costs $5, ends$ ${ ${1}", "costs $5, ends$ ${ ${1}", id="not a name"),
]


@pytest.mark.parametrize(("text", "filled"), FILLED)
def test_names_are_filled_in(text: str, filled: str) -> None:
    """What is no variable stays as it was written."""
    substituted = VARIABLES.substitute(text)

    assert (substituted.text, substituted.problem) == (filled, None)


def test_every_unset_name_is_told() -> None:
    """One at a time would take as many runs as there are keys."""
    problem = VARIABLES.substitute("$GONE ${AWAY} $GONE $KEY").problem

    assert problem is not None
    assert problem.startswith("GONE, AWAY are not set")


def test_a_value_is_not_substituted_again() -> None:
    """A key with a dollar sign in it is a key, not a recipe."""
    variables = Variables({"KEY": "$OTHER"}, {})

    assert variables.substitute("$KEY") == Filled("$OTHER", None, (("$KEY", "$OTHER"),))


def test_dotenv_takes_what_shells_write() -> None:
    """The same file is sourced by shells and read by other programs."""
    text = "# keys\nA=1\nexport B='two words'\n C = \"3\" \nD=4 # four\nE=a=b\n\nnot a line\n"

    assert read_dotenv(text) == (
        {"A": "1", "B": "two words", "C": "3", "D": "4", "E": "a=b"},
        [(8, "expected NAME=value")],
    )
