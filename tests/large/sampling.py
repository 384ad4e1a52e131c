"""What a gateway holds, every few seconds: of all its processes together."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from benchmarks.processes import family, parents_now
from tests.integration.process.asking import get
from tests.large.kernel import held
from tests.wall.canary import WITNESS
from tests.wall.process import GatewayProcess

IN_FLIGHT = re.compile(rb"^plano_requests_in_flight (\S+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Sample:
    """One look."""

    at_s: float
    rss_bytes: int
    descriptors: int
    threads: int
    tasks: int
    in_flight: int


async def sample(running: GatewayProcess, folder: Path, at_s: float) -> Sample:
    """`folder` is where the processes write how many tasks they have (see `inside`)."""
    reply = await get(running.admin_port, "/metrics")
    WITNESS.hear("the metrics", reply.body)
    found = IN_FLIGHT.search(reply.body)
    pids = family(running.pid, parents_now())
    each = [held(pid) for pid in pids]
    return Sample(
        at_s,
        sum(one.rss_bytes for one in each),
        sum(one.descriptors for one in each),
        sum(one.threads for one in each),
        sum(_tasks(folder / f"{pid}.tasks") for pid in pids),
        int(float(found[1])) if found else 0,
    )


def _tasks(file: Path) -> int:
    try:
        return int(file.read_text())
    except (OSError, ValueError):  # not written yet, or just being written
        return 0
