"""What a start says about keys that others could spend."""

from __future__ import annotations

import pytest

from plano.catalog.build import build
from plano.catalog.catalog import Catalog
from plano.cli.exposure import exposure, is_loopback
from plano.config.configuration import Configuration, ProviderRow
from plano.config.secret import Secret


def catalog_of(*models: str, key: str | None = "sk-canary", passthrough: bool = False) -> Catalog:
    secret = None if key is None else Secret(key)
    rows = (
        ProviderRow(model, model, ("model_providers", 0), access_key=secret, passthrough_auth=passthrough)
        for model in models
    )
    return build(Configuration("test", providers=tuple(rows)))


def test_keys_behind_an_open_port_are_warned_of() -> None:
    """The default address is every address of the machine; the bill is the operator's."""
    said = exposure("0.0.0.0", 12000, catalog_of("openai/a", "openai/b", "groq/*"))

    assert said == (
        "callers are not authenticated: whoever reaches 0.0.0.0:12000 can spend the keys of openai, groq; "
        "listen on 127.0.0.1 (--host, or the listener's address), or ask for keys (listeners[].keys)"
    )


def test_a_key_among_the_headers_is_one() -> None:
    """It goes upstream with every caller's request, too."""
    row = ProviderRow("openai/a", "a", ("model_providers", 0), headers={"Authorization": "Bearer canary"})

    said = exposure("10.0.0.1", 1, build(Configuration("test", providers=(row,))))

    assert "the keys of openai; " in str(said)


def test_many_providers_are_counted() -> None:
    """A line that nobody reads to its end warns nobody."""
    names = ("openai/*", "anthropic/*", "gemini/*", "groq/*", "xai/*", "mistral/*", "deepseek/*")

    said = exposure("::", 1, catalog_of(*names))

    assert "[::]:1 can spend the keys of openai, anthropic, gemini, groq, xai and 2 more; " in str(said)


@pytest.mark.parametrize(
    ("address", "catalog"),
    [
        ("127.0.0.1", catalog_of("openai/a")),
        ("0.0.0.0", catalog_of("openai/a", key=None)),
        ("0.0.0.0", catalog_of("openai/a", key=None, passthrough=True)),
        ("0.0.0.0", catalog_of("simulated/a", key=None)),
    ],
    ids=["this machine alone", "no key", "the client's own", "simulated"],
)
def test_nothing_is_said_where_nobody_can_spend_anything(address: str, catalog: Catalog) -> None:
    """A warning that comes always is read never."""
    assert exposure(address, 12000, catalog) is None


@pytest.mark.parametrize(
    ("address", "alone"),
    [
        ("127.0.0.1", True), ("127.8.0.1", True), ("::1", True), ("::ffff:127.0.0.1", True),
        ("0.0.0.0", False), ("::", False), ("10.0.0.1", False), ("fe80::1%eth0", False),
    ],
)  # fmt: skip
def test_only_loopback_addresses_are_this_machines_alone(address: str, alone: bool) -> None:
    """Private networks have other machines in them."""
    assert is_loopback(address) == alone


def test_callers_who_show_keys_are_nothing_to_warn_of() -> None:
    """A warning that is always there is read by nobody."""
    assert exposure("0.0.0.0", 12000, catalog_of("openai/a"), asks_for_keys=True) is None
