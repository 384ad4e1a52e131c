"""The prices that a configuration's routes would be ordered by, asked for once, to be shown."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from plano.catalog.catalog import Catalog
from plano.catalog.sources import QuoteSources, quote_sources
from plano.config.load import Configuration
from plano.http1.alarms import Alarms
from plano.http1.dial import client_context
from plano.http1.pool import Pool
from plano.http1.proxies import Proxies
from plano.quotes.board import Board
from plano.quotes.fetch import PoolFetch

PATIENCE_S = 5.0
"""What a person waits for a list."""


def price_list(configuration: Configuration, catalog: Catalog, environment: Mapping[str, str]) -> Board:
    """A board that has asked its source of prices, and asks no more; `environment` is read for proxies."""
    sources = QuoteSources(quote_sources(configuration, catalog).prices)
    ca_path = configuration.upstream_ca_path
    return asyncio.run(_asked(configuration, catalog, sources, ca_path, Proxies.read(environment)))


async def _asked(
    configuration: Configuration,
    catalog: Catalog,
    sources: QuoteSources,
    ca_path: str | None,
    proxies: Proxies,
) -> Board:
    loop = asyncio.get_running_loop()
    alarms = Alarms(loop)
    pool = Pool(
        loop, configuration.client_limits, alarms, tls=lambda: client_context(ca_path), proxies=proxies
    )
    board = Board(catalog, sources, fetch=PoolFetch(pool))
    try:
        await board.refresh(within_s=PATIENCE_S)
    finally:
        await pool.close()
        alarms.close()
    return board
