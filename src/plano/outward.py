"""The way out: one pool of connections to providers, and who sends through it."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterable, Mapping

from plano.catalog.catalog import Catalog, Endpoint
from plano.config.load import Configuration
from plano.exchange.ports import Upstream
from plano.http1.alarms import Alarms
from plano.http1.dial import client_context
from plano.http1.pool import Pool
from plano.http1.proxies import Proxies
from plano.upstream.client import HttpUpstream, mapped
from plano.upstream.simulated.provider import Simulated


class Outward:
    """Connections to everything that is declared; lives on the event loop that runs when it is made."""

    def __init__(
        self,
        configuration: Configuration,
        catalog: Catalog,
        *,
        alarms: Alarms,
        environment: Mapping[str, str] | None,
        context: ssl.SSLContext | None = None,
    ) -> None:
        """`environment`: where proxy variables are read, None: no proxies; `context`: what `trusted` made,
        None: made here if it is needed."""
        ca_path = configuration.upstream_ca_path
        context = context or trusted(configuration, catalog)
        self.pool = Pool(
            asyncio.get_running_loop(),
            configuration.client_limits,
            alarms,
            tls=lambda: context or client_context(ca_path),
            proxies=Proxies.read(environment or {}),
            told=mapped,
        )
        http = HttpUpstream(self.pool)
        http.prepare(model for model in catalog.models if not model.is_wildcard)
        self.upstreams: Mapping[str, Upstream] = {"http": http, "https": http, "simulated": Simulated()}
        """By the scheme of the endpoint."""

    async def close(self) -> None:
        await self.pool.close()


def trusted(configuration: Configuration, catalog: Catalog) -> ssl.SSLContext | None:
    """TLS for the declared endpoints, if any needs it. Reading the authorities takes tens of milliseconds, so
    that is not left to the first request; any thread. Raises OSError where they cannot be read."""
    return client_context(configuration.upstream_ca_path) if _needs_tls(catalog) else None


def _needs_tls(catalog: Catalog) -> bool:
    return any(endpoint.scheme == "https" for endpoint in _endpoints(catalog))


def _endpoints(catalog: Catalog) -> Iterable[Endpoint]:
    return (endpoint for model in catalog.models for endpoint in model.endpoints.values())
