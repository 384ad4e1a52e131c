"""The scan for secrets must find what it is there to find."""

from __future__ import annotations

import logging

from tests.wall.canary import Listener, Witness

KEY = "sk-planted-0123456789"


def test_a_key_that_is_said_is_found() -> None:
    """In full or by half, and with the place it was said in."""
    witness = Witness()
    witness.guard(KEY)

    witness.hear("an answer", f'{{"error": "{KEY}"}}')
    witness.hear("a log", b"key sk-planted-...")
    witness.hear("another", b"sk-***")

    assert witness.leaks() == [
        "an answer holds 'sk-planted'",
        "an answer holds '-0123456789'",
        "a log holds 'sk-planted'",
    ]


def test_what_was_scanned_is_let_go() -> None:
    """Each test answers for itself."""
    witness = Witness()
    witness.guard(KEY)
    witness.hear("an answer", KEY)

    found = len(witness.leaks())

    assert (found, witness.heard, witness.leaks()) == (2, [], [])


def test_keys_of_a_configuration_are_guarded_wherever_they_stand() -> None:
    """Tests write configurations in many ways, and forget to say which part is secret."""
    witness = Witness()
    witness.guard_config(
        f"model_providers: [{{model: a/b, access_key: {KEY}, headers: {{x-team: header-secret-value}}}}]",
        {"SOME_API_KEY": "from-the-environment"},
    )

    for secret in (KEY, "header-secret-value", "from-the-environment"):
        witness.hear("somebody", secret)

    assert len(witness.leaks()) == 6


def test_a_configuration_that_cannot_be_read_guards_nothing() -> None:
    """Tests of faulty files go through the same hands."""
    witness = Witness()

    witness.guard_config("a: [", {})

    assert witness.leaks() == []


def test_tracebacks_in_the_log_are_heard() -> None:
    """A key in an exception's message is a key in the log."""
    witness = Witness()
    witness.guard(KEY)
    record = logging.makeLogRecord({"msg": "it failed", "exc_info": (ValueError, ValueError(KEY), None)})

    Listener(witness).emit(record)

    assert len(witness.leaks()) == 2
