"""What a running gateway says on standard error."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator

import pytest

from plano.cli.standard_error import StandardError


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    """A pipe in the place of standard error: the reading end, and the writing end."""
    reading, writing = os.pipe()
    yield reading, writing
    os.close(reading)
    os.close(writing)


@pytest.fixture
def logger() -> Iterator[logging.Logger]:
    """A logger whose records go where the program sends them, and nowhere else."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield logging.getLogger("plano.test")
    root.handlers[:] = handlers
    root.setLevel(level)


def test_a_defect_is_a_line_at_level_error_with_its_traceback(
    pipe: tuple[int, int], logger: logging.Logger
) -> None:
    """Nobody can report what was not written down."""
    reading, writing = pipe

    with StandardError(writing):
        try:
            raise RuntimeError("a defect")
        except RuntimeError:
            logger.exception("request %s failed", "r-1")

    lines = os.read(reading, 1 << 16).decode().splitlines()
    assert (lines[0], lines[-1]) == ("ERROR plano.test: request r-1 failed", "RuntimeError: a defect")


def test_lines_come_in_the_order_in_which_they_were_said(
    pipe: tuple[int, int], logger: logging.Logger
) -> None:
    """Words of the program's own, log records, and characters that no terminal knows."""
    reading, writing = pipe

    with StandardError(writing) as told:
        told.say("one")
        logger.warning("two")
        told.say("three \udcff")

    assert os.read(reading, 1 << 16) == b"one\nWARNING plano.test: two\nthree \\udcff\n"


def test_a_record_that_cannot_be_formatted_does_not_reach_who_logged_it(
    pipe: tuple[int, int], logger: logging.Logger, capsys: pytest.CaptureFixture[str]
) -> None:
    """A request must not fail because of a word about it."""
    _, writing = pipe

    with StandardError(writing):
        logger.warning("%d requests", "two")

    assert "Logging error" in capsys.readouterr().err
