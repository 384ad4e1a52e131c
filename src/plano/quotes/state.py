"""How a source of quotes is doing, for whoever shows it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SourceState:
    """One source, at one moment."""

    name: str
    """As in `model_metrics_sources`, a table with its version: `bundled (genai-prices 0.2.3)`."""
    quoted_at: str | None = None
    """The day of the table in use, or the moment (UTC) it was read; None where there is none, and for
    measurements."""
    age_s: float | None = None
    """Since the last good reading, of a source on the network that has had one."""
    values: int | None = None
    """How many are in use; None where they are looked up one by one."""
    ignored: int = 0
    """How many of the last good reading could not be used."""
    trouble: str | None = None
    """Why it could not be read the last time."""
