"""Variables: `$NAME`, `${NAME}` and `${NAME:-default}`, from the environment, then from `.env`.

Which variable holds the key of which provider stands here too: `plano up` without a file looks
for them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

KEY_VARIABLES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "openai": "OPENAI_API_KEY",
        "anthropic": "ANTHROPIC_API_KEY",
        "gemini": "GEMINI_API_KEY",
        "groq": "GROQ_API_KEY",
        "deepseek": "DEEPSEEK_API_KEY",
        "mistral": "MISTRAL_API_KEY",
        "xai": "XAI_API_KEY",
        "together_ai": "TOGETHER_API_KEY",
        "moonshotai": "MOONSHOT_API_KEY",
        "openrouter": "OPENROUTER_API_KEY",
        "vercel": "AI_GATEWAY_API_KEY",
        "digitalocean": "DO_API_KEY",
        "edenai": "EDENAI_API_KEY",
    }
)
"""The provider's usual name for its key, for providers that need nothing but a key."""

NOT_ENOUGH: Final[Mapping[str, str]] = MappingProxyType(
    {"AZURE_API_KEY": "azure_openai", "AWS_BEARER_TOKEN_BEDROCK": "amazon_bedrock"}
)
"""Keys that say nothing about where their provider is."""

_VARIABLE: Final = re.compile(
    r"\$(?:(?P<dollar>\$)|(?P<name>[A-Za-z_]\w*)|\{(?P<braced>[A-Za-z_]\w*)(?::-(?P<default>[^}]*))?\})",
    re.ASCII,
)


@dataclass(frozen=True, slots=True)
class Filled:
    """A text with its variables filled in."""

    text: str
    problem: str | None = None
    """What is wrong when one is not set."""
    values: tuple[tuple[str, str], ...] = ()
    """What was filled in: each variable as it is written, and its value."""


@dataclass(frozen=True, slots=True)
class Variables:
    """Where names are looked up."""

    environment: Mapping[str, str]
    dotenv: Mapping[str, str]
    """What the `.env` beside the file says; the environment comes first."""

    def substitute(self, text: str) -> Filled:
        """`text` with its variables filled in."""
        unset: dict[str, None] = {}
        values: list[tuple[str, str]] = []

        def value_of(match: re.Match[str]) -> str:
            if match["dollar"]:
                return "$"
            name = match["name"] or match["braced"]
            value = self.environment.get(name, self.dotenv.get(name))
            if not value and match["default"] is not None:
                return match["default"]
            if value is None:
                unset[name] = None
                return match[0]
            values.append((match[0], value))
            return value

        filled = _VARIABLE.sub(value_of, text)
        return Filled(filled, _unset(list(unset)) if unset else None, tuple(values))


def _unset(names: list[str]) -> str:
    variables = ", ".join(names)
    is_set = "is" if len(names) == 1 else "are"
    return (
        f"{variables} {is_set} not set; expected in the environment or in .env beside the file"
        " (write $$ for a dollar sign)"
    )


def read_dotenv(text: str) -> tuple[dict[str, str], list[tuple[int, str]]]:
    """`NAME=value` a line, `export` and quotes allowed; and what is wrong, by line number."""
    values: dict[str, str] = {}
    problems: list[tuple[int, str]] = []
    for number, line in enumerate(text.splitlines(), start=1):
        entry = line.strip().removeprefix("export ").strip()
        if not entry or entry.startswith("#"):
            continue
        name, equals, value = entry.partition("=")
        if equals and re.fullmatch(r"[A-Za-z_]\w*", name.strip(), re.ASCII):
            values[name.strip()] = _unquote(value.strip())
        else:
            problems.append((number, "expected NAME=value"))
    return values, problems


def _unquote(value: str) -> str:
    if len(value) >= 2 and value[0] == value[-1] and value[0] in "'\"":
        return value[1:-1]
    return value.partition(" #")[0].rstrip()
