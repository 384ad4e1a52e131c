"""Durations and sizes as people write them, and numbers that came from a variable."""

from __future__ import annotations

import math
import re
from typing import Annotated, Final

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema
from pydantic_core import PydanticCustomError

_DURATION: Final = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h)", re.ASCII)
_SECONDS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_SIZE: Final = re.compile(r"(\d+)\s*(B|KiB|MiB|GiB)?", re.ASCII)
_BYTES: Final = {"B": 1, "KiB": 1024, "MiB": 1024**2, "GiB": 1024**3, None: 1}
LONGEST_S: Final = 7 * 24 * 3600.0
"""A week: a limit above it is a slip of the finger."""


def expected(what: str) -> PydanticCustomError:
    """The error that `explain` words as `expected <what>; got …`."""
    return PydanticCustomError("expected", "expected {what}", {"what": what})


def wrong(what: str) -> PydanticCustomError:
    """The error whose text already says everything."""
    return PydanticCustomError("wrong", "{what}", {"what": what})


def read_duration(value: object) -> float:
    """`300s`, `500ms`, `5m`, `1h`, or seconds as a number; above 0 and at most a week."""
    seconds = math.nan
    if isinstance(value, int | float) and not isinstance(value, bool):
        seconds = float(value) if abs(value) < 1e9 else math.inf
    elif isinstance(value, str) and (match := _DURATION.fullmatch(value)):
        seconds = float(match[1]) * _SECONDS[match[2]]
    if not 0 < seconds <= LONGEST_S:
        raise expected("a duration such as 30s, 500ms or 5m")
    return seconds


def read_size(value: object) -> int:
    """Bytes as a number, or `64KiB`, `32MiB`; above 0."""
    size = 0
    if isinstance(value, int) and not isinstance(value, bool):
        size = value
    elif isinstance(value, str) and len(value) < 20 and (match := _SIZE.fullmatch(value)):
        size = int(match[1]) * _BYTES[match[2]]
    if not 0 < size < 1 << 50:
        raise expected("a size in bytes, or such as 64KiB or 32MiB")
    return size


def read_count(value: object) -> int:
    """A whole number above 0."""
    count = _from_variable(value)
    if not isinstance(count, int) or isinstance(count, bool) or not 0 < count < 1 << 31:
        raise expected("a whole number above 0")
    return count


def _from_variable(value: object) -> object:
    """`"12000"` as 12000 and `"true"` as true: a variable's value is always text."""
    if not isinstance(value, str) or len(value) > 20:
        return value
    if value in ("true", "false"):
        return value == "true"
    if re.fullmatch(r"-?\d+", value, re.ASCII):
        return int(value)
    return float(value) if re.fullmatch(r"-?\d+\.\d+", value, re.ASCII) else value


def _check_printable(value: str) -> str:
    strange = next((letter for letter in value if not letter.isprintable()), None)
    if strange is not None:
        raise wrong(f"expected a name without control characters; got one with {strange!a} in it")
    return value


Duration = Annotated[
    float,
    BeforeValidator(read_duration),
    WithJsonSchema({"type": ["string", "number"], "examples": ["300s", "500ms", "5m"]}),
]
Whole = Annotated[int, BeforeValidator(_from_variable)]
Number = Annotated[float, BeforeValidator(_from_variable), Field(allow_inf_nan=False)]
Flag = Annotated[bool, BeforeValidator(_from_variable)]
Port = Annotated[Whole, Field(ge=0, le=65535)]
Text = Annotated[str, Field(min_length=1)]
Name = Annotated[str, Field(min_length=1), AfterValidator(_check_printable)]
"""What people read in logs and tables, one a line."""
