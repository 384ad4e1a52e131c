"""How much of the memory that this process may use is in use, where there is a limit.

The limit is the control group's, version 2 or 1: what a container, a service or a pod is given. Nearing
it the kernel ends a process, with everything it was answering.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

NO_LIMIT: Final = 1 << 60
"""Version 1 writes "none" as a number of this size."""


@dataclass(frozen=True, slots=True)
class MemoryLimit:
    """The narrowest limit around this process, and where its use is read."""

    limit_bytes: int
    _used: Path
    _stat: Path
    _reclaimable: str

    @classmethod
    def found(
        cls, groups: Path = Path("/proc/self/cgroup"), mounted: Path = Path("/sys/fs/cgroup")
    ) -> MemoryLimit | None:
        """None where there is none, or the system does not say."""
        limits = [limit for folder, names in _folders(groups, mounted) if (limit := _limit(folder, names))]
        return min(limits, key=lambda limit: limit.limit_bytes, default=None)

    def percent_used(self) -> float:
        """Of the limit; without pages of files that the kernel drops before it ends anybody. 0 when it cannot
        be read: whoever sheds on a guess sheds for nothing."""
        try:
            used = int(self._used.read_text())
            lines = (line.split() for line in self._stat.read_text().splitlines())
            dropped = sum(int(value) for name, value in lines if name == self._reclaimable)
        except (OSError, ValueError):
            return 0.0
        return 100.0 * max(used - dropped, 0) / self.limit_bytes


@dataclass(frozen=True, slots=True)
class _Names:
    """What files and lines are called in one version."""

    limit: str
    used: str
    reclaimable: str


_V1: Final = _Names("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
_V2: Final = _Names("memory.max", "memory.current", "inactive_file")


def _folders(groups: Path, mounted: Path) -> Iterator[tuple[Path, _Names]]:
    """Every group around this process, from its own to the outermost that is to be seen. In a container the
    path may be the host's and lead nowhere; the outermost is then the container's own."""
    try:
        lines = groups.read_text().splitlines()
    except (OSError, ValueError):
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers == "":
            root, names = mounted, _V2
        elif "memory" in controllers.split(","):
            root, names = mounted / "memory", _V1
        else:
            continue
        inner = root / path.lstrip("/")
        yield from ((folder, names) for folder in (inner, *inner.parents) if folder.is_relative_to(root))


def _limit(folder: Path, names: _Names) -> MemoryLimit | None:
    try:
        written = (folder / names.limit).read_text().strip()
    except (OSError, ValueError):
        return None
    if not written.isdecimal() or not 0 < int(written) < NO_LIMIT:
        return None
    return MemoryLimit(int(written), folder / names.used, folder / "memory.stat", names.reclaimable)
