"""What exists: every model that can be asked for, under every name, fully linked.

Immutable. A dangling name is found when it is built (by `config`), not when a request comes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from plano.catalog.names import ModelId, ProviderId, RequestedModel, RouteName
from plano.chat.dialect import Dialect


class Secret:
    """A key that is never shown: `str`, `repr` and formatting give stars; `reveal()` is the only way."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        return self._text

    def __repr__(self) -> str:
        return "Secret('***')"

    __str__ = __repr__

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._text == self._text

    def __hash__(self) -> int:
        return hash(self._text)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a dialect is spoken: everything before the query string."""

    scheme: str
    """`http`, `https`, or `simulated` for the provider that lives in this process."""
    host: str
    port: int
    path: str
    """The full path of the operation: `/v1/chat/completions`."""
    query: str = ""
    """A query of the provider's own, without `?` (Azure's `api-version=…`)."""


@dataclass(frozen=True, slots=True)
class Model:
    """One row of `model_providers`, resolved."""

    id: ModelId
    """`<provider>/<model id>` as configured; ends in `/*` for a wildcard."""
    name: str
    provider: ProviderId
    upstream_model: str
    """Everything after the first slash; `*` for a wildcard."""
    endpoints: Mapping[Dialect, Endpoint]
    """The dialects this provider speaks, and where."""
    auth: str
    """How the key travels: `bearer`, `x-api-key`, `api-key` or `none` (a provider row's word)."""
    access_key: Secret | None = None
    passthrough_auth: bool = False
    http_host: str | None = None
    """The `Host` to send instead of the endpoint's own."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """Extra request headers, as configured."""
    is_default: bool = False

    @property
    def is_wildcard(self) -> bool:
        return self.upstream_model == "*"
