"""How a `plano.Router` ends: closed, forgotten, with the program, or in a fork of it."""

from __future__ import annotations

import gc
import socket
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path

import pytest

import plano
from plano.catalog.build import load_catalog

CONFIG = """
version: v0.4.0
model_providers:
  - {model: simulated/any, default: true}
"""
HANGING = """
version: v0.4.0
overrides: {{llm_routing_model: plano/silent}}
routing: {{decision_timeout_ms: 60000, fallback_router: none}}
model_providers:
  - {{model: plano/silent, base_url: "http://127.0.0.1:{port}"}}
  - {{model: simulated/any, default: true}}
routing_preferences:
  - {{name: poems, description: poems and songs, models: [simulated/any]}}
"""
FORKED = """
import os, signal, sys
import plano

router = plano.Router.from_file(sys.argv[1], environment={})
child = os.fork()
if child == 0:
    signal.alarm(20)
    try:
        router.route("hello")
    except RuntimeError as error:
        print(error, flush=True)
    router.close()
    sys.exit(0)
status = os.waitpid(child, 0)[1]
print(status, router.route("hello").decision)
"""
FORGOTTEN = """
import plano, sys

print(plano.Router.from_file(sys.argv[1], environment={}).route("hello").decision)
"""
KEPT = """
import plano, sys

router = plano.Router.from_file(sys.argv[1], environment={})
print(router.route("hello").decision)
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "config.yaml"
    path.write_text(CONFIG)
    return path


def ran(program: str, file: Path) -> tuple[int, str, str]:
    """How a program ended, and what it printed."""
    done = subprocess.run(
        [sys.executable, "-c", program, str(file)], capture_output=True, text=True, timeout=60, check=False
    )
    return done.returncode, done.stdout, done.stderr


def its_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "plano-router"]


def test_a_forgotten_router_lets_go_of_its_thread(file: Path) -> None:
    """A program that makes one for each request would otherwise fill up with them."""
    before = its_threads()
    for _ in range(3):
        plano.Router.from_file(file, environment={}).route("hello")

    gc.collect()

    assert its_threads() == before


@pytest.mark.parametrize("program", [FORGOTTEN, KEPT], ids=["forgotten", "kept to the end"])
def test_a_program_that_does_not_close_its_router_ends_in_silence(program: str, file: Path) -> None:
    """Two lines in a notebook are a program, too."""
    ended = ran(program, file)

    assert ended == (0, "default\n", "")


def test_a_fork_is_told_that_the_router_is_not_its_own(file: Path) -> None:
    """Its thread is not there after a fork, so an answer would be waited for without end."""
    ended = ran(FORKED, file)

    said = "this router was made in another process, before a fork; make one in each process"
    assert ended == (0, f"{said}\n0 default\n", "")


def test_closing_ends_the_waiting_of_others(tmp_path: Path) -> None:
    """Whoever asked from another thread gets an answer or an exception, whatever was being waited for."""
    path = tmp_path / "hanging.yaml"
    with socket.create_server(("127.0.0.1", 0)) as silent, ThreadPoolExecutor() as threads:
        path.write_text(HANGING.format(port=silent.getsockname()[1]))
        router = plano.Router.from_file(path, environment={})
        asked = threads.submit(router.route, "a poem")
        connection, _ = silent.accept()
        with connection:
            router.close()
            ended = wait([asked], timeout=20)

    assert ended.done == {asked}


def test_a_router_that_cannot_begin_leaves_no_thread(file: Path) -> None:
    """An exception while it is made must not cost a thread each time."""
    before = its_threads()
    configuration, _ = load_catalog(file, {})

    with pytest.raises(AttributeError):
        plano.Router(configuration, None)  # type: ignore[arg-type]  # no catalog at all

    for thread in set(its_threads()) - set(before):
        thread.join(20)
    assert its_threads() == before
