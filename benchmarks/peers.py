"""Other gateways, each installed by its package name into a place of its own and started on the
same upstream. One that does not install or start is reported with its reason.

They run with their defaults, but: one worker, the cheapest way to choose an upstream, no calls
home. What they do a request differs: see README.md before comparing.
"""

from __future__ import annotations

import json
import secrets
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.load import SOURCES, Address
from benchmarks.processes import CannotMeasure
from benchmarks.targets import ALIAS, HOST, KEY, MODEL, Bench, Recipe, free_port, key_header

INSTALL_WITHIN_S = 900.0
OFFLINE = {"HF_HUB_OFFLINE": "1"}
PORTKEY_PACKAGE = "@portkey-ai/gateway"
PORTKEY_MANIFEST = {
    "private": True,
    # 1.19 of this dependency, which the gateway's own range allows, makes every stream a 500
    # (`TypeError: immutable` where it adds response headers).
    "overrides": {"@hono/node-server": "1.13.8"},
}
LITELLM_CONFIGURATION = """\
model_list:
  - model_name: {alias}
    litellm_params: {{model: openai/{model}, api_base: "http://{host}:{port}/v1", api_key: sk-bench-upstream}}
"""


@dataclass(frozen=True, slots=True)
class Peer:
    """One gateway to compare with."""

    name: str
    install: Callable[[Path], None]
    """Into an empty folder."""
    version: Callable[[Path], str]
    recipe: Callable[[Bench, Path], Recipe]
    """Of what was installed in the folder, with a free port."""

    def installed(self, cache: Path) -> Path:
        """Its folder, installed when it is not there yet."""
        folder = cache / "peers" / self.name
        if (folder / "complete").exists():
            return folder
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        self.install(folder)
        (folder / "complete").touch()
        return folder


def litellm(bench: Bench, folder: Path) -> Recipe:
    port, key = free_port(), f"sk-{secrets.token_hex(32)}"
    config = bench.folder / f"litellm-{port}.yaml"
    config.write_text(
        LITELLM_CONFIGURATION.format(alias=ALIAS, model=MODEL, host=HOST, port=bench.upstream_port)
    )
    argv = (program(folder, "litellm"), "--config", str(config), "--host", HOST, "--port", str(port))
    env = {"LITELLM_MASTER_KEY": key, "LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_TELEMETRY": "False"}
    address = Address(port, headers=(key_header(key),))
    return Recipe("litellm", (*argv, "--num_workers", "1"), address, ALIAS, env, ready_within_s=60.0)


def portkey(bench: Bench, folder: Path) -> Recipe:
    port = free_port()
    entry = folder / "node_modules" / PORTKEY_PACKAGE / "build" / "start-server.js"
    argv = ("node", "--require", str(SOURCES / "loopback.cjs"), str(entry), f"--port={port}", "--headless")
    upstream = f"x-portkey-custom-host: http://{HOST}:{bench.upstream_port}/v1"
    headers = (key_header(), "x-portkey-provider: openai", upstream)
    return Recipe("portkey", argv, Address(port, headers=headers), MODEL, ready_within_s=30.0)


def vllm_router(bench: Bench, folder: Path) -> Recipe:
    return rust_router("vllm-router", (program(folder, "vllm-router"),), bench)


def smg(bench: Bench, folder: Path) -> Recipe:
    return rust_router("smg", (program(folder, "smg"), "launch"), bench)


def rust_router(name: str, command: tuple[str, ...], bench: Bench) -> Recipe:
    """These two share an ancestor and its options."""
    port, metrics = free_port(), free_port()
    argv = (*command, "--host", HOST, "--port", str(port), "--policy", "round_robin")
    argv += ("--worker-urls", f"http://{HOST}:{bench.upstream_port}")
    argv += ("--prometheus-host", HOST, "--prometheus-port", str(metrics))
    address = Address(port, headers=(key_header(KEY),))
    return Recipe(name, argv, address, MODEL, OFFLINE, ready_within_s=60.0)


def program(folder: Path, name: str) -> str:
    return str(folder / "bin" / name)


def with_pip(requirement: str) -> Callable[[Path], None]:
    def install(folder: Path) -> None:
        ran([sys.executable, "-m", "venv", str(folder)], folder)
        ran([program(folder, "python"), "-m", "pip", "install", "--quiet", requirement], folder)

    return install


def with_npm(folder: Path) -> None:
    if shutil.which("npm") is None:
        raise CannotMeasure("npm is not installed: apt-get install npm")
    (folder / "package.json").write_text(json.dumps(PORTKEY_MANIFEST))
    ran(["npm", "install", "--no-audit", "--no-fund", PORTKEY_PACKAGE], folder)


def ran(command: list[str], folder: Path) -> str:
    """The output of an installer; its last lines are the reason when it fails."""
    try:
        done = subprocess.run(
            command,
            check=False,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=INSTALL_WITHIN_S,
        )
    except subprocess.TimeoutExpired as late:
        raise CannotMeasure(f"{' '.join(command[:4])} took more than {INSTALL_WITHIN_S:.0f} s") from late
    if done.returncode:
        lines = (done.stderr or done.stdout).strip().splitlines()
        raise CannotMeasure(f"{' '.join(command[-2:])}: {' / '.join(lines[-3:])[-400:]}")
    return done.stdout


def pip_version(package: str) -> Callable[[Path], str]:
    code = f"import importlib.metadata as m; print(m.version({package!r}))"
    return lambda folder: ran([program(folder, "python"), "-c", code], folder).strip()


def npm_version(folder: Path) -> str:
    manifest = json.loads((folder / "node_modules" / PORTKEY_PACKAGE / "package.json").read_text())
    return str(manifest["version"])


PEERS = (
    Peer("litellm", with_pip("litellm[proxy]"), pip_version("litellm"), litellm),
    Peer("portkey", with_npm, npm_version, portkey),
    Peer("vllm-router", with_pip("vllm-router"), pip_version("vllm-router"), vllm_router),
    Peer("smg", with_pip("smg"), pip_version("smg"), smg),
)
