"""Logs made up for tests: agents that call tools, with pauses and users in between, from a seed alone."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from typing import Any

START = 1_790_000_000.0
SONNET, MINI, GPT = "anthropic/claude-sonnet-4-5", "openai/gpt-5-mini", "openai/gpt-5"


def line(**facts: Any) -> bytes:
    return json.dumps(facts).encode() + b"\n"


def agent_session(name: str, chance: random.Random, start: float) -> Iterator[dict[str, Any]]:
    """Some user turns, each with a loop of tool calls; what a call looks like decides whom routing likes."""
    at, context = start, chance.randint(4_000, 20_000)
    for _ in range(chance.randint(1, 6)):
        preferred = chance.choice([SONNET, SONNET, GPT])
        for step in range(chance.randint(1, 14)):
            candidate = preferred if step == 0 or chance.random() < 0.6 else MINI
            written = chance.randint(50, 900)
            yield {
                "time": round(at, 3),
                "session": name,
                "requested": "auto",
                "candidates": [candidate],
                "chosen": candidate,
                "decision": "preference",
                "is_user_turn": step == 0,
                "status": 200,
                "input_tokens": context,
                "output_tokens": written,
                "request_bytes": 4 * context,
            }
            context += written + chance.randint(100, 4_000)
            at += chance.uniform(2, 30)
        at += chance.choice([20, 60, 200, 900])


def agent_log(sessions: int = 40, seed: int = 1) -> bytes:
    """Whole sessions, interleaved as time has them."""
    chance = random.Random(seed)
    requests = [
        request
        for number in range(sessions)
        for request in agent_session(f"s-{number}", chance, START + chance.uniform(0, 7200))
    ]
    return b"".join(line(**request) for request in sorted(requests, key=lambda each: each["time"]))
