"""How a gateway starts, or says why it does not: one sentence, and an exit code to go by."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest

from tests.integration.process.asking import CHAT, ask, body, get
from tests.integration.process.launch import FREE, launched, write
from tests.wall.gateway import OPENAI_MODEL, config_at
from tests.wall.process import GatewayProcess
from tests.wall.raw_client import RawClient
from tests.wall.upstream import ScriptedUpstream

SIMULATED = {"version": "v0.4.0", "model_providers": [{"model": "simulated/instant"}]}
KEYED = {
    "version": "v0.4.0",
    "model_providers": [
        {"model": "openai/gpt-4o", "access_key": "sk-canary", "base_url": "http://127.0.0.1:9"}
    ],
}
BROKEN = """\
version: v0.4.0
model_providers:
  - model: gpt-4o
  - modell: openai/gpt-4o
"""


async def ending(running: GatewayProcess) -> tuple[int, str]:
    """The exit code and all that was said to a person."""
    return await running.ended(), running.stderr.decode()


async def test_a_port_that_is_taken_is_said_in_a_sentence(tmp_path: Path) -> None:
    """3: something outside is at fault; the option that helps is in the message."""
    write(tmp_path, SIMULATED)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        async with launched(
            "up", "--host", "127.0.0.1", "--port", str(port), "--admin-port", "0", folder=tmp_path
        ) as running:
            code, said = await ending(running)

    problem = "Address already in use; stop what holds it, or choose another with --port"
    assert (code, said) == (3, f"Error: cannot listen on 127.0.0.1:{port}: {problem}\n")


async def test_a_broken_file_is_told_with_all_its_problems(tmp_path: Path) -> None:
    """1: the input is at fault; one run shows everything there is to correct."""
    write(tmp_path, BROKEN)
    async with launched("up", *FREE, folder=tmp_path) as running:
        code, said = await ending(running)

    assert (code, [line.partition(": ")[0] for line in said.splitlines()]) == (
        1,
        [f"{tmp_path}/config.yaml:{place}" for place in ("3:12", "4:5", "4:5")],
    )


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        pytest.param(["absent.yaml"], 1, "absent.yaml:1:1: expected a file that can be read", id="no file"),
        pytest.param(["--prot", "1"], 2, "did you mean", id="usage"),
        pytest.param(["--workers", "0"], 2, "--workers", id="no workers"),
        pytest.param(["--host", "nowhere.invalid"], 3, "cannot listen on nowhere.invalid", id="no such host"),
        pytest.param(["--host", "192.0.2.1"], 3, "an address of this machine", id="not this machine"),
        pytest.param(["--admin-port", "1", "--port", "1"], 1, "choose another", id="one port for both"),
    ],
)
async def test_what_cannot_start_says_whose_fault_it_is(
    arguments: list[str], code: int, says: str, tmp_path: Path
) -> None:
    """Scripts go by the code, people by the sentence; a traceback helps neither."""
    write(tmp_path, SIMULATED)
    async with launched("up", *FREE, *arguments, folder=tmp_path) as running:
        ended, said = await ending(running)

    assert (ended, says.lower() in said.lower(), "Traceback" in said) == (code, True, False)


async def test_whoever_debugs_gets_the_traceback_too(tmp_path: Path) -> None:
    """The sentence does not say which line of ours it was."""
    async with launched("up", "absent.yaml", "--debug", folder=tmp_path) as running:
        code, said = await ending(running)

    assert (code, "Traceback" in said, "\nabsent.yaml:1:1: " in said) == (1, True, True)


async def test_without_file_and_key_it_starts_on_simulated_models(tmp_path: Path) -> None:
    """The first try must work; that nothing real answers is said before anybody wonders."""
    async with launched("up", *FREE, folder=tmp_path) as running:
        await running.started()
        reply = await ask(running.port, model="auto")

        assert (reply.status, reply.header("x-plano-model")) == (200, "simulated/demo")
        assert b"serving simulated models only" in running.stderr


async def test_without_file_it_declares_the_providers_whose_keys_are_set(tmp_path: Path) -> None:
    """Everybody has these variables set already; their values are shown to nobody."""
    keys = {"OPENAI_API_KEY": "sk-canary-1", "ANTHROPIC_API_KEY": "sk-canary-2"}
    async with launched("up", *FREE, folder=tmp_path, environment=keys) as running:
        await running.started()
        models = json.loads((await get(running.port, "/v1/models")).body)

        assert "serving all models of openai, anthropic, whose keys are set" in running.stderr.decode()
        assert ("openai" in json.dumps(models), "canary" in running.output) == (True, False)


async def test_config_yaml_comes_before_plano_config_yaml(tmp_path: Path) -> None:
    """The original's name is a fallback."""
    (tmp_path / "plano_config.yaml").write_text(BROKEN)
    write(tmp_path, SIMULATED)
    async with launched("up", *FREE, folder=tmp_path) as running:
        await running.started()

        assert (await ask(running.port, model="simulated/instant")).status == 200


async def test_a_key_in_dotenv_goes_upstream_and_nowhere_else(tmp_path: Path) -> None:
    """`.env` beside the file is read like the environment."""
    async with ScriptedUpstream() as upstream:
        row = {"model": OPENAI_MODEL, "base_url": upstream.url, "access_key": "$WALL_KEY"}
        write(tmp_path, config_at(upstream) | {"model_providers": [row]})
        (tmp_path / ".env").write_text("WALL_KEY=sk-canary\n")
        async with launched("up", *FREE, folder=tmp_path) as running:
            await running.started()
            await ask(running.port)

            assert upstream.attempts[0].request.header("authorization") == "Bearer sk-canary"
            assert "canary" not in running.output


async def test_ipv6_is_an_address_like_any_other(tmp_path: Path) -> None:
    """And what is printed is a URL, brackets included."""
    if not socket.has_dualstack_ipv6():
        pytest.skip("this machine has no IPv6")
    write(tmp_path, SIMULATED)
    async with launched("up", *FREE, "--host", "::1", folder=tmp_path) as running:
        await running.started()

        assert "ready on http://[::1]:" in running.stderr.decode()
        with socket.create_connection(("::1", running.port)) as client:
            client.sendall(b"GET /readyz HTTP/1.1\r\nhost: [::1]\r\n\r\n")
            assert client.recv(4096).startswith(b"HTTP/1.1 200")


async def test_what_is_printed_is_where_it_listens(tmp_path: Path) -> None:
    """With 0 for both ports nobody else could know."""
    write(tmp_path, SIMULATED)
    async with launched("up", *FREE, folder=tmp_path) as running:
        await running.started()
        async with RawClient(running.port) as client, RawClient(running.admin_port) as scraper:
            await client.post(CHAT, body(model="simulated/instant"))
            await scraper.get("/metrics")

            assert [(await client.reply()).status, (await scraper.reply(to="GET")).status] == [200, 200]


@pytest.mark.parametrize(("host", "warned"), [("0.0.0.0", 1), ("127.0.0.1", 0)])
async def test_keys_that_others_could_spend_are_warned_of_once(
    host: str, warned: int, tmp_path: Path
) -> None:
    """The default address is open; whoever pays for the key should have chosen that."""
    write(tmp_path, KEYED)
    async with launched("up", *FREE, "--host", host, "--workers", "2", folder=tmp_path) as running:
        await running.started()

        assert running.stderr.count(b"callers are not authenticated") == warned
