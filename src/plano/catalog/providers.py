"""The known providers, as rows, and where a base URL leads to in each dialect."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pkgutil import get_data
from typing import Any, Final
from urllib.parse import SplitResult, parse_qsl, quote, urlsplit

import yaml

from plano.catalog.catalog import MODEL_IN_PATH, Endpoint
from plano.chat.dialect import Dialect

SIMULATED: Final = "simulated"
"""The provider that lives in this process."""
DEFAULT_PREFIX: Final = "/v1"
PROMPT_CACHE_S: Final = 300.0
"""How long a prompt cache is believed to last where its provider says nothing: the shortest that any
documents. To believe in a cache that is gone would keep sessions on a model for nothing."""
_PORTS: Final = {"http": 80, "https": 443, SIMULATED: 0}
_PACE: Final[Mapping[str, float]] = {"first_token_ms": 600_000, "tokens_per_s": 1_000_000, "tokens": 100_000}
"""What sets the pace of simulated models, and the most each may be."""


class UnusableUrl(ValueError):
    """A base URL that leads nowhere; the text is what was expected, never the URL."""


@dataclass(frozen=True, slots=True)
class Spoken:
    """One dialect of one provider."""

    path: str
    """After the prefix; `{model}` stands for the model."""
    auth: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Provider:
    """One row of the table; its file says what each column means."""

    id: str
    dialects: Mapping[Dialect, Spoken]
    base_url: str | None = None
    auth: str = "bearer"
    path: str = DEFAULT_PREFIX
    hosts: Mapping[str, str] = field(default_factory=dict)
    query: str = ""
    passthrough: bool = False
    prices: str | None = None
    models_dev: str | None = None
    prompt_cache_s: float = PROMPT_CACHE_S
    shortens_prompts: bool = False


@cache
def known_providers() -> Mapping[str, Provider]:
    """The table that comes with the package."""
    text = get_data(__name__, "providers.yaml")  # importlib.resources costs ten times the import
    rows = yaml.load(text or b"", Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506 - a safe loader
    return {name: _provider(name, row) for name, row in rows.items()}


def prompt_cache_s(model: str) -> float:
    """For how many seconds after its last use the provider of `<provider>/<model id>` keeps a prompt."""
    row = known_providers().get(model.partition("/")[0])
    return PROMPT_CACHE_S if row is None else row.prompt_cache_s


def _provider(name: str, row: Mapping[str, Any]) -> Provider:
    dialects = {Dialect(dialect): _spoken(spoken) for dialect, spoken in row["dialects"].items()}
    return Provider(name, dialects, **{column: row[column] for column in row if column != "dialects"})


def _spoken(row: str | Mapping[str, Any]) -> Spoken:
    return Spoken(row) if isinstance(row, str) else Spoken(**row)


def custom_provider(name: str, interface: str) -> Provider:
    """A provider that only the configuration knows, by what it says it speaks."""
    like = "anthropic" if interface == "claude" else interface
    row = known_providers()[like]
    dialects = dict(row.dialects)
    if like not in ("openai", "anthropic"):
        dialects = {Dialect.OPENAI_CHAT: Spoken("/chat/completions")}
    return Provider(name, dialects, auth=row.auth)


def endpoints(provider: Provider, base_url: str | None, model: str) -> dict[Dialect, Endpoint]:
    """Where each dialect of `provider` is. A `*` in `model` leaves `{model}` for later.

    Raises UnusableUrl for a base URL that is not one.
    """
    url = _split(provider, base_url or provider.base_url or "")
    prefix = _prefix(provider, url)
    filled = MODEL_IN_PATH if "*" in model else quote(model, safe="")
    return {
        dialect: Endpoint(
            url.scheme,
            url.hostname or "",
            _PORTS[url.scheme] if url.port is None else url.port,
            prefix + spoken.path.replace(MODEL_IN_PATH, filled),
            url.query or provider.query,
            spoken.auth,
            spoken.headers,
        )
        for dialect, spoken in provider.dialects.items()
    }


def _prefix(provider: Provider, url: SplitResult) -> str:
    """A path of its own; else what the provider means at that host; else `/v1`."""
    path = url.path.rstrip("/")
    if path or url.scheme == SIMULATED:
        return path or DEFAULT_PREFIX
    host = url.hostname or ""
    own = urlsplit(provider.base_url or "")
    if own.hostname == host:
        return own.path
    below = (prefix for suffix, prefix in provider.hosts.items() if f".{host}".endswith(f".{suffix}"))
    return next(below, provider.path)


def _split(provider: Provider, text: str) -> SplitResult:
    scheme = SIMULATED if provider.id == SIMULATED else None
    wanted = "simulated://local" if scheme else "an http:// or https:// address"
    try:
        url = urlsplit(text)
        port = url.port
    except ValueError as error:
        raise UnusableUrl(f"expected {wanted}; got something that is not an address") from error
    if url.scheme not in ((scheme,) if scheme else ("http", "https")):
        raise UnusableUrl(f"expected {wanted}; got another scheme or none")
    if not url.hostname or port == 0 or not text.isascii() or not text.isprintable() or " " in text:
        raise UnusableUrl(f"expected {wanted}; got one without a usable host and port")
    if url.username is not None or url.password is not None:
        raise UnusableUrl("expected an address without a user or password: write the key as access_key")
    if url.fragment or "{" in url.path:
        raise UnusableUrl(f"expected {wanted}; got one with a '#' or '{{' in it")
    if scheme:
        _check_pace(url.query)
    return url


def _check_pace(query: str) -> None:
    for key, text in parse_qsl(query, keep_blank_values=True):
        if key not in _PACE:
            raise UnusableUrl(f"expected {', '.join(_PACE)} after '?'; got {key[:40]!r}")
        try:
            number = float(text)
        except ValueError:
            number = -1.0
        if not 0 <= number <= _PACE[key]:
            raise UnusableUrl(f"expected {key} from 0 to {_PACE[key]:g}; got {text[:40]!r}")
