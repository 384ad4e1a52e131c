"""`plano lint`: reads the routes alone for what would send users' turns the wrong way."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path

import click

from plano.catalog.build import load_catalog
from plano.catalog.catalog import Catalog
from plano.classifiers.embedded.encoder import Encoder
from plano.classifiers.embedded.judgement import THRESHOLD
from plano.cli.exits import ConfigurationAtFault, ExitCode, InputAtFault
from plano.config.load import NAMES, Configuration, ConfigurationInvalid, find
from plano.config.problems import KeyPath, Problem
from plano.evaluation.lint.finding import Finding
from plano.evaluation.lint.lint import lint

EXAMPLES = """\
\b
Examples:
  plano lint                        the routes of this folder's configuration
  plano lint gateway.yaml --strict  for CI: exit code 1 when there is anything to say
  plano lint gateway.yaml --json    for a program: one JSON array
"""


@click.command("lint", epilog=EXAMPLES)
@click.argument("file", required=False, type=click.Path(path_type=Path, dir_okay=False))
@click.option("--strict", is_flag=True, help="Exit with 1 when there is a warning.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON array.")
def command(file: Path | None, strict: bool, as_json: bool) -> int:
    """Read the routes for faults, and say what to try instead, with what it would change.

    Every route is asked for in its own words, and the embedded router measures who would get them:
    a warning is what the measure shows, not what a style guide says. Nothing is sent anywhere. FILE
    defaults to config.yaml, then plano_config.yaml, in the current folder.
    """
    source = file or find(Path.cwd())
    if source is None:
        raise InputAtFault(f"expected a FILE, or {' or '.join(NAMES)} in this folder; found neither")
    try:
        configuration, catalog = load_catalog(source, os.environ)
    except ConfigurationInvalid as invalid:
        raise ConfigurationAtFault(invalid) from invalid
    if not catalog.routes:
        raise InputAtFault(f"{source}: expected routes in routing_preferences; found none")
    given = configuration.routing.embedded_threshold
    findings = lint(catalog.routes, Encoder.load().encode, THRESHOLD if given is None else given)
    if as_json:
        click.echo(json.dumps([_object(finding, configuration, catalog) for finding in findings], indent=2))
    else:
        _show(findings, configuration, catalog)
    return ExitCode.INPUT_AT_FAULT if strict and findings else ExitCode.DONE


def _show(findings: Sequence[Finding], configuration: Configuration, catalog: Catalog) -> None:
    for finding in findings:
        problem = _problem(finding, configuration)
        click.echo(f"{problem}\n    try: {finding.suggestion}")
        if finding.samples:
            told = ", ".join(f"{sample.text!r} ({sample.lead:+.2f})" for sample in finding.samples)
            click.echo(f"    wordings: {told}")
    count, routes = len(findings), len(catalog.routes)
    click.echo(
        f"{count or 'no'} warning{'' if count == 1 else 's'} in {routes} route{'' if routes == 1 else 's'}"
    )
    if catalog.router_model is not None:
        click.echo(
            f"note: {catalog.router_model.id} chooses the routes here; lint measures the embedded router,"
            f" which stands in for it",
            err=True,
        )


def _problem(finding: Finding, configuration: Configuration) -> Problem:
    return configuration.problem(_path(finding, configuration), f"{finding.code}: {finding.message}")


def _path(finding: Finding, configuration: Configuration) -> KeyPath:
    path = configuration.routes[finding.at].path
    match finding.part:
        case "name" | "description":
            inside = (*path, finding.part)
            return inside if configuration.is_written(inside) else path
        case "route":
            return path
        case "routes":
            return path[:-1]


def _object(finding: Finding, configuration: Configuration, catalog: Catalog) -> dict[str, object]:
    problem = _problem(finding, configuration)
    return {
        "code": finding.code,
        "file": problem.file,
        "line": problem.place.line,
        "column": problem.place.column,
        "path": problem.path,
        "route": catalog.routes[finding.at].name,
        "other": None if finding.other is None else catalog.routes[finding.other].name,
        "message": finding.message,
        "measures": {name: round(measure, 4) for name, measure in finding.measures.items()},
        "suggestion": finding.suggestion,
        "wordings": [{"text": each.text, "lead": round(each.lead, 4)} for each in finding.samples],
    }
