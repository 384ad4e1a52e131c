"""What `plano up` says of affinity."""

from __future__ import annotations

from pathlib import Path

import pytest

from plano.cli.affinity import affinity_line, not_shared
from plano.config.load import Configuration, load

MODELS = "version: v0.4.0\nmodel_providers: [{model: simulated/a}]\n"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "config.yaml"


def configured(file: Path, more: str) -> Configuration:
    file.write_text(MODELS + more, "utf-8")
    return load(file, {})


@pytest.mark.parametrize(
    ("more", "line"),
    [
        pytest.param(
            "",
            "affinity: in memory, 10000 sessions at most, for 600 s; sessions are known by X-Model-Affinity",
            id="defaults",
        ),
        pytest.param(
            "routing:\n"
            "  session_ttl_seconds: 60\n"
            "  session_cache: {type: redis, url: 'rediss://u:sk-canary@r:6380/2', tenant_header: X-Team}\n",
            "affinity: in Redis at r:6380, database 2, over TLS, for 60 s; sessions are known by "
            "X-Model-Affinity within X-Team",
            id="redis, without its password",
        ),
        pytest.param(
            "routing: {route_on_user_only: true}\n",
            "affinity: in memory, 10000 sessions at most, for 600 s; sessions are known by X-Model-Affinity "
            "or how they began (route_on_user_only)",
            id="implicit",
        ),
    ],
)
def test_one_line_says_where_how_long_and_by_what(file: Path, more: str, line: str) -> None:
    """Whoever starts a gateway sees what keeps its sessions together."""
    assert affinity_line(configured(file, more)) == line


@pytest.mark.parametrize(
    ("more", "workers", "warned"),
    [
        ("", 1, False),
        ("", 2, True),
        ("routing: {session_cache: {type: redis, url: 'redis://r'}}\n", 2, False),
    ],
)
def test_several_processes_without_redis_are_warned_of(
    file: Path, more: str, workers: int, warned: bool
) -> None:
    """A session that comes on two connections would be two sessions."""
    assert (not_shared(configured(file, more), workers) is not None) is warned
