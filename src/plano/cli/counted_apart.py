"""What several processes mean for the limits of gateway keys."""

from __future__ import annotations

from plano.config.configuration import KeyRow
from plano.config.load import Configuration


def counted_apart(configuration: Configuration, workers: int) -> str | None:
    """What to say where each process counts for itself; None where nothing is counted, or all in one."""
    limited = [row.name for row in configuration.listener.keys or () if _is_limited(row)]
    if workers == 1 or not limited:
        return None
    return (
        f"each of the {workers} processes counts by itself what keys have had: {limited[0]!r}"
        f"{f' and {len(limited) - 1} more' if len(limited) > 1 else ''} may have up to {workers} times "
        "what is written; divide the limits, or run one process"
    )


def _is_limited(row: KeyRow) -> bool:
    limits = (row.requests_per_minute, row.tokens_per_minute, row.max_concurrent, row.max_usd_per_day)
    return any(limit is not None for limit in limits)
