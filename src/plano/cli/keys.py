"""`plano keys`: makes gateway keys, and says what a configuration keeps of them."""

from __future__ import annotations

import json
import secrets
from typing import BinaryIO

import click

from plano.cli.exits import ExitCode, InputAtFault
from plano.keys.digests import PREFIX, RANDOM_BYTES, hash_of

EXAMPLES = """\
\b
Examples:
  plano keys new --name research    a new key, shown once, and the entry to paste
  plano keys hash < key.txt         what a configuration keeps of a key of your own
"""
SHORTEST = 32
"""Characters of a key of somebody's own: of a shorter one the likely values could be tried."""

MOST_READ = 4096


@click.group("keys", epilog=EXAMPLES)
def command() -> None:
    """Make gateway keys, with which clients show who they are (listeners[].keys)."""


@command.command("new", epilog="\b\nExample:\n  plano keys new --name research")
@click.option("--name", default="somebody", show_default=True, help="What logs and messages call it.")
def new(name: str) -> int:
    """Print a new key, which is shown this once and stored nowhere, and the entry to paste.

    The key goes to standard output, the rest to standard error.
    """
    key = PREFIX + secrets.token_urlsafe(RANDOM_BYTES)
    click.echo(key)
    click.echo("\nThis is the key; it cannot be shown again. Under keys, at the listener:\n", err=True)
    click.echo(
        f"      - name: {json.dumps(name, ensure_ascii=False)}\n        hash: {hash_of(key)}", err=True
    )
    return ExitCode.DONE


@command.command("hash", epilog="\b\nExample:\n  plano keys hash < key.txt")
@click.argument("key", type=click.File("rb"), default="-", metavar="[FILE]")
def hashed(key: BinaryIO) -> int:
    """Print the hash of a key that is read from a FILE or from standard input, which no shell keeps."""
    text = key.read(MOST_READ).strip().decode("latin-1")
    if not text.isascii() or not text.isprintable() or " " in text:
        raise InputAtFault("expected one key of visible ASCII characters; got something else")
    if len(text) < SHORTEST:
        raise InputAtFault(
            f"expected a key of at least {SHORTEST} random characters, as its hash is a fast one; "
            f"got {len(text)}: plano keys new makes one"
        )
    click.echo(hash_of(text))
    return ExitCode.DONE
