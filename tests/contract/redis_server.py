"""A real Redis of the test's own; one that only says what it is told to is in `tests.wall.resp`."""

from __future__ import annotations

import contextlib
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import redis

REDIS_SERVER = shutil.which("redis-server")
MISSING = "!!! redis-server is missing: this is NOT TESTED (Debian: apt-get install redis-server)"


class RedisServer:
    """A `redis-server` that can be paused, killed and started again."""

    ready = b"eady to accept connections"

    def __init__(self, folder: Path, *options: str, port: int | None = None) -> None:
        """On a Unix socket in `folder`; on a port of loopback too, where one is given."""
        folder.mkdir(exist_ok=True)
        self.port = port or 0
        self.path = str(folder / "redis.sock")
        assert REDIS_SERVER is not None, MISSING
        self._command = [
            *(REDIS_SERVER, "--port", str(self.port), "--bind", "127.0.0.1", "--unixsocket", self.path),
            *("--dir", str(folder), "--save", "", "--appendonly", "no", *options),
        ]
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    @property
    def url(self) -> str:
        return f"unix://{self.path}"

    def start(self) -> None:
        process = self._process = subprocess.Popen(self._command, stdout=subprocess.PIPE)
        assert process.stdout is not None
        said = []
        for line in process.stdout:
            said.append(line)
            if self.ready in line:
                return
        raise RuntimeError(b"".join(said).decode())

    def pause(self) -> None:
        self._running.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._running.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        process = self._running
        process.kill()
        process.communicate()
        self._process = None

    def stop(self) -> None:
        if self._process is not None:
            self.kill()

    @contextlib.contextmanager
    def admin(self, password: str | None = None) -> Iterator[redis.Redis]:
        """For arranging and looking, past the store."""
        client = redis.Redis(unix_socket_path=self.path, password=password)
        try:
            yield client
        finally:
            client.close()

    def tell(self, *command: str | int) -> Any:
        """For commands that the client has no method for."""
        with self.admin() as admin:
            return admin.execute_command(*command)  # type: ignore[no-untyped-call]  # redis-py's own omission

    @property
    def _running(self) -> subprocess.Popen[bytes]:
        assert self._process is not None
        return self._process


class SentinelServer(RedisServer):
    """A Sentinel; it keeps what it knows in its configuration file."""

    ready = b"+monitor"

    def __init__(self, folder: Path, port: int, master_port: int) -> None:
        configuration = folder / "sentinel.conf"
        folder.mkdir(exist_ok=True)
        configuration.write_text(
            f"port {port}\nbind 127.0.0.1\nunixsocket {folder}/redis.sock\n"
            f"dir {folder}\nsentinel monitor mymaster 127.0.0.1 {master_port} 1\n"
        )
        self.port = port
        self.path = str(folder / "redis.sock")
        assert REDIS_SERVER is not None, MISSING
        self._command = [REDIS_SERVER, str(configuration), "--sentinel"]
        self._process = None
        self.start()


@contextlib.contextmanager
def running(folder: Path, *options: str, port: int | None = None) -> Iterator[RedisServer]:
    server = RedisServer(folder, *options, port=port)
    try:
        yield server
    finally:
        server.stop()


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port
