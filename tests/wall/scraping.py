"""The metrics page, as a scraper gets it, taken apart for assertions."""

from __future__ import annotations

import re

from tests.wall.gateway import RunningGateway
from tests.wall.raw_client import RawClient

LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')


async def scraped(running: RunningGateway) -> str:
    """The metrics page."""
    async with RawClient(running.admin_port) as client:
        await client.get("/metrics")
        reply = await client.reply(to="GET")
    assert reply.status == 200
    return reply.body.decode()


def samples(page: str, family: str) -> dict[str, float]:
    """Label part to value of one family, where anything was counted; the parts as they are written."""
    lines = [line.rpartition(" ") for line in page.splitlines() if line.startswith(family)]
    return {label.removeprefix(family): float(value) for label, _, value in lines if float(value)}


def labels(page: str) -> dict[str, set[str]]:
    """Every label of the page and the values it has, but for bounds of buckets."""
    found: dict[str, set[str]] = {}
    for name, value in LABEL.findall(page):
        if name != "le":
            found.setdefault(name, set()).add(value)
    return found
