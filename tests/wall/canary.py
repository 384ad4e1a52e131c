"""Secrets in a cage: what tests use as keys, and all that they have seen a gateway say.

The wall takes note by itself: keys as gateways are configured with them, answers as its clients
read them, logs and metrics as gateways end. After each test nothing that was said may hold a part
of a key (see `conftest`). What an upstream received is not looked at: that is where keys belong.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from typing import Any

import yaml

SHORTEST = 16
"""A key that is shorter has halves that could be found anywhere."""
SECRET_NAMES = ("KEY", "TOKEN", "SECRET", "PASSWORD")
"""How the names of environment variables with secrets end."""


class Witness:
    """Knows the keys, hears everything."""

    def __init__(self) -> None:
        self._secrets: set[str] = set()
        self._heard: list[tuple[str, bytes]] = []

    def guard(self, secret: str) -> str:
        """From now on nobody may be heard saying it."""
        if len(secret) >= SHORTEST:
            self._secrets.add(secret)
        return secret

    def guard_config(self, config: str | Mapping[str, Any], environment: Mapping[str, str]) -> None:
        """The keys and the extra headers of a configuration, and the environment's secrets."""
        try:
            document = yaml.safe_load(config) if isinstance(config, str) else config
        except yaml.YAMLError:
            document = None
        for secret in _secrets_in(document):
            self.guard(secret)
        for name, value in environment.items():
            if name.upper().endswith(SECRET_NAMES):
                self.guard(value)

    def hear(self, where: str, data: bytes | str) -> None:
        self._heard.append((where, data if isinstance(data, bytes) else data.encode(errors="replace")))

    @property
    def heard(self) -> list[str]:
        """Where something was said, in order: a scan of nothing proves nothing."""
        return [where for where, _ in self._heard]

    def leaks(self) -> list[str]:
        """Who said what since the last time; halves count, since messages are cut."""
        heard, self._heard = self._heard, []
        halves = [half.encode() for secret in self._secrets for half in _halves(secret)]
        return [
            f"{where} holds {half.decode()!r}" for where, data in heard for half in halves if half in data
        ]


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


def _secrets_in(document: object) -> Iterator[str]:
    """Values of `access_key` and of `headers`, wherever they stand."""
    match document:
        case Mapping():
            for key, value in document.items():
                if key == "access_key" and isinstance(value, str):
                    yield value
                elif key == "headers" and isinstance(value, Mapping):
                    yield from (each for each in value.values() if isinstance(each, str))
                else:
                    yield from _secrets_in(value)
        case list():
            for each in document:
                yield from _secrets_in(each)


WITNESS = Witness()
"""The one that the wall tells."""
