"""Another configuration for a gateway that runs: taken whole or not at all, and nobody is cut off."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest

from tests.integration.process.asking import CHAT, ask, body, get, held_stream, requests_counted
from tests.integration.process.launch import FREE, children, launched, write
from tests.integration.process.reloading import (
    INVALID,
    REFUSED,
    RELOADED,
    aliased,
    edited,
    replace,
    said_again,
)
from tests.wall.gateway import OPENAI_MODEL, config_at, listener
from tests.wall.process import GatewayProcess
from tests.wall.raw_client import RawClient
from tests.wall.upstream import ScriptedUpstream

WORKERS = pytest.mark.parametrize("workers", ["1", "2"])


async def statuses(running: GatewayProcess, *models: str) -> list[int]:
    return [(await ask(running.port, model=model)).status for model in models]


async def told_of_reloads(running: GatewayProcess) -> list[float]:
    """How many were taken and refused, and whether the last was taken, as the metrics have it."""
    page = (await get(running.admin_port, "/metrics")).body.decode()
    rows = [row.rpartition(" ") for row in page.splitlines() if not row.startswith("#")]
    figures = {name: float(value) for name, _, value in rows}
    assert figures["plano_config_last_reload_success_timestamp_seconds"] > 1.7e9
    return [
        figures['plano_config_reloads_total{outcome="taken"}'],
        figures['plano_config_reloads_total{outcome="refused"}'],
        figures["plano_config_last_reload_successful"],
    ]


@WORKERS
async def test_a_hangup_takes_what_the_file_says_now(workers: str, tmp_path: Path) -> None:
    """Every worker does, before it is said."""
    async with ScriptedUpstream() as upstream, edited(upstream, tmp_path, workers) as running:
        before = await statuses(running, "before", "after")
        write(tmp_path, aliased(upstream, "after"))
        running.signal(signal.SIGHUP)
        said = await running.said(RELOADED)
        after = [await statuses(running, "before", "after") for _ in range(4)]

        assert (before, after) == ([200, 404], [[404, 200]] * 4)
        assert "plano: reloaded config.yaml: 2 models, 0 routes" in said


async def test_a_change_of_the_file_needs_no_signal(tmp_path: Path) -> None:
    """In a container there is nobody to send one."""
    async with ScriptedUpstream() as upstream, edited(upstream, tmp_path) as running:
        write(tmp_path, aliased(upstream, "after"))
        await running.said(RELOADED)

        assert await statuses(running, "before", "after") == [404, 200]


async def test_links_that_are_swapped_are_a_change(tmp_path: Path) -> None:
    """Kubernetes publishes a folder of a ConfigMap so: the file is a link through a link that is replaced."""
    async with ScriptedUpstream() as upstream:
        for name in ("before", "after"):
            (tmp_path / name).mkdir()
            write(tmp_path / name, aliased(upstream, name))
        (tmp_path / "data").symlink_to("before")
        (tmp_path / "config.yaml").symlink_to("data/config.yaml")
        async with launched("up", "config.yaml", *FREE, folder=tmp_path) as running:
            await running.started()
            (tmp_path / "data.new").symlink_to("after")
            (tmp_path / "data.new").rename(tmp_path / "data")
            await running.said(RELOADED)

            assert await statuses(running, "before", "after") == [404, 200]


@WORKERS
async def test_one_that_is_invalid_changes_nothing(workers: str, tmp_path: Path) -> None:
    """Every problem is told with its place, and what serves goes on; a repaired one is taken."""
    async with ScriptedUpstream() as upstream, edited(upstream, tmp_path, workers) as running:
        replace(tmp_path / "config.yaml", INVALID)
        said = await running.said(REFUSED)
        kept, at_first = await statuses(running, "before"), await told_of_reloads(running)
        write(tmp_path, aliased(upstream, "after"))
        await running.said(RELOADED)
        in_the_end = await told_of_reloads(running)

        assert (at_first, in_the_end) == ([0, 1, 0], [1, 1, 1])
        assert (kept, await statuses(running, "before", "after")) == ([200], [404, 200])
        assert [line.split(":")[1] for line in said.splitlines() if line.startswith("config.yaml:")] == [
            "3",
            "4",
        ]


async def test_a_file_that_is_gone_for_a_while_changes_nothing(tmp_path: Path) -> None:
    """Some tools remove it before they write it."""
    async with ScriptedUpstream() as upstream, edited(upstream, tmp_path) as running:
        (tmp_path / "config.yaml").unlink()
        said = await running.said(REFUSED)

        assert "config.yaml" in said
        assert await statuses(running, "before") == [200]


@WORKERS
async def test_a_secret_beside_the_file_is_read_again(workers: str, tmp_path: Path) -> None:
    """Keys are rotated; the one before stops being valid soon."""
    (tmp_path / ".env").write_text("WALL_KEY=sk-the-first\n")
    async with ScriptedUpstream() as upstream:
        provider = {
            "model": OPENAI_MODEL,
            "base_url": upstream.url,
            "access_key": "$WALL_KEY",
            "default": True,
        }
        write(tmp_path, config_at(upstream, model_providers=[provider]))
        async with launched("up", "config.yaml", *FREE, "--workers", workers, folder=tmp_path) as running:
            await running.started()
            await ask(running.port)
            replace(tmp_path / ".env", "WALL_KEY=sk-the-second\n")
            await running.said(RELOADED)
            await ask(running.port)

            sent = [attempt.request.header("authorization") for attempt in upstream.attempts]
            assert sent == ["Bearer sk-the-first", "Bearer sk-the-second"]
            assert "sk-the" not in running.output


async def test_what_is_under_way_keeps_what_it_has(tmp_path: Path) -> None:
    """A stream of a model that is not declared any more ends whole, and the new configuration answers
    those who come. Counts do not fall."""
    async with (
        ScriptedUpstream([held_stream()]) as upstream,
        edited(upstream, tmp_path) as running,
        RawClient(running.port) as client,
    ):
        await client.post(CHAT, body(stream=True, model="before"), "x-model-affinity: a-session")
        await client.read_until(b"hello")
        write(tmp_path, aliased(upstream, "after"))
        await running.said(RELOADED)
        upstream.release()
        rest = await client.read_until(b"0\r\n\r\n")
        async with RawClient(running.port) as other:
            await other.post(CHAT, body(model="after"))
            reply = await other.reply()
        left = await upstream.attempts[0].gone()

        assert (b"[DONE]" in rest, reply.status, left) == (True, 200, "fin")
        assert await requests_counted(running.admin_port) == 2
        assert "defect" not in running.output


async def test_a_kept_connection_is_answered_by_the_new_one(tmp_path: Path) -> None:
    """A connection that is closed without a word loses the request that crosses the closing."""
    async with (
        ScriptedUpstream() as upstream,
        edited(upstream, tmp_path) as running,
        RawClient(running.port) as client,
    ):
        replies = []
        for model in ("before", "after"):
            await client.post(CHAT, body(model=model))
            replies.append(await client.reply())
            write(tmp_path, aliased(upstream, "after"))
            running.signal(signal.SIGHUP)
            await running.said(RELOADED)

        assert [(reply.status, reply.header("connection")) for reply in replies] == [(200, None)] * 2


async def test_pins_stay(tmp_path: Path) -> None:
    """A session keeps its model: its prompt is cached there."""
    routes = [
        {"name": name, "description": f"{name} of all kinds", "models": [model]}
        for name, model in (("coding", OPENAI_MODEL), ("letters", OPENAI_MODEL))
    ]
    async with ScriptedUpstream() as upstream:
        write(tmp_path, aliased(upstream, "before", routing_preferences=routes))
        async with launched("up", "config.yaml", *FREE, folder=tmp_path) as running:
            await running.started()
            path = "/routing" + CHAT
            pinned = []
            async with RawClient(running.port) as client:
                for turn in range(1, 3):
                    await client.post(path, body(model="none"), "x-model-affinity: s", "x-plano-debug: true")
                    reply = await client.reply(within_s=20)
                    pinned.append(json.loads(reply.body).get("pinned"))
                    write(tmp_path, aliased(upstream, "after", routing_preferences=routes))
                    running.signal(signal.SIGHUP)
                    await said_again(running, RELOADED, turn)

            assert pinned == [False, True]


async def test_what_only_a_start_changes_is_told(tmp_path: Path) -> None:
    """A port that was edited and does not answer is looked for in the wrong places."""
    async with ScriptedUpstream() as upstream, edited(upstream, tmp_path) as running:
        moved = listener()
        moved["listeners"][0]["port"] = 4444
        write(tmp_path, aliased(upstream, "after", **moved))
        await running.said(RELOADED)
        said = running.stderr.decode()

        assert f"until then it stays on http://127.0.0.1:{running.port}" in said
        assert "port 4444 takes effect when the gateway is started anew" in said


async def test_without_a_file_there_is_nothing_to_read(tmp_path: Path) -> None:
    """The environment of a process does not change under it; a hangup still ends nothing."""
    async with launched("up", *FREE, folder=tmp_path) as running:
        await running.started()
        running.signal(signal.SIGHUP)
        await running.said("there is no configuration file to read again")

        assert (await ask(running.port, model="simulated/demo")).status == 200


async def test_workers_that_come_later_have_the_new_one(tmp_path: Path) -> None:
    """One that replaces a dead one must not fall back to what was read at the start."""
    async with ScriptedUpstream() as upstream, edited(upstream, tmp_path, "2") as running:
        write(tmp_path, aliased(upstream, "after"))
        await running.said(RELOADED)
        before = children(running.pid)
        running.signal(signal.SIGUSR2)
        await running.said("plano: restarted: 2 of 2 workers")

        assert [await statuses(running, "before", "after") for _ in range(4)] == [[404, 200]] * 4
        assert not before & children(running.pid)


async def test_one_process_is_not_restarted(tmp_path: Path) -> None:
    """It would be away meanwhile; who asks for it learns what it takes."""
    async with ScriptedUpstream() as upstream, edited(upstream, tmp_path) as running:
        running.signal(signal.SIGUSR2)
        await running.said("start it with --workers 2 or more")

        assert await statuses(running, "before") == [200]
