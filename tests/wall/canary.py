"""Secrets and prompts in a cage: what tests use as keys and as words of users, and all that they have seen a
gateway say.

The wall takes note by itself: keys as gateways are configured with them, prompts as its clients send them
and its providers get them, answers as clients read them, logs and metrics as gateways end. After each test
nothing that was said may hold a part of a key, and nothing but an answer's body a part of a prompt (see
`conftest`). What an upstream received is not looked at: that is where keys and prompts belong.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, unquote_plus, unquote_to_bytes

import yaml

SHORTEST = 16
"""A key that is shorter has halves that could be found anywhere."""
SECRET_NAMES = ("KEY", "TOKEN", "SECRET", "PASSWORD")
"""How the names of environment variables with secrets end."""
MARK_BYTES = 16
"""What is looked for of a prompt: so much of its first and of its last words. A shorter one could be found
anywhere."""
FEWEST_KINDS = 6
"""Different characters in a mark: `xxxxxxxxxxxxxxxx` is nobody's words."""

PROMPT = "words of a user, which are nobody else's to read"
"""What tests ask that have nothing of their own to ask."""

_PROMPT = re.compile(
    rb'"(?:content|text|input|system|instructions|prompt|arguments|output)"\s*:\s*("(?:[^"\\]|\\.)*")',
    re.DOTALL,
)
"""A string where the three dialects have words of users, tools and models."""
_UNBROKEN = re.compile(rf"[ !#$&-\[\]-~]{{{MARK_BYTES},}}")
"""Characters that are the same in every escaping, but for percent signs."""
_HEAD = re.compile(rb"HTTP/1\.1 \d{3}[^\n]*\n(?:[^\r\n]+\r?\n)*")
_OF_THE_GATEWAY = (b"openmetrics-text", b"text/plain; version=")
"""Types of bodies that are the gateway's own words."""


@dataclass(frozen=True, slots=True)
class Heard:
    """One thing that was said."""

    where: str
    data: bytes
    without_prompts: bytes
    """The part in which no prompt may be."""


class Witness:
    """Knows the keys and the prompts, hears everything."""

    def __init__(self) -> None:
        self._secrets: set[str] = set()
        self._marks: set[bytes] = set()
        self._configured: set[bytes] = set()
        self._heard: list[Heard] = []
        self._scanned = {"secrets": 0, "prompts": 0}
        self._leaked = {"secrets": 0, "prompts": 0}

    def guard(self, secret: str) -> str:
        """From now on nobody may be heard saying it."""
        if len(secret) >= SHORTEST:
            self._secrets.add(secret)
        return secret

    def guard_config(self, config: str | Mapping[str, Any], environment: Mapping[str, str]) -> None:
        """The keys, the extra headers and the addresses' queries of a configuration, and the environment's
        secrets. Its other words, the names of models and what routes are for, are nobody's prompt, though
        a user may say the same."""
        document = _document(config)
        for secret in _secrets_in(document):
            self.guard(secret)
        self._configured.add(json.dumps(document, default=str).encode())
        for name, value in environment.items():
            if name.upper().endswith(SECRET_NAMES):
                self.guard(value)

    def guard_prompts(self, sent: bytes | bytearray) -> None:
        """Every prompt in what a client has sent, whole or not, in any framing."""
        for found in _PROMPT.finditer(sent):
            try:
                text = json.loads(found[1])
            except ValueError:
                continue  # what no JSON reader can read is nobody's words either
            self._marks.update(_marks(text))

    def hear(self, where: str, data: bytes | str) -> None:
        """What may hold neither."""
        said = data if isinstance(data, bytes) else data.encode(errors="replace")
        self._heard.append(Heard(where, said, said))

    def hear_body(self, where: str, data: bytes) -> None:
        """The body of an answer, in which a model may quote its prompt."""
        self._heard.append(Heard(where, data, b""))

    def hear_answers(self, where: str, data: bytes) -> None:
        """All that a connection has brought: prompts may be in the bodies of models' answers."""
        heads = b"".join(_HEAD.findall(data))
        is_own = any(kind in heads for kind in _OF_THE_GATEWAY)
        self._heard.append(Heard(where, data, data if is_own else heads))

    def hear_session_log(self, config: str | Mapping[str, Any]) -> None:
        """The file that a configuration has sessions written to, if it has one."""
        document = _document(config)
        routing = document.get("routing") if isinstance(document, Mapping) else None
        path = routing.get("session_log") if isinstance(routing, Mapping) else None
        if isinstance(path, str) and Path(path).is_file():
            self.hear("the log of sessions", Path(path).read_bytes())

    @property
    def heard(self) -> list[str]:
        """Where something was said, in order: a scan of nothing proves nothing."""
        return [each.where for each in self._heard]

    def leaks(self) -> list[str]:
        """Who said what since the last time. Halves of a key count, since messages are cut; so do the first
        and the last words of a prompt."""
        heard, self._heard = self._heard, []
        halves = [half.encode() for secret in self._secrets for half in _halves(secret)]
        secrets = [(each, half) for each in heard for half in halves if half in each.data]
        prompts = [(each, mark) for each in heard for mark in self._marks_in(each.without_prompts)]
        self._scanned["secrets"] += sum(1 for each in heard if each.data)
        self._scanned["prompts"] += sum(1 for each in heard if each.without_prompts)
        self._leaked["secrets"] += len(secrets)
        self._leaked["prompts"] += len(prompts)
        return [
            *(f"{each.where} holds {half.decode()!r}" for each, half in secrets),
            *(f"{each.where} holds the words {mark.decode()!r}" for each, mark in prompts),
        ]

    def summary(self) -> str:
        """How much was looked through for how many, and what was found, since the beginning."""
        known = {"secrets": f"{len(self._secrets):,} keys", "prompts": f"{len(self._marks):,} passages"}
        return "; ".join(
            f"{what}: {self._scanned[what]:,} places scanned for {known[what]}, {self._leaked[what]:,} leaks"
            for what in known
        )

    def _marks_in(self, data: bytes) -> list[bytes]:
        if not self._marks or not data:
            return []
        found = self._marks.intersection(_windows(data))
        if b"%" in data:
            found |= self._marks.intersection(_windows(unquote_to_bytes(data)))
        return sorted(mark for mark in found if not any(mark in words for words in self._configured))


class Listener(logging.Handler):
    """Hears what is logged, tracebacks included."""

    def __init__(self, witness: Witness) -> None:
        super().__init__()
        self._witness = witness

    def emit(self, record: logging.LogRecord) -> None:
        self._witness.hear(f"the log of {record.name}", self.format(record))


def _halves(secret: str) -> tuple[str, str]:
    middle = len(secret) // 2
    return secret[:middle], secret[middle:]


def _marks(text: str) -> Iterator[bytes]:
    """The first and the last of its words, where they can be told from other words."""
    passages = _UNBROKEN.findall(text)
    for mark in {passages[0][:MARK_BYTES], passages[-1][-MARK_BYTES:]} if passages else ():
        if len(set(mark)) >= FEWEST_KINDS:
            yield mark.encode("ascii")


def _windows(data: bytes) -> Iterator[bytes]:
    return (data[at : at + MARK_BYTES] for at in range(len(data) - MARK_BYTES + 1))


def _document(config: str | Mapping[str, Any]) -> object:
    try:
        return yaml.safe_load(config) if isinstance(config, str) else config
    except yaml.YAMLError:
        return None


def _secrets_in(document: object) -> Iterator[str]:
    """Values of `access_key`, of `headers` and of a query in `base_url`, wherever they stand."""
    match document:
        case Mapping():
            for key, value in document.items():
                if key == "access_key" and isinstance(value, str):
                    yield value
                elif key == "base_url" and isinstance(value, str):
                    yield from _secrets_in_query(value.partition("?")[2])
                elif key == "headers" and isinstance(value, Mapping):
                    yield from (each for each in value.values() if isinstance(each, str))
                else:
                    yield from _secrets_in(value)
        case list():
            for each in document:
                yield from _secrets_in(each)


def _secrets_in_query(query: str) -> Iterator[str]:
    """As they are sent, and as they are read."""
    for field in query.split("&"):
        written = field.partition("=")[2]
        yield from {written, unquote(written), unquote_plus(written)}


WITNESS = Witness()
"""The one that the wall tells."""
