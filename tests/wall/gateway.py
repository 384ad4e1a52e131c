"""The gateway under test, in this process: the whole of it, on free ports of loopback.

    async with ScriptedUpstream() as upstream, gateway(config_at(upstream)) as running:
        async with RawClient(running.port) as client:
            ...

For signals, workers and exit codes see `process`.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from plano import bootstrap
from plano.catalog.build import load_catalog
from plano.observe import metrics
from tests.wall.canary import WITNESS
from tests.wall.upstream import PATIENCE_S, ScriptedUpstream

Config = str | Mapping[str, Any]
"""YAML text, or what is written as such."""

OPENAI_MODEL = "openai/gpt-wall"
ANTHROPIC_MODEL = "anthropic/claude-wall"
UPSTREAM_KEY = "sk-wall-upstream-canary"
"""The key that goes to providers: must never be seen anywhere else."""


def config_at(upstream: ScriptedUpstream, **more: Any) -> dict[str, Any]:
    """An OpenAI and an Anthropic model that are both played by `upstream`; `more` top-level keys."""
    return {
        "version": "v0.4.0",
        "model_providers": [
            {"model": OPENAI_MODEL, "base_url": upstream.url, "access_key": UPSTREAM_KEY, "default": True},
            {"model": ANTHROPIC_MODEL, "base_url": upstream.url, "access_key": UPSTREAM_KEY},
        ],
        **more,
    }


def listener(**limits: Any) -> dict[str, Any]:
    """The top-level key for limits of the listener: `config_at(upstream, **listener(drain_s="1s"))`."""
    return {"listeners": [{"name": "models", "type": "model", "limits": limits}]}


class RunningGateway:
    """What tests may know of a gateway in this process."""

    def __init__(self, worker: bootstrap.Gateway, port: int, admin_port: int, log: LogPipe) -> None:
        self.worker = worker
        self.port = port
        self.admin_port = admin_port
        self._log = log

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def logged(self, count: int, *, within_s: float = PATIENCE_S) -> list[dict[str, Any]]:
        """The access log as soon as it has `count` lines."""
        self.worker.recording.write_out()
        return [json.loads(line) for line in await self._log.lines(count, within_s=within_s)]

    @property
    def log_text(self) -> str:
        """Everything in the access log so far, as it was written."""
        return self._log.text


class LogPipe:
    """The reading end of an access log."""

    def __init__(self) -> None:
        self._reading, self.writing = os.pipe()
        os.set_blocking(self._reading, False)
        self._data = b""
        self._more = asyncio.Event()
        asyncio.get_running_loop().add_reader(self._reading, self._read)

    @property
    def text(self) -> str:
        return self._data.decode()

    async def lines(self, count: int, *, within_s: float) -> list[str]:
        async with asyncio.timeout(within_s):
            while self._data.count(b"\n") < count:
                self._more.clear()
                await self._more.wait()
        return self._data.decode().splitlines()

    def close(self) -> None:
        """Take what is still in the pipe; nobody may write to it any more."""
        os.close(self.writing)
        self._read()
        asyncio.get_running_loop().remove_reader(self._reading)
        os.close(self._reading)

    def _read(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while data := os.read(self._reading, 1 << 16):
                self._data += data
                self._more.set()


@contextlib.contextmanager
def written(config: Config) -> Iterator[Path]:
    """A configuration as a file, for as long as the context lasts."""
    with tempfile.TemporaryDirectory(prefix="plano-wall-") as folder:
        file = Path(folder) / "config.yaml"
        file.write_text(config if isinstance(config, str) else yaml.safe_dump(dict(config), sort_keys=False))
        yield file


@contextlib.asynccontextmanager
async def gateway(
    config: Config, *, environment: Mapping[str, str] | None = None
) -> AsyncIterator[RunningGateway]:
    """A gateway that serves from here to the end of the context; `environment` is all it sees of one."""
    environment = environment or {}
    WITNESS.guard_config(config, environment)
    with written(config) as file:
        configuration, catalog = load_catalog(file, environment)
    log = LogPipe()
    worker = bootstrap.Gateway(
        configuration, catalog, bootstrap.Options(log_descriptor=log.writing, environment=environment)
    )

    async def render(accept: str) -> tuple[str, bytes]:
        return await bootstrap.render(worker.recording.snapshot(), accept)

    admin = bootstrap.AdminListener(render=render, is_ready=worker.is_ready)
    with bootstrap.bind("127.0.0.1", 0) as listening, bootstrap.bind("127.0.0.1", 0) as administering:
        ports = listening.getsockname()[1], administering.getsockname()[1]
        await worker.listen(listening)
        await admin.listen(administering)
        try:
            yield RunningGateway(worker, *ports, log)
        finally:
            await worker.stop(grace_s=0)
            admin.stop()
            log.close()
            WITNESS.hear("the access log", log.text)
            WITNESS.hear_session_log(config)
            WITNESS.hear("the metrics", metrics.encode(worker.recording.snapshot()))
            WITNESS.hear("a dump of what is running", f"{configuration!r} {catalog.models!r}")
