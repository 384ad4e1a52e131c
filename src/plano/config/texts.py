"""The texts that a configuration is read from, as they were at one moment.

Every worker of a gateway reads the same, the ones that replace others included, whatever has
become of the files since.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from plano.config.document import Unreadable
from plano.config.environment import read_dotenv
from plano.config.problems import Place, Problem

LARGEST_FILE_BYTES: Final = 1024 * 1024
"""A hundred times a large configuration."""
UNREADABLE: Final = "expected a file that can be read; got: "


@dataclass(frozen=True, slots=True)
class Texts:
    """A configuration file and the `.env` beside it."""

    source: str
    """The file, as it was named."""
    content: bytes = field(default=b"", repr=False)
    dotenv: str = field(default="", repr=False)
    """Empty also when there is none, or none that can be read."""
    unreadable: str = ""
    """Why there is no content, if there is none."""

    @staticmethod
    def take(path: Path) -> Texts:
        """What is there now; never raises."""
        try:
            with path.open("rb") as file:
                content = file.read(LARGEST_FILE_BYTES + 1)
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) and error.strerror else "not a path"
            return Texts(str(path), unreadable=UNREADABLE + reason)
        return Texts(str(path), content, _dotenv(path.with_name(".env")))

    def configuration(self) -> str:
        """The file as text; raises Unreadable."""
        if self.unreadable:
            raise Unreadable(Place(), self.unreadable)
        content = self.content
        if len(content) > LARGEST_FILE_BYTES:
            raise Unreadable(Place(), f"expected at most {LARGEST_FILE_BYTES} bytes; got more")
        try:
            return content.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            before = content[: error.start]
            place = Place(before.count(b"\n") + 1, error.start - (before.rfind(b"\n") + 1) + 1)
            raise Unreadable(place, "expected UTF-8; got a byte that is not") from error

    def variables(self) -> tuple[dict[str, str], list[Problem]]:
        """What `.env` sets, and what is wrong with it."""
        values, wrong = read_dotenv(self.dotenv)
        source = str(Path(self.source).with_name(".env"))
        return values, [Problem(source, Place(line), "", message) for line, message in wrong]


def read_bytes(path: Path) -> bytes | str:
    """The content of a file that a configuration names, or what is wrong with the file. A pipe or a device
    might never end."""
    try:
        if path.exists() and not path.is_file():
            return "expected a file; got something else"
        with path.open("rb") as file:
            content = file.read(LARGEST_FILE_BYTES + 1)
    except (OSError, ValueError):
        return "expected a file that can be read; there is none"
    if len(content) > LARGEST_FILE_BYTES:
        return f"expected a file of at most {LARGEST_FILE_BYTES} bytes; got a larger one"
    return content


def _dotenv(path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST_FILE_BYTES + 1)
        return content.decode("utf-8") if len(content) <= LARGEST_FILE_BYTES else ""
    except (OSError, ValueError):
        return ""
