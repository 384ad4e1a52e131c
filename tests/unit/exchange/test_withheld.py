"""What of a provider's words is kept from callers: the operator's secrets, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plano.catalog.catalog import Endpoint, Model, Secret
from plano.catalog.names import ModelId, ProviderId
from plano.chat.dialect import Dialect
from plano.exchange.withheld import secrets_of, withheld, withheld_text

KEY = 'sk-a/key+"1234é🌍'


def model(key: str | None = None, query: str = "", **headers: str) -> Model:
    named: Mapping[str, str] = {name.replace("_", "-"): value for name, value in headers.items()}
    return Model(
        id=ModelId("lab/m"),
        name="m",
        provider=ProviderId("lab"),
        upstream_model="m",
        endpoints={Dialect.OPENAI_CHAT: Endpoint("https", "lab.test", 443, "/v1", query)},
        auth="bearer",
        access_key=None if key is None else Secret(key),
        headers=named,
    )


@pytest.mark.parametrize(
    ("asked", "secrets"),
    [
        (model(), ()),
        (model("sk-0123456789"), ("sk-0123456789",)),
        (model("ollama"), ()),
        (model(Authorization="Basic dXNlcjpwYXNz"), ("Basic dXNlcjpwYXNz", "dXNlcjpwYXNz")),
        (model(x_goog_api_key="AIza-012345"), ("AIza-012345",)),
        (model(cookie="a=0123456; b=1"), ("a=0123456; b=1", "a=0123456")),
        (model(x_product="a name of no secrecy"), ()),
        (model(query="api-version=2024-10-21&code_key=abc%2Bdefgh"), ("abc%2Bdefgh", "abc+defgh")),
        (model(query="api_key=abc+defgh"), ("abc defgh", "abc+defgh")),
        (model(query="sig=Zm9vYmFyYmF6cXV4"), ("Zm9vYmFyYmF6cXV4",)),
        (model(query="code=Zm9vYmFyYmF6&zip_code=0123456789"), ("Zm9vYmFyYmF6",)),
        (model(query="user=somebody&pwd=hunter2hunter2"), ("hunter2hunter2",)),
    ],
)
def test_what_a_request_carries_and_only_the_operator_may_know(
    asked: Model, secrets: tuple[str, ...]
) -> None:
    """The key, and of what else is configured that which is named like one; a short word is none."""
    assert sorted(secrets_of(asked)) == sorted(secrets)


@pytest.mark.parametrize("query", ["key=abc%2Bdefghijk%3D%3D", "key=abc+defghijk", "k%65y=abc%2bdefghijk"])
def test_a_secret_of_the_address_is_found_as_it_was_sent(query: str) -> None:
    """Providers and the proxies before them quote the path that they do not know."""
    told = withheld(b"no route POST /v1/chat/completions?" + query.encode(), secrets_of(model(query=query)))

    assert told == b"no route POST /v1/chat/completions?%b=***" % query.partition("=")[0].encode()


@pytest.mark.parametrize("is_ascii", [False, True])
def test_a_key_is_found_in_a_document_however_that_is_written(is_ascii: bool) -> None:
    """Providers escape what they quote."""
    document = json.dumps({"error": {"message": f"no: {KEY}!"}}, ensure_ascii=is_ascii).encode()

    assert withheld(document, (KEY,)) == b'{"error": {"message": "no: ***!"}}'


@pytest.mark.parametrize(
    "quoted", [r"sk-a\/key+\"1234\u00E9\ud83c\uDF0D", r"\u0073k-a/key\u002b\u00221234é🌍"]
)
def test_any_character_may_be_escaped(quoted: str) -> None:
    """JSON has several ways to write each."""
    assert withheld(f'"{quoted}"'.encode(), (KEY,)) == b'"***"'


def test_words_without_the_key_stay_as_they_are() -> None:
    """Byte for byte: an error is the provider's."""
    words = rb'{"error": {"message": "\u00e9 \\ sk-another", "code": null}}  '

    assert withheld(words, (KEY, "sk-0123456789")) == words


@pytest.mark.parametrize(("kept", "told"), [(20, "no: ***"), (8, "no: ***"), (7, "no: sk-0123")])
def test_half_a_key_at_the_end_of_a_text_is_one(kept: int, told: str) -> None:
    """Long messages are cut wherever that falls."""
    secret = "sk-0123456789abcdefghij"

    assert withheld_text("no: " + secret[:kept], (secret,)) == told


@given(
    key=st.text(min_size=8, max_size=40).filter(lambda text: "*" not in text),
    around=st.text(max_size=9),
    is_ascii=st.booleans(),
)
def test_a_document_stays_one_and_holds_no_key(key: str, around: str, is_ascii: bool) -> None:
    """Whatever the key is made of."""
    try:
        key.encode()
        document = json.dumps({"message": around + key + around}, ensure_ascii=is_ascii).encode()
    except UnicodeEncodeError:
        return

    told = json.loads(withheld(document, (key,)))["message"]

    assert key not in told
