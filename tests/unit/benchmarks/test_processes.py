"""Reading the kernel's tables."""

from __future__ import annotations

from benchmarks.processes import family, field_bytes, parent_of

STATUS = "Name:\tplano\nVmHWM:\t   50712 kB\nVmRSS:\t   48320 kB\nThreads:\t3\n"


def test_a_size_is_given_in_bytes() -> None:
    """The kernel writes kB and means KiB."""
    assert field_bytes(STATUS, "VmRSS") == 48320 * 1024


def test_a_process_without_memory_counts_nothing() -> None:
    """A zombie has a status and no sizes in it."""
    assert field_bytes("Name:\tplano\nState:\tZ (zombie)\n", "VmRSS") == 0


def test_the_parent_is_found_behind_any_name() -> None:
    """A process may call itself `a) 1 (b`, and peers do choose odd names."""
    assert parent_of("4242 (vllm::) 1 (router) S 17 4242 4242 0 -1") == 17


def test_a_family_is_the_root_and_all_below_it() -> None:
    """A gateway that forks must not look cheaper than one that does not."""
    parents = {10: 1, 11: 10, 12: 10, 13: 12, 14: 2}

    members = family(10, parents)

    assert members == [10, 11, 12, 13]
