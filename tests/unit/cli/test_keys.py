"""`plano keys`: a key is shown once; what is kept of it is its hash."""

from __future__ import annotations

import re

import pytest
from click.testing import CliRunner

from plano.cli.keys import command
from plano.keys.digests import hash_of


def test_a_new_key_and_the_entry_that_lets_it_in() -> None:
    """Standard output has the key and nothing else, for whoever pipes it into a vault."""
    made = CliRunner().invoke(command, ["new", "--name", 'the "lab"'])

    key = made.stdout.strip()
    assert re.fullmatch(r"pk-[A-Za-z0-9_-]{43}", key)
    assert f'      - name: "the \\"lab\\""\n        hash: {hash_of(key)}\n' in made.stderr


def test_no_key_is_made_twice() -> None:
    """256 random bits."""
    made = {CliRunner().invoke(command, ["new"]).stdout for _ in range(20)}

    assert len(made) == 20


def test_the_hash_of_a_key_of_ones_own() -> None:
    """Read from standard input, with the newline that editors add."""
    key = "a-key-from-somewhere-else-0123456789"

    said = CliRunner().invoke(command, ["hash"], input=f"{key}\n")

    assert said.stdout == f"{hash_of(key)}\n"


@pytest.mark.parametrize("key", ["", "hunter2", "two words that are long enough for it", "ключ" * 20])
def test_what_could_be_guessed_is_no_key(key: str) -> None:
    """A fast hash of a short secret is the secret."""
    said = CliRunner().invoke(command, ["hash"], input=key, standalone_mode=False)

    assert (said.stdout, type(said.exception).__name__) == ("", "InputAtFault")
