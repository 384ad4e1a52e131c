"""The memory that a process may use, as either version of control groups says it."""

from __future__ import annotations

from pathlib import Path

import pytest

from plano.observe.memory import MemoryLimit


def group(folder: Path, **files: str) -> None:
    """A control group; `__` in a name stands for a point."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name.replace("__", ".")).write_text(content + "\n")


def found(folder: Path, line: str) -> MemoryLimit | None:
    groups = folder / "groups"
    groups.write_text(f"3:cpu:/elsewhere\n{line}\n")
    return MemoryLimit.found(groups, folder / "mounted")


def test_the_second_version_is_read(tmp_path: Path) -> None:
    """Pages of files that nobody uses are given up first, and are no danger."""
    group(
        tmp_path / "mounted/a",
        memory__max="1000",
        memory__current="900",
        memory__stat="anon 500\ninactive_file 250\nactive_file 100",
    )

    limit = found(tmp_path, "0::/a")

    assert limit is not None
    assert (limit.limit_bytes, limit.percent_used()) == (1000, 65.0)


def test_the_first_version_is_read(tmp_path: Path) -> None:
    """Many hosts still have it."""
    group(
        tmp_path / "mounted/memory/a",
        memory__limit_in_bytes="1000",
        memory__usage_in_bytes="900",
        memory__stat="inactive_file 1\ntotal_inactive_file 150",
    )

    limit = found(tmp_path, "4:memory:/a")

    assert limit is not None
    assert (limit.limit_bytes, limit.percent_used()) == (1000, 75.0)


def test_the_narrowest_of_all_around_counts(tmp_path: Path) -> None:
    """A pod's limit is one of the group around the container's."""
    group(tmp_path / "mounted/pod/one", memory__max="max")
    group(tmp_path / "mounted/pod", memory__max="500", memory__current="100", memory__stat="anon 7")
    group(tmp_path / "mounted", memory__max="1000")

    limit = found(tmp_path, "0::/pod/one")

    assert limit is not None
    assert (limit.limit_bytes, limit.percent_used()) == (500, 20.0)


def test_a_path_that_leads_nowhere_in_a_container_is_the_mount_itself(tmp_path: Path) -> None:
    """Without a namespace of groups a container sees the host's path, and its own files."""
    group(tmp_path / "mounted", memory__max="700", memory__current="70", memory__stat="anon 7")

    limit = found(tmp_path, "0::/docker/0123")

    assert limit is not None
    assert limit.limit_bytes == 700


@pytest.mark.parametrize("written", ["max", "9223372036854771712", "0", "much"])
def test_what_is_no_limit_is_none(written: str, tmp_path: Path) -> None:
    """Shedding against a limit that is not there would turn clients away for nothing."""
    group(tmp_path / "mounted/a", memory__max=written)

    assert found(tmp_path, "0::/a") is None


def test_where_the_system_does_not_say_there_is_none(tmp_path: Path) -> None:
    """Other systems have no control groups."""
    assert MemoryLimit.found(tmp_path / "nothing", tmp_path) is None


def test_use_that_cannot_be_read_is_no_use(tmp_path: Path) -> None:
    """The group may be taken away under us."""
    group(tmp_path / "mounted/a", memory__max="1000")

    limit = found(tmp_path, "0::/a")

    assert limit is not None
    assert limit.percent_used() == 0.0
