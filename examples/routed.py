"""The part of the demo that names no model: conversations of different kinds, and where each is sent."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

import openai
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from examples.conversations import Conversation

WIDTH = 110
"""Of the table when it is not drawn on a terminal."""


@dataclass(frozen=True, slots=True)
class Routed:
    """One conversation and what the gateway said about it."""

    conversation: Conversation
    route: str | None
    model: str
    score: float | None
    margin: float | None
    decided_ms: float


def route(client: openai.OpenAI, conversation: Conversation) -> Routed:
    """Send it, without a model of its own, and read why it was answered by whom."""
    answer = client.chat.completions.with_raw_response.create(
        model="auto",
        messages=conversation.messages,  # type: ignore[arg-type]  # the client's own type is a union of a dozen
        max_tokens=1,
        extra_headers={"x-plano-debug": "true"},
    )
    decision = json.loads(answer.headers["x-plano-debug"])
    (said,) = (reason for reason in decision["reasons"] if reason["step"] == "preference")
    return Routed(
        conversation,
        decision["route"],
        answer.headers["x-plano-model"],
        said.get("score"),
        said.get("margin"),
        decision["elapsed_ms"],
    )


def show(routed: Sequence[Routed]) -> None:
    """As a table, the latest words of each conversation first."""
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for heading in ("asked", "route", "model"):
        table.add_column(heading, overflow="ellipsis", no_wrap=True, max_width=44)
    for heading in ("score", "margin", "ms"):
        table.add_column(heading, justify="right", no_wrap=True)
    for each in routed:
        table.add_row(
            Text(each.conversation.turns[-1].split("\n")[0]),
            Text(each.route or "-"),
            Text(each.model.removeprefix("simulated/")),
            _number(each.score),
            _number(each.margin),
            f"{each.decided_ms:.1f}",
        )
    console().print(table)


def console() -> Console:
    """Standard output, as wide as it is."""
    found = Console()
    return found if found.is_terminal else Console(width=WIDTH)


def _number(measure: float | None) -> str:
    return "" if measure is None else f"{measure:.2f}"
