"""Starts processes on chosen cores, reads what the kernel says they use, and never leaves one behind."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

PR_SET_PDEATHSIG = 1
STOP_WITHIN_S = 5.0
PROC = Path("/proc")
LIBC = ctypes.CDLL(None)


class CannotMeasure(Exception):
    """Something that the benchmark needs is not there; the text says what to do."""


@dataclass(frozen=True, slots=True)
class Cores:
    """Who runs where: what is measured has a core of its own when the machine has two."""

    measured: frozenset[int]
    others: frozenset[int]

    @staticmethod
    def of_this_machine() -> Cores:
        cores = sorted(os.sched_getaffinity(0))
        return Cores(frozenset(cores[:1]), frozenset(cores[1:] or cores))


@contextmanager
def pinned(cores: frozenset[int]) -> Iterator[None]:
    """What is started inside inherits these cores."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def field_bytes(status: str, name: str) -> int:
    """A size from the text of `/proc/PID/status`, in bytes; 0 when it is not there (a zombie has none)."""
    for line in status.splitlines():
        if line.startswith(name + ":"):
            return int(line.split()[1]) * 1024
    return 0


def parent_of(stat: str) -> int:
    """The parent's id from the text of `/proc/PID/stat`; a process may have `)` and spaces in its name."""
    return int(stat[stat.rindex(")") + 2 :].split()[1])


def family(root: int, parents: Mapping[int, int]) -> list[int]:
    """`root` and all that descend from it."""
    members = [root]
    for member in members:
        members.extend(child for child, parent in parents.items() if parent == member)
    return members


def parents_now() -> dict[int, int]:
    parents = {}
    for entry in PROC.iterdir():
        if entry.name.isdigit():
            text = read(entry / "stat")
            if text:
                parents[int(entry.name)] = parent_of(text)
    return parents


def read(path: Path) -> str:
    """A file of /proc, or nothing when its process has gone meanwhile."""
    try:
        return path.read_text()
    except OSError:
        return ""


def cpu_ns(pid: int) -> int:
    """CPU time of all threads of a process, ended ones included, to the nanosecond (the process's
    CPU clock: `/proc/PID/stat` shows the same figure in ticks of 10 ms)."""
    try:
        return time.clock_gettime_ns((~pid << 3) | 2)
    except OSError:
        return 0


class Spawned:
    """One started process and its descendants. Use it with `with`."""

    def __init__(
        self, argv: Sequence[str], *, cores: frozenset[int], log: Path, env: Mapping[str, str] | None = None
    ) -> None:
        self.log = log
        with log.open("ab") as output, pinned(cores):
            self._process = subprocess.Popen(
                argv,
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=output,
                env={**os.environ, **(env or {})},
                cwd=log.parent,
                start_new_session=True,
                preexec_fn=die_with_parent,  # noqa: PLW1509  (there is one thread)
            )

    @property
    def exit_code(self) -> int | None:
        return self._process.poll()

    def members(self) -> list[int]:
        return family(self._process.pid, parents_now())

    def cpu_ns(self) -> int:
        return sum(cpu_ns(pid) for pid in self.members())

    def rss(self) -> int:
        return self._sum("VmRSS")

    def peak_rss(self) -> int:
        return self._sum("VmHWM")

    def forget_peak(self) -> None:
        """The peak counts from now on."""
        for pid in self.members():
            (PROC / str(pid) / "clear_refs").write_text("5")

    def _sum(self, name: str) -> int:
        return sum(field_bytes(read(PROC / str(pid) / "status"), name) for pid in self.members())

    @contextmanager
    def explained(self) -> Iterator[None]:
        """Adds to what cannot be measured inside that, and how, the process has ended."""
        try:
            yield
        except CannotMeasure as problem:
            if self.exit_code is None:
                raise
            ending = f"it ended with exit code {self.exit_code}: {self.last_words()}"
            raise CannotMeasure(f"{problem}; {ending}") from problem

    def last_words(self) -> str:
        lines = [line.strip() for line in self.log.read_text(errors="replace").splitlines() if line.strip()]
        return " / ".join(lines[-3:])[-400:]

    def __enter__(self) -> Spawned:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process.stdin:
            self._process.stdin.close()
        for signal_number in (signal.SIGTERM, signal.SIGKILL):
            try:
                os.killpg(self._process.pid, signal_number)
                self._process.wait(STOP_WITHIN_S)
            except (ProcessLookupError, subprocess.TimeoutExpired):
                continue


def die_with_parent() -> None:
    """Runs in the child before exec: even a killed benchmark leaves nothing running."""
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
