"""A configuration in one form, whichever form it was written in.

Names are not linked yet: what they lead to is the catalog's business. Every part remembers where
it was written, so that what the catalog finds wrong has a place too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from plano.config.document import Document
from plano.config.limits import client_limits, server_limits
from plano.config.problems import KeyPath, Problem, spell
from plano.config.schema import Capabilities, CostSource, LatencySource, Overrides, PromptCaching, Routing
from plano.config.secret import Secret
from plano.http1.limits import ClientLimits, ServerLimits

FilePath = Path
"""For who must not import the file system itself."""

DEFAULT_ADDRESS = "0.0.0.0"  # noqa: S104 - the original's default, which deployments rely on
DEFAULT_PORT = 12000
DEFAULT_TIMEOUT_S = 300.0


@dataclass(frozen=True, slots=True)
class KeyRow:
    """One entry of a listener's `keys`."""

    name: str
    digest: bytes
    """SHA-256 of the key."""
    path: KeyPath
    owner: str | None = None
    models: tuple[str, ...] | None = None
    """As written; None: all."""
    paths: tuple[KeyPath, ...] = ()
    """Where each of the models is written."""
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    max_concurrent: int | None = None
    max_usd_per_day: float | None = None


@dataclass(frozen=True, slots=True)
class Listener:
    """The one listener that serves models."""

    name: str = "model_listener"
    address: str = DEFAULT_ADDRESS
    port: int = DEFAULT_PORT
    """0 takes any free one."""
    timeout_s: float = DEFAULT_TIMEOUT_S
    """The whole exchange."""
    limits: Mapping[str, float | int] = field(default_factory=dict)
    """Limits that were given, under their names in the file; seconds, bytes and counts."""
    max_retries: int | None = None
    keys: tuple[KeyRow, ...] | None = None
    """Who may ask; None: anybody."""


@dataclass(frozen=True, slots=True)
class NameAt:
    """A model's name that the file refers to, and where."""

    name: str
    path: KeyPath


@dataclass(frozen=True, slots=True)
class ProviderRow:
    """One entry of `model_providers`."""

    model: str
    name: str
    path: KeyPath
    access_key: Secret | None = None
    is_default: bool = False
    base_url: str | None = None
    passthrough_auth: bool = False
    http_host: str | None = None
    provider_interface: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    fallbacks: tuple[NameAt, ...] = ()
    capabilities: Capabilities | None = None


@dataclass(frozen=True, slots=True)
class RouteRow:
    """A routing preference, wherever it was written."""

    name: str
    description: str
    models: tuple[str, ...]
    paths: tuple[KeyPath, ...]
    """Where each of the models is written."""
    path: KeyPath
    prefer: Literal["cheapest", "fastest", "none"] = "none"
    examples: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Configuration:
    """Everything that was configured."""

    source: str
    """The file, as it was named; `environment` without one."""
    warnings: tuple[str, ...] = ()
    listener: Listener = Listener()
    providers: tuple[ProviderRow, ...] = ()
    aliases: Mapping[str, str] = field(default_factory=dict)
    """Alias to target, both as written."""
    alias_fallbacks: Mapping[str, tuple[NameAt, ...]] = field(default_factory=dict)
    """Of those aliases that have fallbacks of their own, or say that they have none."""
    routes: tuple[RouteRow, ...] = ()
    routing: Routing = field(default_factory=Routing)
    overrides: Overrides = field(default_factory=Overrides)
    prompt_caching: PromptCaching = field(default_factory=PromptCaching)
    metrics_sources: tuple[CostSource | LatencySource, ...] = ()
    router_prompt: str | None = field(default=None, repr=False)
    """What the file says that `routing.router_prompt` names: `{routes}` and `{conversation}` once each."""
    document: Document = field(default_factory=Document, repr=False, compare=False)

    @property
    def server_limits(self) -> ServerLimits:
        return server_limits(self.listener.limits)

    @property
    def client_limits(self) -> ClientLimits:
        return client_limits(
            self.listener.limits,
            timeout_s=self.listener.timeout_s,
            connect_s=self.overrides.upstream_connect_timeout,
        )

    @property
    def upstream_ca_path(self) -> str | None:
        """The authorities to trust instead of the system's; a relative path is beside the file."""
        written = self.overrides.upstream_tls_ca_path
        return None if written is None else str(FilePath(self.source).parent / written)

    @property
    def session_log_path(self) -> str | None:
        """Where each request's session facts are appended; a relative path is beside the file."""
        written = self.routing.session_log
        return None if written is None else str(FilePath(self.source).parent / written)

    @property
    def cost_source(self) -> CostSource | None:
        return next((source for source in self.metrics_sources if isinstance(source, CostSource)), None)

    @property
    def latency_source(self) -> LatencySource | None:
        return next((source for source in self.metrics_sources if isinstance(source, LatencySource)), None)

    def is_written(self, path: KeyPath) -> bool:
        """Whether the file has a value there, be it one that could not be used."""
        return path in self.document.places

    def problem(self, path: KeyPath, message: str, *, at_key: bool = False) -> Problem:
        """A problem with the value at `path`, or with its key."""
        place = self.document.place_of_key(path) if at_key else self.document.place_of(path)
        return Problem(self.source, place, spell(path), self.document.conceal(message))

    def note(self, path: KeyPath, message: str, *, at_key: bool = False) -> str:
        """A warning about the value at `path`, worded as a problem is."""
        return str(self.problem(path, message, at_key=at_key))
