"""Keys on every way out that a process has: each test here ends with the scan for secrets that ends
all of them (`tests.wall.canary`), so what they do is to make the program talk as much as it can."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

import openai
import pytest
import yaml

from plano.chat.dialect import Dialect
from tests.wall.answers import TEXT, refusal
from tests.wall.canary import PROMPT, WITNESS
from tests.wall.gateway import config_at, gateway
from tests.wall.official import anthropic_client, openai_client
from tests.wall.process import process
from tests.wall.raw_client import RawClient
from tests.wall.script import Raw, Rst, sized
from tests.wall.upstream import ScriptedUpstream

KEY = WITNESS.guard("sk-live-file-canary-31415926535")
FROM_ENVIRONMENT = "sk-live-environment-canary-27182818"
HEADER = "Token extra-header-canary-16180339"


def talkative(upstream: ScriptedUpstream) -> dict[str, Any]:
    """Secrets in every place of a configuration that takes one."""
    config = config_at(upstream)
    rows = config["model_providers"]
    rows[0]["access_key"] = "$OPENAI_API_KEY"
    rows.append({"model": "xai/*", "base_url": upstream.url, "headers": {"x-secret": HEADER}})
    return config


async def test_every_way_out_is_heard() -> None:
    """A scan of nothing finds nothing."""
    async with ScriptedUpstream() as upstream, gateway(config_at(upstream)) as running:
        async with openai_client(running.url) as client:
            await client.models.list()
        async with RawClient(running.port) as raw:
            await raw.get("/healthz")
            await raw.reply(to="GET")

    assert set(WITNESS.heard) == {
        "the head of an answer",
        "the body of an answer",
        "an answer to the raw client",
        "the access log",
        "the metrics",
        "a dump of what is running",
    }


@pytest.mark.parametrize("log_format", ["json", "text"])
async def test_a_process_that_serves_and_fails_tells_no_key(log_format: str) -> None:
    """On uvloop, with answers, refusals, broken providers and an end; every byte of it is scanned."""
    scripts = [
        refusal(401, Dialect.OPENAI_CHAT),
        refusal(500, Dialect.OPENAI_CHAT),
        refusal(500, Dialect.OPENAI_CHAT),  # the second attempt
        sized(b"<html>"),
        [Rst()],  # on a connection that was used before: the request is sent once more
        [Rst()],  # the fifth failure in a row: there is no second attempt
        [Raw(b"HTTP/1.1 200 OK\r\nrequest-id: a\x00b\r\n\r\n")],
    ]
    async with (
        ScriptedUpstream(scripts) as upstream,
        process(
            talkative(upstream),
            *("--log-format", log_format, "--debug"),
            environment={"OPENAI_API_KEY": FROM_ENVIRONMENT},
        ) as running,
        openai_client(running.url) as client,
        anthropic_client(running.url) as other,
        RawClient(running.port) as raw,
        RawClient(running.admin_port) as admin,
    ):
        statuses = []
        for model in ("gpt-wall",) * 6 + ("xai/any", "nobody"):
            try:
                await client.chat.completions.create(
                    model=model, messages=[{"role": "user", "content": PROMPT}]
                )
            except openai.APIStatusError as error:
                statuses.append(error.status_code)
            else:
                statuses.append(200)
        message = await other.messages.create(
            model="claude-wall", max_tokens=9, messages=[{"role": "user", "content": PROMPT}]
        )
        await raw.get("/v1/models")
        await raw.reply(to="GET")
        await admin.get("/metrics")
        await admin.reply(to="GET")

        assert statuses == [502, 500, 502, 502, 502, 200, 200, 404]
        assert message.content[0].type == "text"
        assert message.content[0].text == TEXT
        last = upstream.attempts[-3].request
        assert last.header("authorization") == f"Bearer {FROM_ENVIRONMENT}"


async def told(*arguments: str) -> tuple[int | None, str]:
    """Exit code and all output of one command; the witness hears it."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "plano", *arguments),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env={"PYTHONWARNINGS": "error", "OPENAI_API_KEY": WITNESS.guard(FROM_ENVIRONMENT), "NO_COLOR": "1"},
    )
    output, _ = await process.communicate()
    WITNESS.hear(f"plano {arguments[0]}", output)
    return process.returncode, output.decode()


@pytest.mark.parametrize("command", [("check",), ("models",), ("models", "--json")])
async def test_what_is_declared_is_shown_without_its_keys(command: tuple[str, ...], tmp_path: Path) -> None:
    """People paste it into tickets."""
    file = tmp_path / "config.yaml"
    row = {"model": "openai/gpt-wall", "access_key": KEY, "headers": {"x-secret": WITNESS.guard(HEADER)}}
    rows = [row, {"model": "groq/any", "access_key": "$OPENAI_API_KEY"}]
    file.write_text(yaml.safe_dump({"version": "v0.4.0", "model_providers": rows}))

    code, output = await told(command[0], str(file), *command[1:])

    assert (code, "openai/gpt-wall" in output) == (0, True)


MISPLACED = [
    pytest.param(f"access_kez: {KEY}", "access_kez", id="a key that is misspelt"),
    pytest.param(f"access_key: [{KEY}]", "access_key", id="a list"),
    pytest.param(f"access_key: {{value: {KEY}}}", "access_key", id="a mapping"),
    pytest.param(f'access_key: "{KEY}\\u00fc"', "access_key", id="not ASCII"),
    pytest.param(f"access_key: ${KEY}", "access_key", id="a key after a dollar"),
    pytest.param(f"headers: {{authorization: [{KEY}]}}", "headers", id="a header's list"),
    pytest.param(f"base_url: https://user:{KEY}@host.invalid", "base_url", id="in an address"),
    pytest.param(f"base_url: '{KEY}'", "base_url", id="for an address"),
    pytest.param(f'access_key: "{KEY}', "config.yaml", id="a quote that is not closed"),
]


@pytest.mark.parametrize(("line", "named"), MISPLACED)
async def test_a_faulty_configuration_is_explained_without_its_keys(
    line: str, named: str, tmp_path: Path
) -> None:
    """The place is told, the value is not: it may be the very key."""
    file = tmp_path / "config.yaml"
    file.write_text(f"version: v0.4.0\nmodel_providers:\n  - model: openai/gpt-wall\n    {line}\n")

    code, output = await told("check", str(file), "--debug")

    assert (code, named in output) == (1, True)
