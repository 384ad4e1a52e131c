"""What is measured: the upstream by itself, the floor, the gateway; how each is started and asked."""

from __future__ import annotations

import socket
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.bodies import Bodies
from benchmarks.figures import FLOOR, GATEWAY, UPSTREAM
from benchmarks.load import Address, Loader, Target, compiled
from benchmarks.processes import CannotMeasure, Cores, Spawned

HOST = "127.0.0.1"
MODEL = "gpt-4o-mini"
ALIAS = "fast"
KEY = "sk-bench-0123456789abcdef0123456789abcdef"
SOURCE_ROOT = Path(__file__).parent.parent
LOOK_AGAIN_S = 0.05

CONFIGURATION = """\
version: v0.4.0
listeners:
  - {{name: bench, type: model, address: {host}, port: {port}}}
model_providers:
  - model: openai/{model}
    base_url: http://{host}:{upstream}/v1
    access_key: sk-bench-upstream
    default: true
model_aliases:
  {alias}: {{target: openai/{model}}}
"""


@dataclass(frozen=True, slots=True)
class Recipe:
    """How to start one target on a port, and how to ask it."""

    name: str
    argv: tuple[str, ...]
    address: Address
    model: str
    env: Mapping[str, str] = field(default_factory=dict)
    ready_within_s: float = 15.0
    metrics_port: int | None = None


@dataclass(frozen=True, slots=True)
class Bench:
    """What every measurement needs."""

    folder: Path
    cores: Cores
    bodies: Bodies
    loader: Loader
    upstream_port: int
    upstream: Spawned

    @contextmanager
    def started(self, recipe: Recipe) -> Iterator[Target]:
        """The target, once it has answered a request."""
        log = self.folder / f"{recipe.name}-{recipe.address.port}.log"
        with Spawned(recipe.argv, cores=self.cores.measured, log=log, env=recipe.env) as process:
            target = Target(recipe.name, recipe.address, recipe.model, process, recipe.metrics_port)
            self.wait_for(target, recipe.ready_within_s)
            yield target

    def alone(self) -> Target:
        """The upstream asked directly: what every other target adds to."""
        return Target(UPSTREAM, Address(self.upstream_port, headers=(key_header(),)), MODEL, self.upstream)

    def wait_for(self, target: Target, within_s: float) -> None:
        body = self.bodies.sized(target.model, "1 KB")
        give_up = time.monotonic() + within_s
        while time.monotonic() < give_up:
            if target.process.exit_code is not None:
                raise CannotMeasure(f"{target.name} ended by itself: {target.process.last_words()}")
            try:
                if self.loader.once(target.address, body, connections=1, within_s=5.0).requests:
                    return
            except CannotMeasure:
                pass  # it does not listen yet
            time.sleep(LOOK_AGAIN_S)
        words = target.process.last_words()
        raise CannotMeasure(f"{target.name} answered no request within {within_s:.0f} s: {words}")


Cook = Callable[[], Recipe]
"""Makes a recipe with a free port of its own, so that a target can be started again."""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


def key_header(key: str = KEY) -> str:
    return f"Authorization: Bearer {key}"


@contextmanager
def scripted_upstream(cache: Path, folder: Path, cores: Cores) -> Iterator[Bench]:
    """The upstream, running on the cores that are not measured, and the bench that stands on it."""
    port = free_port()
    program, load = compiled("upstream", cache), compiled("load", cache)
    log = folder / f"{UPSTREAM}.log"
    loader = Loader(load, cores.others)
    with Spawned([str(program), str(port)], cores=cores.others, log=log) as process:
        bench = Bench(folder, cores, Bodies(folder), loader, port, process)
        bench.wait_for(bench.alone(), 5.0)
        yield bench


def floor(bench: Bench) -> Recipe:
    port = free_port()
    argv = (sys.executable, "-m", "benchmarks.floor", str(port), str(bench.upstream_port))
    return Recipe(
        FLOOR, argv, Address(port, headers=(key_header(),)), MODEL, {"PYTHONPATH": str(SOURCE_ROOT)}
    )


def gateway(bench: Bench) -> Recipe:
    """One worker with everything on: the access log into a file, metrics, an alias to resolve."""
    port, admin_port = free_port(), free_port()
    config = bench.folder / f"plano-{port}.yaml"
    config.write_text(
        CONFIGURATION.format(host=HOST, port=port, model=MODEL, alias=ALIAS, upstream=bench.upstream_port)
    )
    place = ("--host", HOST, "--port", str(port), "--admin-port", str(admin_port))
    argv = (sys.executable, "-m", "plano", "up", str(config), *place, "--workers", "1")
    address = Address(port, headers=(key_header(),))
    return Recipe(GATEWAY, argv, address, ALIAS, metrics_port=admin_port)
