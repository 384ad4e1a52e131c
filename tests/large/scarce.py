"""More clients than there are descriptors for: who is one too many is told so, the others notice nothing."""

from __future__ import annotations

import asyncio
from collections import Counter

from tests.integration.process.asking import get
from tests.large.slow_requests import ARRIVING_S
from tests.large.slow_senders import come_and_drip
from tests.large.stand import giving_way, stand

DEADLINE_S = 4.0


async def run(clients: int, descriptors: int) -> int:
    """The exit code."""
    limits = {"request_headers_s": f"{DEADLINE_S:g}s"}
    async with stand(limits, descriptors=descriptors) as bench:
        with giving_way():
            window_s = DEADLINE_S + ARRIVING_S + 1.0
            loading = asyncio.create_task(bench.load(window_s))
            await asyncio.sleep(0.5)
            crowd = asyncio.create_task(come_and_drip("headers", clients, bench.port, until_s=window_s + 5.0))
            most = 0
            while not loading.done():
                most = max(most, bench.held.descriptors)
                await asyncio.sleep(0.05)
            load, senders = await loading, await crowd
        afterwards = (await get(bench.port, "/readyz")).status
        complaints = bench.running.stderr.count(b"Traceback")
    answers = Counter(sender.status for sender in senders)
    print(
        f"{clients} clients and room for {descriptors} descriptors: answers {dict(answers)}, "
        f"{most} descriptors at the most, {complaints} tracebacks\n"
        f"  healthy: {load.requests} requests, {load.errors} failed, {load.reconnects} connected anew, "
        f"afterwards {afterwards}"
    )
    shed_alone = answers.keys() == {408, 503} and answers.total() == clients
    reached = shed_alone and most < descriptors and not load.errors and (afterwards, complaints) == (200, 0)
    print("reached" if reached else "missed")
    return int(not reached)
