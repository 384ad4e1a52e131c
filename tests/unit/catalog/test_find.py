"""Which model a name means."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plano.catalog.build import build
from plano.catalog.catalog import MOST_REMEMBERED, Catalog, Found, Missing
from plano.config.configuration import Configuration, ProviderRow


def row(
    model: str, name: str | None = None, base_url: str | None = None, interface: str | None = None
) -> ProviderRow:
    return ProviderRow(
        model, name or model, ("model_providers", 0), base_url=base_url, provider_interface=interface
    )


def catalog_of(*rows: ProviderRow, **aliases: str) -> Catalog:
    return build(Configuration("test", providers=rows, aliases=aliases))


CATALOG = build(
    Configuration(
        "test",
        providers=(
            row("openai/gpt-4o"),
            row("openai/o3", name="thinker"),
            row("openai/gpt-oss-120b"),
            row("groq/gpt-oss-120b"),
            row("together_ai/meta-llama/Llama-3.3-70B"),
            row("anthropic/*"),
            row("openrouter/*"),
            row("openrouter/google/*", name="google"),
        ),
        aliases={
            "fast": "gpt-4o",
            "member": "anthropic/claude-haiku-4-5",
            "gpt-oss-120b": "groq/gpt-oss-120b",
        },
    )
)

MEANT = [
    pytest.param("thinker", "openai/o3", "o3", "name", id="its own name"),
    pytest.param("openai/gpt-4o", "openai/gpt-4o", "gpt-4o", "name", id="its name by default"),
    pytest.param("openai/o3", "openai/o3", "o3", "full", id="in full, named otherwise"),
    pytest.param("gpt-4o", "openai/gpt-4o", "gpt-4o", "bare", id="bare"),
    pytest.param(
        "meta-llama/Llama-3.3-70B",
        "together_ai/meta-llama/Llama-3.3-70B",
        "meta-llama/Llama-3.3-70B",
        "bare",
        id="bare, with a slash",
    ),
    pytest.param("fast", "openai/gpt-4o", "gpt-4o", "alias", id="alias"),
    pytest.param("member", "anthropic/claude-haiku-4-5", "claude-haiku-4-5", "alias", id="alias of a member"),
    pytest.param("gpt-oss-120b", "groq/gpt-oss-120b", "gpt-oss-120b", "alias", id="alias settles a doubt"),
    pytest.param(
        "anthropic/claude-opus-4-1", "anthropic/claude-opus-4-1", "claude-opus-4-1", "wildcard", id="member"
    ),
    pytest.param(
        "openrouter/openai/gpt-5",
        "openrouter/openai/gpt-5",
        "openai/gpt-5",
        "wildcard",
        id="member, with a slash",
    ),
]


@pytest.mark.parametrize(("requested", "full", "upstream", "by"), MEANT)
def test_a_name_means_one_model(requested: str, full: str, upstream: str, by: str) -> None:
    """Clients call models in all of these ways."""
    found = CATALOG.find(requested)

    assert isinstance(found, Found)
    assert (found.id, found.upstream_model, found.by) == (full, upstream, by)


def test_the_closest_wildcard_takes_a_member() -> None:
    """Who declares a part of a provider means it to be used for that part."""
    found = CATALOG.find("openrouter/google/gemini-2.5-pro")

    assert isinstance(found, Found)
    assert (found.model.name, found.upstream_model) == ("google", "google/gemini-2.5-pro")


NOBODYS = [
    "", "/", "*", "gpt-5", "FAST", "google", "claude-opus-4-1", "anthropic/", "anthropic/*",
    "openrouter/google/*", "anthropic/a b", "anthropic/a\r\nx-evil: 1", "anthropic/é",
    "anthropic/" + "x" * 300, "anthropic/..", "anthropic/.", "anthropic/a/../b", "anthropic/../x",
]  # fmt: skip


@pytest.mark.parametrize("requested", NOBODYS)
def test_what_nobody_is_called_is_missing(requested: str) -> None:
    """A member's name goes into header fields and to the provider, so it has to be one."""
    assert isinstance(CATALOG.find(requested), Missing)


def test_near_names_are_told() -> None:
    """The usual mistake is a letter."""
    found = CATALOG.find("gpt-4p")

    assert isinstance(found, Missing)
    assert found.near[0] == "gpt-4o"


def test_names_nobody_has_are_remembered_up_to_a_bound() -> None:
    """Clients repeat their mistakes; and a client may make any number of them."""
    catalog = catalog_of(row("openai/gpt-4o"))

    for number in range(2 * MOST_REMEMBERED):
        catalog.find(f"gpt-{number}")

    assert len(catalog._missing) <= MOST_REMEMBERED
    assert catalog.find("gpt-4p") is catalog.find("gpt-4p")


def test_a_bare_id_of_several_is_nobodys_and_says_whose() -> None:
    """Choosing one would bill the wrong account half of the time."""
    catalog = catalog_of(row("openai/gpt-oss-120b"), row("groq/gpt-oss-120b"))

    assert catalog.find("gpt-oss-120b") == Missing(ambiguous=("openai/gpt-oss-120b", "groq/gpt-oss-120b"))


def test_two_entries_of_one_model_are_told_apart_by_name() -> None:
    """One model at two addresses, say."""
    catalog = catalog_of(row("openai/o3", name="east"), row("openai/o3", name="west"))

    assert catalog.find("openai/o3") == Missing(ambiguous=("east", "west"))


def test_a_name_comes_before_an_id() -> None:
    """Who names an entry like another one's id means the name."""
    catalog = catalog_of(row("openai/o3", name="gpt-4o"), row("openai/gpt-4o"))

    found = catalog.find("gpt-4o")
    assert isinstance(found, Found)
    assert found.id == "openai/o3"


def test_the_star_catches_every_other_name() -> None:
    """Coding agents send whatever model names they like."""
    catalog = catalog_of(row("openai/o3"), row("anthropic/*"), **{"*": "o3"})

    found = [catalog.find(name) for name in ("o3", "anthropic/x", "gpt-99", "*")]
    assert [answer.by for answer in found if isinstance(answer, Found)] == [
        "bare",
        "wildcard",
        "catch_all",
        "catch_all",
    ]


def test_azure_members_have_their_own_path() -> None:
    """There a model is a deployment with a path."""
    catalog = catalog_of(row("azure_openai/*", base_url="https://x.openai.azure.com"))

    found = catalog.find("azure_openai/my/4o")
    assert isinstance(found, Found)
    assert [endpoint.path for endpoint in found.model.endpoints.values()] == [
        "/openai/deployments/my%2F4o/chat/completions"
    ]


def test_members_are_remembered_up_to_a_bound() -> None:
    """A client may invent any number of them."""
    catalog = catalog_of(row("openai/*"))

    for number in range(3 * MOST_REMEMBERED):
        catalog.find(f"openai/{number}")

    assert len(catalog._remembered) <= MOST_REMEMBERED
    assert catalog.find("openai/7") is catalog.find("openai/7")


@given(st.text(max_size=40) | st.text(alphabet="openai/*gptro-4 \n", max_size=20))
def test_any_text_is_found_or_missing(requested: str) -> None:
    """The name comes from the client, and its answer goes into header fields."""
    found = CATALOG.find(requested)

    assert isinstance(found, Missing) or (
        found.id.isascii() and found.id.isprintable() and " " not in found.id
    )
