"""The scan for secrets must find what it is there to find."""

from __future__ import annotations

import logging
from pathlib import Path

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
        f"model_providers: [{{model: a/b, access_key: {KEY}, headers: {{x-team: header-secret-value}}, "
        "base_url: 'https://lab.test/v1?api_key=of%2Bthe-address-itself'}]",
        {"SOME_API_KEY": "from-the-environment"},
    )

    secrets = (KEY, "header-secret-value", "of%2Bthe-address-itself", "of+the-address-itself")
    for secret in (*secrets, "from-the-environment"):
        witness.hear(secret, secret)

    found = {leak.partition(" holds ")[0] for leak in witness.leaks()}
    assert found == {*secrets, "from-the-environment"}


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


# --- prompts

WORDS = "The patient says that she has not slept since Sunday, and asks for something against it"
SENT = b'POST / HTTP/1.1\r\n\r\n{"messages": [{"role": "user", "content": "%b"}]}' % WORDS.encode()
ANSWER = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nx-plano-route: %b\r\n\r\n%b"


def with_words() -> Witness:
    witness = Witness()
    witness.guard_prompts(SENT)
    return witness


def test_a_prompt_that_is_said_is_found_by_its_first_and_its_last_words() -> None:
    """In logs, which cut and escape, and in fields, which escape in another way."""
    witness = with_words()

    witness.hear("a log", f'{{"because": "{WORDS[:40]}"}}')
    witness.hear("another", b'{"because": "...%b"}' % WORDS[-30:].encode())
    witness.hear_answers("a field", ANSWER % (WORDS.replace(" ", "%20").encode(), b"{}"))
    witness.hear("a third", WORDS[10:40])

    assert witness.leaks() == [
        "a log holds the words 'The patient says'",
        "another holds the words 'thing against it'",
        "a field holds the words 'The patient says'",
        "a field holds the words 'thing against it'",
    ]


def test_an_answers_body_may_quote_its_prompt() -> None:
    """What a model says is its client's to read; what the gateway measures is nobody's prompt."""
    witness = with_words()

    witness.hear_body("the body of an answer", WORDS.encode())
    witness.hear_answers("an answer", ANSWER % (b"code", WORDS.encode()))
    answers = witness.leaks()
    page = b"HTTP/1.1 200 OK\r\ncontent-type: text/plain; version=0.0.4\r\n\r\n" + WORDS[:30].encode()
    witness.hear_answers("the metrics", page)

    assert (answers, witness.leaks()) == ([], ["the metrics holds the words 'The patient says'"])


def test_words_that_anybody_could_say_are_not_looked_for() -> None:
    """Or every log would hold a prompt."""
    witness = Witness()
    for content in ("hi", "x" * 1000, "äöü" * 9, r"\u0000" * 9, "\\ud800 broken"):
        witness.guard_prompts(b'{"content": "%b"}' % content.encode())
    witness.hear("a log", "hi xxxxxxxxxxxxxxxxxxxxxxxxx")

    assert (witness.leaks(), "for 0 passages" in witness.summary()) == ([], True)


def test_words_of_a_configuration_are_nobodys_prompt() -> None:
    """A user who says what a route is for has not made that a secret."""
    witness = with_words()
    witness.guard_config({"routing_preferences": [{"name": "sleep", "description": WORDS}]}, {})
    witness.hear("a log", WORDS)

    assert witness.leaks() == []


def test_the_summary_tells_how_much_was_looked_through() -> None:
    """None found in nothing would look the same."""
    witness = with_words()
    witness.guard(KEY)
    witness.hear("a log", KEY)
    witness.hear("another", "all is well")
    witness.hear_body("the body of an answer", b"all is well")
    witness.hear("an empty one", "")
    witness.leaks()

    assert witness.summary() == (
        "secrets: 3 places scanned for 1 keys, 2 leaks; prompts: 2 places scanned for 2 passages, 0 leaks"
    )


def test_the_log_of_sessions_is_heard(tmp_path: Path) -> None:
    """It is written beside everything else."""
    file = tmp_path / "sessions.jsonl"
    file.write_text(WORDS)
    witness = with_words()

    witness.hear_session_log({"routing": {"session_log": str(file)}})
    witness.hear_session_log("routing: {}")

    assert witness.heard == ["the log of sessions"]
    assert len(witness.leaks()) == 2
