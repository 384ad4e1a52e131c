"""The gateways that are compared: one binary, with routes in words and without."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks import targets
from benchmarks.load import Address
from benchmarks.processes import CannotMeasure, Spawned
from benchmarks.targets import HOST, SOURCE_ROOT, Bench, Recipe, free_port, key_header

PLAIN, ROUTED, PROBED = "without routes", "with routes", "probed"
SHARED = "with routes and Redis"
MODEL = targets.ALIAS
DECISIONS = "/routing/v1/chat/completions"
READY_WITHIN_S = 15.0

ROUTES = f"""\
routing_preferences:
  - name: code generation
    description: writing new functions, scripts, classes, queries or small programs
    models: [openai/{targets.MODEL}]
  - name: code review
    description: looking for bugs in code that is shown, suggesting how to make it clearer or faster
    models: [openai/{targets.MODEL}]
  - name: data analysis
    description: reading tables, finding trends, averages and outliers, drawing charts
    models: [openai/{targets.MODEL}]
  - name: travel planning
    description: flights, hotels, itineraries, visas, what to see in a city
    models: [openai/{targets.MODEL}]
  - name: cooking
    description: recipes, ingredients and what to use instead of them, how long to bake or boil
    models: [openai/{targets.MODEL}]
  - name: personal finance
    description: budgets, loans, taxes, savings, pensions, reading a payslip
    models: [openai/{targets.MODEL}]
  - name: letters and mail
    description: drafting or shortening an e-mail, a letter of complaint, an application
    models: [openai/{targets.MODEL}]
  - name: everything else
    description: anything else people ask about
    models: [openai/{targets.MODEL}]
"""


def configuration(bench: Bench, port: int, *, routes: bool, redis_url: str | None = None) -> Path:
    """The configuration that `make bench` measures, with eight routes or without, pins in Redis or here."""
    text = targets.CONFIGURATION.format(
        host=HOST, port=port, model=targets.MODEL, alias=targets.ALIAS, upstream=bench.upstream_port
    )
    file = bench.folder / f"decisions-{port}.yaml"
    cache = "" if redis_url is None else f"routing: {{session_cache: {{type: redis, url: {redis_url}}}}}\n"
    file.write_text(text + (ROUTES if routes else "") + cache)
    return file


def gateway(bench: Bench, *, routes: bool, redis_url: str | None = None) -> Recipe:
    """`plano up`, one worker, everything on."""
    port, admin_port = free_port(), free_port()
    place = ("--host", HOST, "--port", str(port), "--admin-port", str(admin_port), "--workers", "1")
    file = configuration(bench, port, routes=routes, redis_url=redis_url)
    argv = (sys.executable, "-m", "plano", "up", str(file), *place)
    name = SHARED if redis_url else ROUTED if routes else PLAIN
    return Recipe(name, argv, Address(port, headers=(key_header(),)), MODEL, metrics_port=admin_port)


@contextmanager
def redis_server(bench: Bench) -> Iterator[str]:
    """The url of a Redis that keeps nothing on disk, beside what is not measured."""
    program = shutil.which("redis-server")
    if program is None:
        raise CannotMeasure("no redis-server for pins that are shared: tools/ensure_redis.sh installs it")
    port = free_port()
    argv = (program, "--port", str(port), "--bind", HOST, "--save", "", "--appendonly", "no")
    with Spawned(argv, cores=bench.cores.others, log=bench.folder / "redis.log"):
        yield f"redis://{HOST}:{port}"


def probed(bench: Bench, probe_port: int) -> Recipe:
    """The same worker with routes, and on its event loop somebody who answers pings."""
    port = free_port()
    file = configuration(bench, port, routes=True)
    argv = (sys.executable, "-m", "benchmarks.decisions.probe", str(file), str(port), str(probe_port))
    env = {"PYTHONPATH": f"{SOURCE_ROOT}{os.pathsep}{SOURCE_ROOT / 'src'}"}
    return Recipe(PROBED, argv, Address(port, headers=(key_header(),)), MODEL, env)
