"""`plano models` with prices from the network."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path

import pytest

from plano.cli.main import main
from tests.wall.script import Script, sized
from tests.wall.upstream import ScriptedUpstream

Output = pytest.CaptureFixture[str]

OFFER = """\
version: v0.4.0
model_providers:
  - {{model: openai/gpt-5-mini, access_key: sk-canary, default: true}}
  - {{model: openai/o3, access_key: sk-canary}}
model_metrics_sources:
  - {{type: cost, provider: digitalocean, url: "{url}", model_aliases: {{openai-gpt-5-mini: gpt-5-mini}}}}
"""
CATALOGUE = json.dumps(
    {
        "data": [
            {
                "model_id": "openai-gpt-5-mini",
                "pricing": {"input_price_per_million": 2.5e-07, "output_price_per_million": 2e-06},
            }
        ]
    }
).encode()


async def models(folder: Path, answer: Script, *options: str) -> tuple[int, str]:
    """The exit code, and the address of the source, to be taken out of what was said."""
    async with ScriptedUpstream([answer]) as upstream:
        path = folder / "config.yaml"
        path.write_text(OFFER.format(url=f"{upstream.url}/catalog"), "utf-8")
        code = await asyncio.to_thread(main, ["models", str(path), *options])
        return code, f"127.0.0.1:{upstream.port}"


async def test_the_configured_source_is_asked_for_the_list(tmp_path: Path, capsys: Output) -> None:
    """What is shown is what routes would be ordered by, and of when it is."""
    code, _ = await models(tmp_path, sized(CATALOGUE))

    *lines, source = capsys.readouterr().out.splitlines()
    assert (code, lines[2].split()[-2:], lines[3].split()[-2:]) == (0, ["0.25", "2"], ["unknown"] * 2)
    assert re.fullmatch(r"list prices .*: digitalocean, of \d{4}-\d\d-\d\dT\d\d:\d\dZ", source)


async def test_programs_learn_whose_price_it_is(tmp_path: Path, capsys: Output) -> None:
    """Each row for itself: some models have none."""
    await models(tmp_path, sized(CATALOGUE), "--json")

    rows = json.loads(capsys.readouterr().out)
    assert [row["price_source"] for row in rows] == ["digitalocean", None]


async def test_a_source_that_fails_costs_the_prices_only(tmp_path: Path, capsys: Output) -> None:
    """The list is still of use; that the gateway would have no prices now is said."""
    code, place = await models(tmp_path, sized(b"", status=503))

    output = capsys.readouterr()
    lines = output.out.splitlines()
    assert (code, [line.split()[-2:] for line in lines[2:4]]) == (0, [["unknown"] * 2] * 2)
    assert (
        f"warning: the prices of digitalocean could not be read: {place} answered 503; expected 200"
        in output.err.splitlines()
    )
