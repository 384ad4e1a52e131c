"""Batches of finished records, of which a bad one costs the others nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

T = TypeVar("T")


def take_each(records: Iterable[T], take: Callable[[T], object]) -> None:
    """Raises an ExceptionGroup of what was raised, one for each record, when all others were taken."""
    raised: list[Exception] = []
    for record in records:
        try:
            take(record)
        except Exception as error:  # noqa: BLE001 - raised below
            raised.append(error)
    if raised:
        raise ExceptionGroup("records that could not be taken", raised)
