"""Reads as much of a file as is sound, so that one mistake does not hide the next.

A value that is wrong is left out, and with it what cannot be without it; what remains is read
again, until it holds. The names that were left out are kept: who refers to them is not at fault.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any, Final

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from plano.config.document import Document
from plano.config.explain import path_of
from plano.config.problems import KeyPath
from plano.config.schema import File

_ROUNDS: Final = 12
"""A value is left out, then what needs it, at most once a level."""


@dataclass(frozen=True, slots=True)
class Sound:
    """What could be read, and what is wrong with the rest."""

    file: File
    errors: list[ErrorDetails]
    lost: frozenset[str]
    """Models and names in entries that were left out, and aliases."""
    indices: dict[KeyPath, list[int]]
    """For each list that lost entries: where the ones that remain stood."""


def read_sound(document: Document) -> Sound:
    """Never fails: at worst nothing is sound."""
    data = document.data
    if not isinstance(data, dict):
        return Sound(_nothing(), [], frozenset(), {})
    try:
        return Sound(File.model_validate(data), [], frozenset(), {})
    except ValidationError as error:
        errors = error.errors(include_url=False)
    return _repair(data, errors)


def _repair(data: dict[str, Any], errors: list[ErrorDetails]) -> Sound:
    pruned = _Pruned(data)
    found = errors
    for _ in range(_ROUNDS):
        pruned.leave_out(found)
        try:
            file = File.model_validate(pruned.compact())
        except ValidationError as error:
            found = error.errors(include_url=False)
            found = [pruned.as_written(detail) for detail in found]
        else:
            return Sound(file, errors, frozenset(pruned.lost), pruned.indices())
    return Sound(_nothing(), errors, frozenset(pruned.lost), {})


def _nothing() -> File:
    return File(version="v0.4.0")


class _Gone:
    """Stands where a list lost an entry, so that the others keep their numbers."""


_GONE: Final = _Gone()


class _Pruned:
    def __init__(self, data: dict[str, Any]) -> None:
        self._data = copy.deepcopy(data)
        self._data.setdefault("version", "v0.4.0")
        self.lost: set[str] = set()

    def leave_out(self, errors: list[ErrorDetails]) -> None:
        for error in errors:
            path = path_of(error)
            if path == ("version",):
                self._data["version"] = "v0.4.0"
            else:
                self._remove(path[:-1] if error["type"] == "missing" else path)

    def _remove(self, path: KeyPath) -> None:
        """Takes out the value at `path`, or the nearest thing around it that is there."""
        container: Any = self._data
        for step in path[:-1]:
            child = _child(container, step)
            if child is _GONE:
                return
            container = child
        if path and _child(container, path[-1]) is not _GONE:
            self._note(_child(container, path[-1]))
            if path[:-1] == ("model_aliases",):
                self.lost.add(str(path[-1]))
            if isinstance(container, list):
                container[int(path[-1])] = _GONE
            else:
                del container[path[-1]]

    def _note(self, value: object) -> None:
        if isinstance(value, dict):
            self.lost |= {name for key in ("name", "model") if isinstance(name := value.get(key), str)}
        if isinstance(value, list):
            for item in value:
                self._note(item)

    def compact(self) -> dict[str, Any]:
        whole = _compact(self._data)
        assert isinstance(whole, dict)
        return whole

    def as_written(self, error: ErrorDetails) -> ErrorDetails:
        """The error with the numbers that its entries had in the file."""
        indices = self.indices()
        path: KeyPath = ()
        for step in path_of(error):
            kept = indices.get(path)
            path = (*path, kept[step] if kept is not None and isinstance(step, int) else step)
        return {**error, "loc": path}

    def indices(self) -> dict[KeyPath, list[int]]:
        found: dict[KeyPath, list[int]] = {}
        _collect(self._data, (), found)
        return found


def _child(container: Any, step: str | int) -> Any:
    if isinstance(container, dict):
        return container.get(step, _GONE) if isinstance(step, str) else _GONE
    if isinstance(container, list) and isinstance(step, int) and step < len(container):
        return container[step]
    return _GONE


def _compact(value: object) -> object:
    if isinstance(value, dict):
        return {key: _compact(child) for key, child in value.items()}
    if isinstance(value, list):
        return [_compact(child) for child in value if child is not _GONE]
    return value


def _collect(value: object, path: KeyPath, found: dict[KeyPath, list[int]]) -> None:
    if isinstance(value, dict):
        for key, child in value.items():
            _collect(child, (*path, key), found)
    if isinstance(value, list):
        kept = [index for index, child in enumerate(value) if child is not _GONE]
        if len(kept) < len(value):
            found[path] = kept
        for index in kept:
            _collect(value[index], (*path, index), found)
