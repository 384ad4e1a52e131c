"""The command `plano`: finds the subcommand, and turns every way to end into an exit code.

Each subcommand lives in a module of its own, which exposes it as `command`; the module is imported
when its command is typed, so that no command pays for what only another one needs.
"""

from __future__ import annotations

import errno
import os
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module

import click

from plano import __version__
from plano.cli.exits import ExitCode

Loader = Callable[[], click.Command]


def _module_of(name: str) -> Loader:
    return lambda: import_module(f"plano.cli.{name}").command


COMMANDS: Mapping[str, Loader] = {
    name: _module_of(name)
    for name in ("up", "check", "route", "models", "lint", "eval", "calibrate", "replay", "keys")
}
"""Every subcommand, in the order in which help lists them."""

EXAMPLES = """\
\b
Examples:
  plano up                          run the gateway on ./config.yaml
  plano up gateway.yaml --port 0    on another file, and on any free port
  plano check gateway.yaml          print every problem of a file, or what it declares
  plano route "fix this loop: …"    which model would answer, and why
  plano models                      list what clients can ask for
  plano lint                        read the routes for faults
  plano eval labelled.jsonl         measure routing on labelled conversations
  plano calibrate labelled.jsonl    find the threshold under which no route fits
  plano replay sessions.jsonl       price ways to choose a session's model
  plano keys new                    a key for a client, where the gateway is to ask for one
"""


@dataclass(slots=True)
class Invocation:
    """What holds for one run of the program, whatever the command."""

    debug: bool = False


class Program(click.Group):
    """The subcommands by name, each loaded when asked for; each takes `--debug` too."""

    def __init__(self, loaders: Mapping[str, Loader]) -> None:
        super().__init__(
            name="plano",
            help="A router for language models: one address, and the right model for each request.",
            epilog=EXAMPLES,
            no_args_is_help=True,
            params=[_debug_option(), _version_option()],
        )
        self._loaders = loaders

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self._loaders)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        loader = self._loaders.get(cmd_name)
        if loader is None:
            return None
        command = loader()
        if not any("--debug" in parameter.opts for parameter in command.params):
            command.params.append(_debug_option())
        return command


def main(arguments: Sequence[str] | None = None, *, commands: Mapping[str, Loader] = COMMANDS) -> int:
    """Run one command line (the process's own by default) and return its exit code.

    What went wrong has then been told on standard error, in a sentence; with `--debug` after a
    traceback.
    """
    invocation = Invocation()
    try:
        code = Program(commands).main(arguments, prog_name="plano", standalone_mode=False, obj=invocation)
    except click.ClickException as problem:
        _trace(invocation)
        problem.show()
        return problem.exit_code
    except click.Abort:
        click.echo("interrupted", err=True)
        return ExitCode.INTERRUPTED
    except OSError as problem:
        _trace(invocation)
        click.echo(f"Error: {_in_words(problem)}", err=True)
        return ExitCode.OUTSIDE_AT_FAULT
    except Exception as defect:  # noqa: BLE001 - the last border before a person: no traceback crosses it
        _trace(invocation)
        click.echo(
            f"Error: a defect of Plano {__version__}, not of your input: {type(defect).__name__}: {defect}\n"
            "Run the same command with --debug to see where, and please report what it prints.",
            err=True,
        )
        return ExitCode.DEFECT
    return code if isinstance(code, int) else ExitCode.DONE


def _debug_option() -> click.Option:
    return click.Option(
        ["--debug"], is_flag=True, expose_value=False, callback=_remember_debug, help="Show tracebacks."
    )


def _remember_debug(context: click.Context, _parameter: click.Parameter, value: bool) -> None:
    if value:
        context.ensure_object(Invocation).debug = True


def _version_option() -> click.Option:
    return click.Option(
        ["--version"],
        is_flag=True,
        is_eager=True,
        expose_value=False,
        callback=_show_version,
        help="Show the version and exit.",
    )


def _show_version(context: click.Context, _parameter: click.Parameter, value: bool) -> None:
    if value:
        click.echo(f"plano {__version__}")
        context.exit()


def _trace(invocation: Invocation) -> None:
    if invocation.debug:
        traceback.print_exc()


def _in_words(problem: OSError) -> str:
    if problem.errno is None:
        return str(problem)
    place = f": {problem.filename}" if problem.filename else ""
    return f"{os.strerror(problem.errno)}{place} ({errno.errorcode.get(problem.errno, problem.errno)})"
