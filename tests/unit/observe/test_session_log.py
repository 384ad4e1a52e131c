"""The lines that `plano replay` reads."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from plano.chat.usage import Usage
from plano.observe.log_writer import LogWriter
from plano.observe.session_log import LONGEST_NAME, MOST_CANDIDATES, AppendedFile, SessionLog, rendered

USAGE = Usage(input_tokens=1000, output_tokens=50, cache_read_tokens=900)


@dataclass
class Facts:
    """What the log reads of a record: a request inside a tool loop."""

    at: float = 1762079472.123
    sent: float | None = 100.5
    session: str | None = "acme:s-1"
    is_user_turn: bool | None = False
    candidates: Sequence[str] = ("anthropic/claude-sonnet-4-5", "openai/gpt-5")
    requested: str | None = "auto"
    route: str | None = "code generation"
    chosen: str | None = "openai/gpt-5"
    decision: str | None = "affinity"
    status: int | None = 200
    bytes_in: int = 4000
    usage: Usage | None = USAGE


class Kept:
    """A writer that keeps what it is given."""

    dropped = 0

    def __init__(self) -> None:
        self.lines: list[bytes] = []

    def write(self, lines: list[bytes]) -> None:
        self.lines += lines

    def close(self, timeout_s: float) -> bool:
        return True


def test_a_line_says_what_pricing_a_policy_takes() -> None:
    """And nothing of what was said."""
    assert json.loads(rendered(Facts())) == {
        "time": "2025-11-02T10:31:12.123Z",
        "session": "acme:s-1",
        "requested": "auto",
        "route": "code generation",
        "candidates": ["anthropic/claude-sonnet-4-5", "openai/gpt-5"],
        "chosen": "openai/gpt-5",
        "decision": "affinity",
        "is_user_turn": False,
        "status": 200,
        "input_tokens": 1000,
        "cached_tokens": 900,
        "output_tokens": 50,
        "request_bytes": 4000,
    }


def test_what_is_not_known_is_left_out() -> None:
    """Unknown is not zero."""
    line = json.loads(rendered(Facts(usage=None, session=None, is_user_turn=None, status=None)))

    assert not {"input_tokens", "output_tokens", "cached_tokens", "session", "is_user_turn", "status"} & set(
        line
    )


def test_names_from_outside_cannot_break_a_line_nor_fill_the_disk() -> None:
    """A client chooses its session's id, and the model that it asks for."""
    odd = Facts(session="a\nb\udc80", requested="m" * 10_000, candidates=("c",) * 100)

    line = rendered(odd)

    assert line.count(b"\n") == 1
    read = json.loads(line)
    assert (read["session"], len(read["requested"]), len(read["candidates"])) == (
        "a\nb\\udc80",
        LONGEST_NAME,
        MOST_CANDIDATES,
    )


def test_only_what_was_sent_to_a_model_is_logged() -> None:
    """A decision that was only asked for has cost nothing yet, and a refused request never will."""
    kept = Kept()
    log = SessionLog(kept)

    log.take([Facts(sent=None)])
    log.take([Facts(sent=None), Facts(session="a"), Facts(session="b")])

    assert [json.loads(line)["session"] for line in kept.lines] == ["a", "b"]


def test_a_bad_record_costs_no_other_its_line() -> None:
    """Each of them is told of to whoever counts what is lost."""
    kept = Kept()
    bad = Facts(at=float("nan"))

    with pytest.raises(ExceptionGroup) as caught:
        SessionLog(kept).take([Facts(session="a"), bad, bad, Facts(session="b")])

    lines = [json.loads(line)["session"] for line in kept.lines]
    assert (lines, len(caught.value.exceptions)) == (["a", "b"], 2)


def test_lines_are_appended_to_what_is_there(tmp_path: Path) -> None:
    """By this worker and by others, before a restart and after it."""
    path = tmp_path / "sessions.jsonl"
    path.write_bytes(b"before\n")
    one, other = AppendedFile(str(path)), AppendedFile(str(path))

    one.write(b"a\n")
    other.write(b"b\n")
    one.write(b"c\n")

    one.close()
    other.close()
    assert path.read_bytes() == b"before\na\nb\nc\n"


def test_a_file_that_was_moved_away_is_begun_anew(tmp_path: Path) -> None:
    """Whoever rotates it needs to send no signal."""
    path = tmp_path / "sessions.jsonl"
    file = AppendedFile(str(path))

    file.write(b"a\n")
    path.rename(tmp_path / "sessions.jsonl.1")
    file.write(b"b\n")

    file.close()
    assert ((tmp_path / "sessions.jsonl.1").read_bytes(), path.read_bytes()) == (b"a\n", b"b\n")


def test_a_new_file_is_not_for_everybody(tmp_path: Path) -> None:
    """It says who talked to which model, and when."""
    file = AppendedFile(str(tmp_path / "sessions.jsonl"))

    file.write(b"a\n")

    file.close()
    assert (tmp_path / "sessions.jsonl").stat().st_mode & 0o007 == 0


def test_after_an_error_the_file_is_opened_again(tmp_path: Path) -> None:
    """A folder that comes later, a disk that has room again."""
    path = tmp_path / "later" / "sessions.jsonl"
    file = AppendedFile(str(path))

    with pytest.raises(FileNotFoundError):
        file.write(b"a\n")
    path.parent.mkdir()
    file.write(b"b\n")

    file.close()
    assert path.read_bytes() == b"b\n"


def test_half_a_line_does_not_spoil_the_next(tmp_path: Path) -> None:
    """What a full disk cut off stands on a line of its own."""
    path = tmp_path / "sessions.jsonl"
    file = AppendedFile(str(path))

    file.write(b"a\nhal")
    file.write(b"b\n")

    file.close()
    assert path.read_bytes() == b"a\nhal\nb\n"


def test_trouble_with_the_file_costs_lines_that_are_counted(tmp_path: Path) -> None:
    """And no request: the thread that writes outlives it."""
    path = tmp_path / "nowhere" / "sessions.jsonl"
    log = SessionLog(LogWriter(AppendedFile(str(path))))

    log.take([Facts(), Facts()])

    assert log.close(5.0)
    assert log.dropped == 2


def test_the_descriptor_is_closed(tmp_path: Path) -> None:
    """One for each reopened file would run out one day."""
    path = tmp_path / "sessions.jsonl"
    file = AppendedFile(str(path))
    before = len(list(Path("/proc/self/fd").iterdir()))

    for _ in range(5):
        file.write(b"a\n")
        path.unlink()
    file.close()

    assert len(list(Path("/proc/self/fd").iterdir())) == before
