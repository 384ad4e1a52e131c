"""The part of the demo with an agent: six calls for one request of its user, without and with affinity."""

from __future__ import annotations

from dataclasses import dataclass

import openai
from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from examples.routed import console

STEPS = (
    "Add retries with a growing pause to our HTTP client, and tell the team about it.",
    "Observation: class Client: def get(self, url): return self.s.get(url)\nExplain what this class does.",
    "Write the method again, with three retries.",
    "Observation: TypeError: 'NoneType' object is not callable in retry.py, line 8\nFind out why it crashes.",
    "Translate the docstring of the class into German.",
    "Write a short poem about retries for the release notes.",
)
"""What an agent sends in the user's name: each looks like another kind of work."""
SESSION = {"X-Model-Affinity": "demo-session-1"}


@dataclass(frozen=True, slots=True)
class Step:
    """One call of the loop, and who answered it."""

    said: str
    alone: str
    """Without affinity."""
    in_session: str


def run(client: openai.OpenAI) -> list[Step]:
    """The loop, each call sent twice."""
    return [Step(said, _answered(client, said, {}), _answered(client, said, SESSION)) for said in STEPS]


def show(steps: list[Step]) -> None:
    """Two columns of models: one hops, one stays."""
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("what the agent sends", overflow="ellipsis", no_wrap=True, max_width=60)
    table.add_column("routed by itself", no_wrap=True)
    table.add_column("X-Model-Affinity", no_wrap=True)
    for step in steps:
        table.add_row(Text(step.said.replace("\n", " ")), Text(step.alone), Text(step.in_session))
    console().print(table)


def _answered(client: openai.OpenAI, said: str, session: dict[str, str]) -> str:
    answer = client.chat.completions.with_raw_response.create(
        model="auto", messages=[{"role": "user", "content": said}], max_tokens=1, extra_headers=session
    )
    return answer.headers["x-plano-model"].removeprefix("simulated/")
