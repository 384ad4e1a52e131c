"""What the schema found wrong, in a person's words, with the place it stands at.

Values are shown only where a value cannot be a secret: neither under keys that hold one, nor under
keys that are not known, nor when they came from a variable.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any, Final

from pydantic_core import ErrorDetails

from plano.config.document import Document, describe
from plano.config.problems import KeyPath, Place, did_you_mean, enumerate_choices
from plano.config.schema import TAGS, File

SHOWN: Final = frozenset(
    (
        "version", "name", "model", "type", "provider", "provider_interface", "prefer", "target", "port",
        "timeout", "default", "passthrough_auth", "protocol", "http_method", "mode", "message_format",
        "router", "fallback_router", "session_ttl_seconds", "session_max_entries", "decision_timeout_ms",
        "max_switch_spend_pct", "cache_read_discount", "random_sampling", "refresh_interval",
        "upstream_connect_timeout", "orchestrator_model_context_length", "max_retries", "models",
        "route_on_user_only", "route_explicit_models", "transport", "http_host", "tenant_header",
        "min_prefix_tokens", "address", "embedded_threshold", "fallbacks",
        "requests_per_minute", "tokens_per_minute", "max_concurrent", "max_usd_per_day",
        "context_tokens", "images", "tools", "structured_output",
    )
)  # fmt: skip
"""Keys whose values may be repeated in a message."""
_LONGEST_SHOWN: Final = 80
_KEY: Final = "[key]"
"""The schema's last step to an error with a key itself."""
SHORTEST_KEY: Final = 20
"""Characters; no provider's keys are shorter."""

_EXPECTED: Final[Mapping[str, str]] = {
    "string_type": "text",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "list_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
    "string_too_short": "text that is not empty",
    "finite_number": "a finite number",
}


def explain(errors: Iterable[ErrorDetails], document: Document) -> Iterator[tuple[Place, KeyPath, str]]:
    """Each error as where it stands, its path, and what to say about it."""
    for error in errors:
        path = path_of(error)
        match error["type"]:
            case "extra_forbidden":
                *around, key = path
                known = keys_at(tuple(around))
                message = f"unknown key {key!r}{did_you_mean(str(key), known)}"
                yield document.place_of_key(path), tuple(around), message
            case "missing":
                *around, key = path
                yield document.place_of(tuple(around)), tuple(around), f"expected the key {key!r}; got none"
            case "wrong":
                yield _place(error, document), path, error["msg"]
            case _:
                yield _place(error, document), path, _message(error, path, document)


def path_of(error: ErrorDetails) -> KeyPath:
    """The way in the file: without the names of alternatives, and what marks a key, which the schema adds."""
    steps = error["loc"][:-1] if _is_about_key(error) else error["loc"]
    return tuple(step for step in steps if step not in TAGS)


def _is_about_key(error: ErrorDetails) -> bool:
    return error["loc"][-1:] == (_KEY,)


def _place(error: ErrorDetails, document: Document) -> Place:
    path = path_of(error)
    return document.place_of_key(path) if _is_about_key(error) else document.place_of(path)


def _message(error: ErrorDetails, path: KeyPath, document: Document) -> str:
    value = error["input"]
    expected = _expected(error)
    more = ""
    near = error["type"] == "literal_error" and path != ("version",)  # every version is near every other
    if isinstance(value, str) and near and _may_show(path, document):
        more = did_you_mean(value, _choices(error))
    elif error["type"] == "string_type" and isinstance(value, int | float):
        more = ": put it in quotes"
    found = repr(value)[:_LONGEST_SHOWN] if _is_about_key(error) else _found(value, path, document)
    return f"expected {expected}; got {found}{more}"


def _expected(error: ErrorDetails) -> str:
    context = error.get("ctx", {})
    match error["type"]:
        case "expected":
            return str(context["what"])
        case "literal_error":
            return enumerate_choices(_choices(error))
        case "greater_than_equal":
            return f"a number from {context['ge']}"
        case "less_than_equal":
            return f"a number up to {context['le']}"
        case "too_short":
            return f"at least {context['min_length']} item"
        case "string_pattern_mismatch":
            return "a host name, with a port if it needs one"
        case kind:
            return _EXPECTED.get(kind, "another form")


def _choices(error: ErrorDetails) -> list[str]:
    """Of a literal: its message is the only place that has them all."""
    listed = str(error.get("ctx", {}).get("expected", ""))
    return [choice.strip("'") for choice in listed.replace(" or ", ", ").split(", ")]


def _found(value: object, path: KeyPath, document: Document) -> str:
    if isinstance(value, list | dict) or value in (None, ""):
        return "an empty list" if value == [] else describe(value)
    if path in document.substituted:
        return f"{describe(value)} (from a variable)"
    if not _may_show(path, document) or _may_be_a_key(value):
        return describe(value)
    shown = repr(value) if isinstance(value, str) else str(value).lower()[:_LONGEST_SHOWN]
    return shown if len(shown) <= _LONGEST_SHOWN else shown[:_LONGEST_SHOWN] + "…"


def _may_be_a_key(value: object) -> bool:
    """A long word with digits in it: somebody may have written a key beside the wrong name."""
    if not isinstance(value, str) or len(value) < SHORTEST_KEY or " " in value or "/" in value:
        return False
    return any(letter.isdigit() for letter in value)


def _may_show(path: KeyPath, document: Document) -> bool:
    key = next((step for step in reversed(path) if isinstance(step, str)), "")
    return key in SHOWN and path not in document.substituted


@cache
def json_schema() -> dict[str, Any]:
    """The schema of the file for editors (JSON Schema 2020-12)."""
    schema = File.model_json_schema()
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["title"] = "Plano configuration"
    return schema


def keys_at(path: Sequence[str | int]) -> list[str]:
    """Every key that may stand in the mapping at `path`."""
    schema = json_schema()
    return sorted({key for node in _nodes(schema, path) for key in node.get("properties", ())})


def _nodes(schema: Mapping[str, Any], path: Sequence[str | int]) -> list[Mapping[str, Any]]:
    """What the schema says about the value at `path`: several things where there are alternatives."""
    nodes = _alternatives(schema, schema)
    for step in path:
        children: list[Mapping[str, Any]] = []
        for node in nodes:
            inner = node.get("items") if isinstance(step, int) else _property(node, step)
            if isinstance(inner, Mapping):
                children += _alternatives(schema, inner)
        nodes = children
    return nodes


def _property(node: Mapping[str, Any], key: str) -> object:
    return node.get("properties", {}).get(key) or node.get("additionalProperties")


def _alternatives(schema: Mapping[str, Any], node: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    if "$ref" in node:
        return _alternatives(schema, schema["$defs"][str(node["$ref"]).rpartition("/")[2]])
    choices = [*node.get("anyOf", ()), *node.get("oneOf", ())]
    return [node] if not choices else [found for choice in choices for found in _alternatives(schema, choice)]
