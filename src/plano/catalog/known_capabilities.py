"""What is known of models: what their entry says, else a table of a few documented facts, else the context
windows in the library of prices.

The tables speak of providers' own models at the providers' own addresses. What answers elsewhere under
the same name, or cuts long prompts to fit, is only known where its entry says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pkgutil import get_data
from typing import Final
from urllib.parse import urlsplit

import yaml

from plano.catalog.capabilities import UNKNOWN, Capabilities
from plano.catalog.catalog import Model
from plano.catalog.prices import context_window
from plano.catalog.providers import known_providers

MOST_REMEMBERED: Final = 1024
"""Members of wildcards can be any number."""

_WINDOWS_ARE_ROUNDED: Final = 16
"""The library writes 1,000,000 for 1,047,576 and 32,000 for 32,768: a sixteenth more is taken for granted."""


class KnownCapabilities:
    """Looks facts up, and remembers them."""

    def __init__(self) -> None:
        self._remembered: dict[tuple[str, str], Capabilities] = {}
        self._has_windows = False

    def load(self) -> None:
        """Read the library's context windows, which takes a tenth of a second or two and 30 MB; until then
        none of them is known."""
        context_window("openai", "gpt-4")
        self._has_windows = True
        self._remembered.clear()

    def of(self, model: Model, upstream_model: str) -> Capabilities:
        """What is known of a model, or of a wildcard's member."""
        key = model.name, upstream_model
        found = self._remembered.get(key)
        if found is None:
            found = self._look_up(model, upstream_model)
            if len(self._remembered) >= MOST_REMEMBERED:
                self._remembered.clear()
            self._remembered[key] = found
        return found

    def _look_up(self, model: Model, upstream_model: str) -> Capabilities:
        known = known_providers().get(model.provider)
        if known is None or known.base_url is None or not _is_at(model, known.base_url):
            return model.capabilities
        facts = model.capabilities.over(_documented().get((model.provider, upstream_model), UNKNOWN))
        if facts.context_tokens is not None or not self._has_windows:
            return facts
        if known.prices is None or known.shortens_prompts:
            return facts
        window = context_window(known.prices, upstream_model)
        if window is None:
            return facts
        return facts.over(Capabilities(window + window // _WINDOWS_ARE_ROUNDED))


def _is_at(model: Model, base_url: str) -> bool:
    own = urlsplit(base_url).hostname
    return all(endpoint.host == own for endpoint in model.endpoints.values())


@cache
def _documented() -> Mapping[tuple[str, str], Capabilities]:
    text = get_data(__name__, "capabilities.yaml")
    providers = yaml.load(text or b"", Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506 - a safe loader
    return {
        (provider, model): Capabilities(**{column: row[column] for column in row if column != "models"})
        for provider, rows in providers.items()
        for row in rows
        for model in row["models"]
    }
