"""`make run` is the first thing that people see."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from examples.conversations import CONVERSATIONS

CLEAR = ("code explanation", "contract law", "medical symptoms", "creative writing", "translation")
"""Routes that conversations of the demo are plainly about."""
PROJECT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def told() -> str:
    """What the demo prints when it stops after its requests."""
    done = subprocess.run(
        [sys.executable, "-m", "examples.demo", "--once"],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
        timeout=50,
        env={
            "PATH": os.environ["PATH"],
            "HTTP_PROXY": "http://127.0.0.1:1",
            "http_proxy": "http://127.0.0.1:1",
        },
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_the_demo_shows_who_answered_and_why(told: str) -> None:
    """By model, by alias, by default: the headers that every answer carries, in words."""
    answered = [line.split(";")[0].strip() for line in told.splitlines() if " answered " in line]

    assert answered == [
        "simulated/quick answered (decided by: explicit)",
        "simulated/quick answered (decided by: alias)",
        "simulated/thinker answered (decided by: alias)",
    ]


def test_the_demo_shows_that_its_answers_are_simulated(told: str) -> None:
    """Nobody may take it for a model."""
    assert told.count("[simulated by plano: simulated/") >= 3


def test_the_demo_shows_an_error_that_helps(told: str) -> None:
    """A slip in a name is answered with the names that are near."""
    (refused,) = [line for line in told.splitlines() if "refused with status" in line]

    assert ("status 404" in refused, "careful" in refused) == (True, True)


def test_the_demo_routes_conversations_of_different_kinds(told: str) -> None:
    """One row each: what was asked, the route, the model, and how sure the router was."""
    table = told.partition("by what the conversation is about")[2].partition("An agent's loop")[0]
    rows = [line for line in table.splitlines() if line.split()[-3:-2] and line.split()[-1][0].isdigit()]

    assert len(rows) == len(CONVERSATIONS)
    assert [route for route in CLEAR if not any(route in row for row in rows)] == []


def test_the_demo_shows_an_agent_that_hops_and_one_that_stays(told: str) -> None:
    """Six calls: several models by themselves, one with affinity."""
    table = told.partition("An agent's loop")[2].partition("The gateway's own log")[0]
    models = [line.split()[-2:] for line in table.splitlines() if line.strip()][3:]

    assert len(models) == 6
    assert len({alone for alone, _ in models}) > 1
    assert len({in_session for _, in_session in models}) == 1


def test_the_demo_shows_the_gateways_log(told: str) -> None:
    """One line a request, the refused one included."""
    log = told.partition("The gateway's own log of this:")[2]

    assert [log.count(word) for word in ("/v1/chat/completions", "plano is ready")] == [6, 1]
    assert "preference" in log
