"""Which proxy stands before which origin: a table, read as curl reads it."""

from __future__ import annotations

from base64 import b64encode

import pytest

from plano.http1.failures import ConnectFailed
from plano.http1.origin import Origin
from plano.http1.pool import absolute_form
from plano.http1.proxies import Proxies, Proxy

PLAIN = Origin("http", "api.example.com", 80)
SECURE = Origin("https", "api.example.com", 443)
A, B = "http://a:3128", "http://b:3128"


@pytest.mark.parametrize(
    ("environment", "before_plain", "before_secure"),
    [
        pytest.param({}, None, None, id="nothing"),
        pytest.param({"http_proxy": A}, "a", None, id="plain only"),
        pytest.param({"HTTPS_PROXY": A}, None, "a", id="TLS only"),
        pytest.param({"http_proxy": A, "https_proxy": B}, "a", "b", id="one each"),
        pytest.param({"ALL_PROXY": A}, "a", "a", id="all"),
        pytest.param({"ALL_PROXY": A, "https_proxy": B}, "a", "b", id="the special one wins"),
        pytest.param({"HTTP_PROXY": A, "http_proxy": B}, "b", None, id="lower case wins"),
        pytest.param({"ALL_PROXY": A, "http_proxy": ""}, None, "a", id="set to nothing: none"),
        pytest.param(
            {"HTTP_PROXY": A, "REQUEST_METHOD": "GET"}, None, None, id="httpoxy: a request's own field"
        ),
        pytest.param(
            {"http_proxy": A, "REQUEST_METHOD": "GET"}, "a", None, id="in lower case it cannot be one"
        ),
        pytest.param({"ALL_PROXY": A, "no_proxy": "example.com"}, None, None, id="exempt"),
    ],
)
def test_the_environment_names_a_proxy(
    environment: dict[str, str], before_plain: str | None, before_secure: str | None
) -> None:
    proxies = Proxies.read(environment)

    found = [proxies.before(origin) for origin in (PLAIN, SECURE)]

    assert [proxy and proxy.host for proxy in found] == [before_plain, before_secure]


@pytest.mark.parametrize(
    ("no_proxy", "host", "port", "is_exempt"),
    [
        ("", "api.example.com", 443, False),
        ("*", "api.example.com", 443, True),
        ("api.example.com", "api.example.com", 443, True),
        ("API.Example.COM", "api.example.com", 443, True),
        ("api.example.com", "API.EXAMPLE.COM.", 443, True),
        ("example.com", "api.example.com", 443, True),
        (".example.com", "api.example.com", 443, True),
        (".example.com", "example.com", 443, True),
        ("*.example.com", "api.example.com", 443, True),
        ("ample.com", "api.example.com", 443, False),
        ("api.example.com", "example.com", 443, False),
        ("example.com:443", "api.example.com", 443, True),
        ("example.com:8443", "api.example.com", 443, False),
        ("a.test, example.com", "example.com", 80, True),
        ("a.test example.com", "example.com", 80, True),
        ("10.0.0.1", "10.0.0.1", 80, True),
        ("10.0.0.0/8", "10.20.30.40", 80, True),
        ("10.0.0.0/8", "11.0.0.1", 80, False),
        ("10.20.30.40/8", "10.1.1.1", 80, True),
        ("10.0.0.0/8:8080", "10.1.1.1", 80, False),
        ("10.0.0.0/8", "10.example.com", 80, False),
        ("::1", "::1", 80, True),
        ("[::1]", "::1", 80, True),
        ("[::1]:8080", "::1", 8080, True),
        ("[::1]:8080", "::1", 80, False),
        ("fd00::/8", "fd12::1", 80, True),
        ("localhost", "127.0.0.1", 80, False),
        ("127.0.0.1", "localhost", 80, False),
        ("a.test", "localhost", 80, False),
        ("0.0.0.0/0", "fd12::1", 80, False),
        (".", "example.com", 80, False),
        ("not/a/network", "example.com", 80, False),
    ],
)
def test_no_proxy_exempts(no_proxy: str, host: str, port: int, is_exempt: bool) -> None:
    """Hosts and what is beneath them, networks, ports; the local machine only where it is listed."""
    proxies = Proxies.read({"all_proxy": A, "no_proxy": no_proxy})

    assert (proxies.before(Origin("http", host, port)) is None) == is_exempt


@pytest.mark.parametrize(
    ("url", "proxy"),
    [
        ("http://proxy.test:3128", Proxy("proxy.test", 3128)),
        ("proxy.test:3128", Proxy("proxy.test", 3128)),
        ("http://proxy.test", Proxy("proxy.test", 80)),
        ("http://[::1]:3128/", Proxy("::1", 3128)),
        ("http://u%40x:p%3A%20@proxy.test", Proxy("proxy.test", 80, b"Basic " + b64encode(b"u@x:p: "))),
        ("http://token@proxy.test", Proxy("proxy.test", 80, b"Basic " + b64encode(b"token:"))),
    ],
)
def test_a_proxy_is_read_from_its_url(url: str, proxy: Proxy) -> None:
    assert Proxies.read({"http_proxy": url}).before(PLAIN) == proxy


@pytest.mark.parametrize(
    "url",
    [
        "socks5://user:s3cret@proxy.test:1080",
        "https://user:s3cret@proxy.test",
        "http://user:s3cret@proxy.test:99999",
        "http://user:s3cret@:3128",
        "http://user:s3cret@[proxy",
    ],
)
def test_a_proxy_that_is_not_spoken_is_reported_without_its_password(url: str) -> None:
    with pytest.raises(ConnectFailed, match="expected http://") as caught:
        Proxies.read({"all_proxy": url}).before(SECURE)

    assert (caught.value.reason, "s3cret" in caught.value.message) == ("proxy", False)


def test_a_proxys_password_is_not_in_its_repr() -> None:
    """Values end up in tracebacks and debug logs."""
    proxy = Proxies.read({"http_proxy": "http://user:s3cret@proxy.test"}).before(PLAIN)

    assert repr(proxy) == "Proxy(host='proxy.test', port=80)"


@pytest.mark.parametrize(
    ("origin", "authority"),
    [
        (Origin("http", "example.com", 80), b"example.com"),
        (Origin("http", "example.com", 8080), b"example.com:8080"),
        (Origin("http", "::1", 8080), b"[::1]:8080"),
        (Origin("http", "bücher.example", 8080), b"xn--bcher-kva.example:8080"),
    ],
)
def test_a_proxy_reads_requests_in_absolute_form(origin: Origin, authority: bytes) -> None:
    """Only it sees its credentials; the origin's own fields follow unchanged."""
    head = b"POST /v1/messages?beta=true HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n"

    rewritten = absolute_form(head, origin, Proxy("p", 80, b"Basic eA=="))

    assert rewritten == (
        b"POST http://%b/v1/messages?beta=true HTTP/1.1\r\n"
        b"Proxy-Authorization: Basic eA==\r\nHost: a\r\nContent-Length: 2\r\n\r\n" % authority
    )
