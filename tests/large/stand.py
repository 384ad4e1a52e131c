"""A gateway process on a core of its own, a fast upstream, and healthy load: what crowds are put beside.

The upstream and the load are C programs (`benchmarks/native`), so that the latency measured is the
gateway's. They and the crowd share the cores that the gateway does not have.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.bodies import Bodies
from benchmarks.load import Address, Load, Loader
from benchmarks.processes import Cores
from benchmarks.targets import MODEL, SOURCE_ROOT, scripted_upstream
from tests.integration.process.launch import FREE, in_shell, launched, write
from tests.large.kernel import Held, held
from tests.wall.process import GatewayProcess

CACHE = SOURCE_ROOT / ".bench" / "bin"
HEALTHY = f"openai/{MODEL}"
FLOOD = "flood/model"
HEALTHY_CONNECTIONS = 2
"""Of the load; each asks again at once. More would queue at the gateway, and the worst one in a hundred would
be waiting for the others."""


@dataclass(frozen=True, slots=True)
class Stand:
    """What a run has at hand."""

    running: GatewayProcess
    folder: Path
    _loader: Loader
    _bodies: Bodies

    @property
    def port(self) -> int:
        return self.running.port

    @property
    def held(self) -> Held:
        return held(self.running.pid)

    async def load(self, seconds: float, *, connections: int = HEALTHY_CONNECTIONS) -> Load:
        """Healthy load for so long: each connection asks again when it is answered."""
        body = self._bodies.sized(HEALTHY, "1 KB")
        address = Address(self.port)
        return await asyncio.to_thread(
            self._loader.run, address, body, connections=connections, seconds=seconds
        )


@contextlib.asynccontextmanager
async def stand(
    limits: Mapping[str, Any], *, flood_port: int | None = None, descriptors: int | None = None
) -> AsyncIterator[Stand]:
    """Everything started, and warm. `limits` are the listener's; `descriptors` what the gateway may open."""
    cores = Cores.of_this_machine()
    before = os.sched_getaffinity(0)
    with tempfile.TemporaryDirectory(prefix="plano-large-") as name:
        folder = Path(name)
        with scripted_upstream(CACHE, folder, cores) as bench:
            write(folder, _config(bench.upstream_port, flood_port, limits))
            core = ",".join(map(str, cores.measured))
            within: tuple[str, ...] = ("taskset", "-c", core)
            if descriptors is not None:
                within = (*in_shell(f"ulimit -n {descriptors}"), *within)
            os.sched_setaffinity(0, cores.others)
            try:
                async with launched(
                    "up", *FREE, folder=folder, within=within, stdout=asyncio.subprocess.DEVNULL
                ) as running:
                    await running.started()
                    yield Stand(running, folder, bench.loader, bench.bodies)
            finally:
                os.sched_setaffinity(0, before)


@contextlib.contextmanager
def giving_way() -> Iterator[None]:
    """This thread takes what others leave of its cores: it would else be the crowd's own work that the load
    waits for. What it starts meanwhile is as important as ever."""
    os.sched_setscheduler(0, os.SCHED_IDLE | os.SCHED_RESET_ON_FORK, os.sched_param(0))
    try:
        yield
    finally:
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))


def _config(upstream: int, flood: int | None, limits: Mapping[str, Any]) -> dict[str, Any]:
    key = "sk-large-upstream-canary"
    models: list[dict[str, Any]] = [
        {"model": HEALTHY, "base_url": f"http://127.0.0.1:{upstream}/v1", "access_key": key, "default": True}
    ]
    if flood is not None:
        models.append(
            {
                "model": FLOOD,
                "base_url": f"http://127.0.0.1:{flood}/v1",
                "access_key": key,
                "provider_interface": "openai",
            }
        )
    listeners = [{"name": "models", "type": "model", "limits": dict(limits)}]
    return {"version": "v0.4.0", "listeners": listeners, "model_providers": models}
