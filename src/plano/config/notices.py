"""What is read but does nothing here, so that it is said once, at the start, and never silent."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from plano.config.problems import KeyPath, spell

INJECTION: Final = "prompt_caching.inject_cache_control"
"""On by default wherever prompt caching is."""

NOT_YET: Final = (
    "listeners[].max_retries",
    INJECTION,
    "prompt_caching.min_prefix_tokens",
    "state_storage",
    "ratelimits",
    "tracing",
)
"""Read, checked and linked, but without effect so far: who gives one its effect deletes its row."""

UNSERVED: Final = (
    "listeners.ingress_traffic",
    "listeners[].input_filters",
    "listeners[].output_filters",
    "agents",
    "filters",
    "prompt_targets",
    "prompt_guards",
    "endpoints",
    "system_prompt",
    "mode",
    "overrides.agent_orchestration_model",
    "overrides.prompt_target_intent_matching_threshold",
    "overrides.optimize_context_window",
    "overrides.use_agent_orchestrator",
    "overrides.disable_signals",
)
"""About agents and prompts, which this router does not serve."""


def not_yet(data: dict[str, Any]) -> str | None:
    """One sentence that names everything written that has no effect yet."""
    names = [
        pattern.replace("[]", "")
        for pattern in NOT_YET
        if any(written(data, pattern)) or (pattern == INJECTION and _asks_for_injection(data))
    ]
    return f"read and checked, but without effect so far: {', '.join(names)}" if names else None


def unserved(data: dict[str, Any]) -> str | None:
    """One sentence that names everything written that belongs to agents and prompts."""
    names = [f"{spell(path)} ({kind})" for path, kind in _other_listeners(data)]
    names += [spell(path) for pattern in UNSERVED for path in written(data, pattern)]
    return f"not served by this router: {', '.join(dict.fromkeys(names))}" if names else None


def written(data: object, pattern: str, path: KeyPath = ()) -> Iterator[KeyPath]:
    """Every path that fits `pattern` (`listeners[].max_retries`) and holds something."""
    if not pattern:
        if data not in (None, [], {}):
            yield path
        return
    key, _, rest = pattern.partition(".")
    name = key.removesuffix("[]")
    value = data.get(name) if isinstance(data, dict) else None
    if not key.endswith("[]"):
        yield from written(value, rest, (*path, name))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from written(item, rest, (*path, name, index))


def _asks_for_injection(data: dict[str, Any]) -> bool:
    caching = data.get("prompt_caching")
    if not isinstance(caching, dict) or caching.get("inject_cache_control") is False:
        return False
    return caching.get("enabled") is True


def _other_listeners(data: dict[str, Any]) -> Iterator[tuple[KeyPath, str]]:
    listeners = data.get("listeners")
    if isinstance(listeners, list):
        for index, listener in enumerate(listeners):
            kind = listener.get("type") if isinstance(listener, dict) else None
            if kind in ("prompt", "agent"):
                yield ("listeners", index), str(kind)
