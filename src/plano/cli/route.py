"""`plano route`: which model would answer, and why."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import click

from plano.cli.configured import configured_router
from plano.cli.exits import InputAtFault
from plano.cli.tables import show_table
from plano.errors import PlanoError
from plano.in_process import DecisionObject, DialectName, ReasonObject

EXAMPLES = """\
\b
Examples:
  plano route "why does this loop never end?"
  plano route --config gateway.yaml --file conversation.json --json
  git diff | plano route -
"""

DIALECTS = ("openai_chat", "anthropic_messages", "openai_responses")
_TURNS = ("messages", "input")


@dataclass(frozen=True, slots=True)
class Said:
    """What is to be routed: a text, or a request as clients send it."""

    request: bytes
    dialect: DialectName


@click.command("route", epilog=EXAMPLES)
@click.argument("text", required=False)
@click.option(
    "--config",
    "config",
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The configuration; by default config.yaml, then plano_config.yaml, in the current folder.",
)
@click.option(
    "--file",
    "file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="A conversation: a JSON list of messages, or a whole request.",
)
@click.option("--model", metavar="NAME", help="What the request would name as its model.")
@click.option(
    "--dialect",
    type=click.Choice(DIALECTS),
    help="How the conversation is written; by default openai_responses for a request with 'input', else "
    "openai_chat.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the decision object, as the gateway answers it.")
def command(
    text: str | None,
    config: Path | None,
    file: Path | None,
    model: str | None,
    dialect: str | None,
    as_json: bool,
) -> None:
    """Print which model would answer, and what every step of the decision said.

    TEXT is what a user would ask; - reads standard input, which may hold a text or a conversation as
    JSON. Nothing is sent to a model but to a served router model, when one is configured.
    """
    if (text is None) == (file is None):
        raise click.UsageError("expected either TEXT (or -) or --file; see plano route --help")
    content = _read(text, file)
    document = _document(content, is_json=file is not None) if file or text == "-" else None
    said = _said(content, document, model=model, dialect=dialect)
    with configured_router(config) as router:
        router.refresh()
        try:
            decision = router.decide(said.request, dialect=said.dialect)
        except PlanoError as problem:
            raise InputAtFault(problem.message) from problem
    if as_json:
        click.echo(decision.as_json())
    else:
        _show(decision)


def _read(text: str | None, file: Path | None) -> str:
    try:
        if file is not None:
            return file.read_text("utf-8")
        return sys.stdin.buffer.read().decode("utf-8") if text == "-" else text or ""
    except UnicodeDecodeError as error:
        source = file or "standard input"
        raise InputAtFault(f"{source}: expected UTF-8; byte {error.start} is not") from error
    except FileNotFoundError as error:
        raise InputAtFault(f"{file}: there is no such file") from error


def _said(content: str, document: Any, *, model: str | None, dialect: str | None) -> Said:
    if isinstance(document, list):
        document = {"input" if dialect == "openai_responses" else "messages": document}
    if not isinstance(document, dict):
        key = "input" if dialect == "openai_responses" else "messages"
        document = {key: [{"role": "user", "content": content}]}
    if model is not None:
        document["model"] = model
    written = dialect or ("openai_responses" if "input" in document else "openai_chat")
    return Said(json.dumps(document).encode("utf-8"), cast("DialectName", written))


def _document(content: str, *, is_json: bool) -> Any:
    """The conversation, when the content is one. A text may look like JSON and be what is asked about, so on
    standard input only what has the shape of a conversation is taken for one."""
    try:
        document = json.loads(content)
    except ValueError as error:
        if is_json:
            raise InputAtFault(f"expected a conversation as JSON; {error}") from error
        return None
    if isinstance(document, dict) and any(key in document for key in _TURNS):
        return document
    if isinstance(document, list) and document and all(isinstance(each, dict) for each in document):
        is_conversation = all("role" in each or "type" in each for each in document)
        return document if is_conversation or is_json else None
    if is_json:
        raise InputAtFault(
            "expected a JSON list of messages, or a request with 'messages' or 'input'; got "
            f"{type(document).__name__}"
        )
    return None


def _show(decision: DecisionObject) -> None:
    chosen = decision.models[0]
    route = f"  (route: {decision.route})" if decision.route is not None else ""
    others = f", then {', '.join(decision.models[1:])}" if len(decision.models) > 1 else ""
    click.echo(f"{chosen}{others}{route}\n")
    show_table(
        f"why, in {decision.elapsed_ms:.1f} ms",
        ("step", "outcome", "score", "margin", "ms", "because"),
        [_row(reason) for reason in decision.reasons],
    )


def _row(reason: ReasonObject) -> tuple[str, ...]:
    asked = f"{reason.router}: " if reason.router else ""
    nearest = f" (nearest: {reason.route})" if reason.route and reason.outcome == "abstained" else ""
    return (
        reason.step,
        reason.outcome,
        _number(reason.score),
        _number(reason.margin),
        f"{reason.elapsed_ms or 0.0:.2f}",
        f"{asked}{reason.because}{nearest}",
    )


def _number(measure: float | None) -> str:
    return "" if measure is None else f"{measure:.2f}"
