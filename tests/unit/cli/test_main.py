"""The frame of the command line: who is found, and how every ending reaches the shell."""

from __future__ import annotations

import errno
import sys
from collections.abc import Callable
from subprocess import PIPE, run

import click
import pytest

from plano import __version__
from plano.cli.exits import ExitCode, InputAtFault, OutsideAtFault
from plano.cli.main import COMMANDS, main

Output = pytest.CaptureFixture[str]


def ending(act: Callable[[], object]) -> int:
    """The exit code of `plano end`, where `end` is a command that does `act`."""
    return main(["end"], commands={"end": lambda: click.Command("end", callback=act)})


def raising(problem: BaseException) -> Callable[[], object]:
    def act() -> object:
        raise problem

    return act


def examples_of(name: str, told: str) -> list[str]:
    return [line for line in told.splitlines() if line.lstrip().startswith(f"plano {name}")]


ENDINGS = [
    pytest.param(lambda: None, 0, "", id="done"),
    pytest.param(lambda: ExitCode.INPUT_AT_FAULT, 1, "", id="a code returned"),
    pytest.param(lambda: click.get_current_context().exit(3), 3, "", id="a code by click"),
    pytest.param(raising(InputAtFault("no such model")), 1, "Error: no such model\n", id="input"),
    pytest.param(raising(OutsideAtFault("port taken")), 3, "Error: port taken\n", id="outside"),
    pytest.param(
        raising(PermissionError(errno.EACCES, "-", "a.yaml")),
        3,
        "Error: Permission denied: a.yaml (EACCES)\n",
        id="operating system",
    ),
    pytest.param(raising(OSError("no route")), 3, "Error: no route\n", id="operating system in words"),
    pytest.param(raising(KeyboardInterrupt()), 130, "interrupted\n", id="interrupted"),
]


@pytest.mark.parametrize(("act", "code", "told"), ENDINGS)
def test_every_ending_has_its_exit_code_and_its_sentence(
    act: Callable[[], object], code: int, told: str, capsys: Output
) -> None:
    """Scripts act on the code, people on the sentence; neither can use a traceback."""
    answer = ending(act)

    assert (answer, capsys.readouterr().err.lstrip("\n")) == (code, told)


def test_a_defect_is_told_apart_from_faulty_input(capsys: Output) -> None:
    """A person must not search their file for a mistake that is ours."""
    code = ending(raising(KeyError("candidate")))

    told = capsys.readouterr().err
    said = {words: words in told for words in ("a defect of Plano", "--debug", "Traceback")}
    assert (code, said) == (70, {"a defect of Plano": True, "--debug": True, "Traceback": False})


@pytest.mark.parametrize("arguments", [["--debug", "end"], ["end", "--debug"]], ids=["before", "after"])
def test_debug_shows_the_traceback_wherever_it_is_typed(arguments: list[str], capsys: Output) -> None:
    """Whoever is asked to add `--debug` adds it at the end of what they typed."""
    command = click.Command("end", callback=raising(KeyError("candidate")))

    code = main(arguments, commands={"end": lambda: command})

    told = capsys.readouterr().err
    assert (code, "Traceback" in told, "KeyError: 'candidate'" in told) == (70, True, True)


@pytest.mark.parametrize("arguments", [["nonsense"], ["--nonsense"], ["check", "--nonsense"]])
def test_a_command_line_that_cannot_be_read_is_a_usage_error(arguments: list[str], capsys: Output) -> None:
    """2 is what shells and scripts know as usage."""
    code = main(arguments)

    told = capsys.readouterr().err
    assert (code, "nonsense" in told, "Traceback" in told) == (2, True, False)


def test_the_version_is_printed(capsys: Output) -> None:
    """The first thing that a bug report needs."""
    code = main(["--version"])

    assert (code, capsys.readouterr().out) == (0, f"plano {__version__}\n")


def test_help_shows_an_example_of_every_command(capsys: Output) -> None:
    """An example is read before any list of options."""
    main(["--help"])

    told = capsys.readouterr().out
    assert [name for name in COMMANDS if not examples_of(name, told)] == []


@pytest.mark.parametrize("name", COMMANDS)
def test_the_help_of_a_command_shows_an_example(name: str, capsys: Output) -> None:
    """What a first-time user copies."""
    code = main([name, "--help"])

    told = capsys.readouterr().out
    assert (code, "Example" in told, examples_of(name, told) != []) == (0, True, True)


def test_a_command_is_loaded_only_when_it_is_typed() -> None:
    """`plano check` must not wait for the event loop that only `plano up` needs."""
    loaded: list[str] = []

    def loader(name: str) -> Callable[[], click.Command]:
        def load() -> click.Command:
            loaded.append(name)
            return click.Command(name, callback=lambda: None)

        return load

    main(["check"], commands={name: loader(name) for name in ("up", "check")})

    assert set(loaded) == {"check"}


def test_the_module_runs_as_the_command_does() -> None:
    """`python -m plano` is what remains where scripts are not on the path."""
    done = run([sys.executable, "-m", "plano", "--version"], stdout=PIPE, text=True, check=False)

    assert (done.returncode, done.stdout) == (0, f"plano {__version__}\n")
