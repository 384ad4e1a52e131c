"""How long it takes to import the package, and to answer after a start."""

from __future__ import annotations

import http.client
import subprocess
import sys
import time
from statistics import median

from benchmarks.processes import CannotMeasure, Cores, Spawned, pinned
from benchmarks.targets import HOST, Bench, Recipe

IMPORTS = 10
READY_PATH = "/readyz"
LOOK_AGAIN_S = 0.002
GIVE_UP_S = 15.0


def import_ms(cores: Cores) -> dict[str, float]:
    """Median wall time of a whole process: one that does nothing, and one that imports plano."""
    took: dict[str, list[float]] = {"pass": [], "import plano": []}
    with pinned(cores.measured):
        for _ in range(IMPORTS):
            for code, times in took.items():
                started = time.perf_counter()
                subprocess.run([sys.executable, "-c", code], check=True, stdin=subprocess.DEVNULL)
                times.append((time.perf_counter() - started) * 1000)
    bare, whole = median(took["pass"]), median(took["import plano"])
    return {"bare python ms": bare, "with plano ms": whole, "import ms": whole - bare}


def ready_ms(bench: Bench, recipe: Recipe) -> float:
    """From before the start to the first 200 on /readyz."""
    started = time.perf_counter()
    log = bench.folder / "ready.log"
    with Spawned(recipe.argv, cores=bench.cores.measured, log=log, env=recipe.env) as process:
        while time.perf_counter() - started < GIVE_UP_S:
            if answers(recipe.address.port):
                return (time.perf_counter() - started) * 1000
            if process.exit_code is not None:
                break
            time.sleep(LOOK_AGAIN_S)
        raise CannotMeasure(f"{recipe.name} was not ready in {GIVE_UP_S:.0f} s: {process.last_words()}")


def answers(port: int) -> bool:
    connection = http.client.HTTPConnection(HOST, port, timeout=1.0)
    try:
        connection.request("GET", READY_PATH)
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
