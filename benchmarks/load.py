"""Compiles the two C programs, and drives the one that sends requests."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.processes import CannotMeasure, Spawned, die_with_parent, pinned

SOURCES = Path(__file__).parent / "native"


@dataclass(frozen=True, slots=True)
class Address:
    """Where and how a target is asked."""

    port: int
    path: str = "/v1/chat/completions"
    headers: tuple[str, ...] = ()
    """Whole header lines."""


@dataclass(frozen=True, slots=True)
class Load:
    """What the client saw; times in microseconds."""

    requests: int
    errors: int
    reconnects: int
    events: int
    bytes: int
    seconds: float
    mean_us: float
    p50_us: float
    p99_us: float
    first_p50_us: float
    first_p99_us: float
    by_preference: int = 0
    """Of a body whose words change: the answers that routes in words decided."""


def compiled(name: str, folder: Path) -> Path:
    """The program, compiled when it is older than its source."""
    source, program = SOURCES / f"{name}.c", folder / name
    if program.exists() and program.stat().st_mtime >= source.stat().st_mtime:
        return program
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        raise CannotMeasure("no C compiler for the upstream and the load: apt-get install gcc libc6-dev")
    folder.mkdir(parents=True, exist_ok=True)
    command = [compiler, "-O2", "-o", str(program), str(source)]
    built = subprocess.run(command, check=False, capture_output=True, text=True)
    if built.returncode:
        raise CannotMeasure(f"{compiler} could not compile {source.name}: {built.stderr.strip()}")
    return program


class Loader:
    """Sends requests from the cores that are not measured."""

    def __init__(self, program: Path, cores: frozenset[int]) -> None:
        self._program = program
        self._cores = cores

    def run(self, address: Address, body: Path, *, connections: int, seconds: float) -> Load:
        """Each connection sends its next request when the last is answered."""
        return self._measure("run", address, body, connections, seconds)

    def once(self, address: Address, body: Path, *, connections: int, within_s: float) -> Load:
        """One request a connection, all at the same time."""
        return self._measure("once", address, body, connections, within_s)

    @contextmanager
    def beside(
        self, address: Address, body: Path, *, connections: int, seconds: float
    ) -> Iterator[list[Load]]:
        """As `run`, while the block runs; once it has ended, the list holds what was seen."""
        found: list[Load] = []
        with pinned(self._cores):
            process = subprocess.Popen(
                self._command("run", address, body, connections, seconds),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                text=True,
                preexec_fn=die_with_parent,  # noqa: PLW1509  (there is one thread)
            )
        with process:
            try:
                yield found
                told, _ = process.communicate()
            except BaseException:
                process.kill()
                raise
        if process.returncode:
            raise CannotMeasure(f"the load generator gave up on port {address.port}")
        found.append(Load(**json.loads(told)))

    @contextmanager
    def held(self, address: Address, body: Path, *, streams: int, within_s: float) -> Iterator[int]:
        """Streams that stay open while the block runs; yields how many brought a first byte."""
        command = self._command("hold", address, body, streams, within_s)
        with pinned(self._cores):
            process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                preexec_fn=die_with_parent,  # noqa: PLW1509  (there is one thread)
            )
        with process:
            assert process.stdout is not None
            try:
                yield int(json.loads(process.stdout.readline())["held"])
            finally:
                process.kill()

    def _measure(self, mode: str, address: Address, body: Path, connections: int, seconds: float) -> Load:
        with pinned(self._cores):
            done = subprocess.run(
                self._command(mode, address, body, connections, seconds),
                check=False,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                preexec_fn=die_with_parent,
            )
        if done.returncode:
            raise CannotMeasure(f"the load generator gave up on port {address.port}: {done.stderr.strip()}")
        return Load(**json.loads(done.stdout))

    def _command(
        self, mode: str, address: Address, body: Path, connections: int, seconds: float
    ) -> list[str]:
        numbers = [str(address.port), str(connections), str(seconds)]
        return [str(self._program), mode, *numbers, str(body), address.path, *address.headers]


@dataclass(frozen=True, slots=True)
class Target:
    """Something that answers, and how to ask it."""

    name: str
    address: Address
    model: str
    process: Spawned
    metrics_port: int | None = None
