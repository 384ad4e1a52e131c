"""The url of Redis: every form that people write, and no word of a password in any message."""

from __future__ import annotations

import traceback

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plano.redis_url import (
    Address,
    AddressInvalid,
    Cluster,
    Endpoint,
    Sentinels,
    Socket,
    Tls,
    parse_address,
)


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("redis://localhost", Address(Endpoint("localhost", 6379))),
        ("redis://:pw@10.0.0.1:6380/3", Address(Endpoint("10.0.0.1", 6380), 3, None, "pw")),
        ("redis://u:p%40%2F%23w@h/", Address(Endpoint("h", 6379), 0, "u", "p@/#w")),
        ("redis://[::1]:7/1", Address(Endpoint("::1", 7), 1)),
        ("redis://h?db=4", Address(Endpoint("h", 6379), 4)),
        ("redis://h?protocol=resp3", Address(Endpoint("h", 6379))),
        ("rediss://h", Address(Endpoint("h", 6379), tls=Tls())),
        ("rediss://h?ssl_ca_certs=/ca.pem", Address(Endpoint("h", 6379), tls=Tls("/ca.pem"))),
        ("rediss://h?ssl_check_hostname=false", Address(Endpoint("h", 6379), tls=Tls(checks_host=False))),
        (
            "rediss://h?ssl_cert_reqs=none",
            Address(Endpoint("h", 6379), tls=Tls(is_verified=False, checks_host=False)),
        ),
        ("unix:///run/redis.sock?db=2", Address(Socket("/run/redis.sock"), 2)),
        ("redis+unix:///r%20s.sock?user=u&pass=p", Address(Socket("/r s.sock"), 0, "u", "p")),
        (
            "redis+sentinel://:pw@a,b:1/mymaster/2?sentinel_password=other",
            Address(
                Sentinels((Endpoint("a", 26379), Endpoint("b", 1)), "mymaster", None, "other"), 2, None, "pw"
            ),
        ),
        (
            "rediss+cluster://a,b:7001",
            Address(Cluster((Endpoint("a", 6379), Endpoint("b", 7001))), tls=Tls()),
        ),
    ],
)
def test_urls_are_read(url: str, address: Address) -> None:
    """The standard forms, redis-py's, the original's, and two for what has no standard."""
    assert parse_address(url) == address


@pytest.mark.parametrize(
    ("url", "found"),
    [
        ("http://h", "unknown scheme"),
        ("rediss+unix:///r.sock", "unknown scheme"),
        ("redis://", "expected a host"),
        ("redis://h:99999", "a host or port cannot be read"),
        ("redis://h:port", "a host or port cannot be read"),
        ("redis://[::1", "the url cannot be read"),
        ("redis://u:p#w@h", "nothing may follow a '#'"),
        ("redis://h/mymaster", "the database is no number"),
        ("redis://h/-1", "the database is no number"),
        ("redis://a,b", "several hosts"),
        ("redis://h?socket_timeout=5", "unknown option"),
        ("redis://h?db", "what follows '?' cannot be read"),
        ("rediss://h?ssl_cert_reqs=optional", "ssl_cert_reqs: expected"),
        ("redis+sentinel://h", "expected a service"),
        ("redis+cluster://h/1", "a cluster has the database 0 alone"),
        ("unix://", "expected a path"),
    ],
)
def test_a_url_that_leads_nowhere_is_refused_with_what_was_expected(url: str, found: str) -> None:
    """Found at the start, not by a gateway that never has affinity."""
    with pytest.raises(AddressInvalid, match=f"^{found.replace('?', '[?]')}"):
        parse_address(url)


@given(
    st.sampled_from(["redis", "rediss", "redis+sentinel", "redis+cluster", "unix", "nonsense"]),
    st.sampled_from([":", "@", "/", "#", "?", ",", "[", "%", "=", "&", ""]),
    st.sampled_from([":", "@", "/", "#", "?", ",", "[", "%", "=", "&", ""]),
)
def test_no_message_and_no_repr_holds_a_password(scheme: str, before: str, after: str) -> None:
    """A special character that is not escaped puts it anywhere in the url."""
    known_as = "?sentinel_password=hunter2" if "sentinel" in scheme else ""
    url = f"{scheme}://user:{before}hunter2{after}@host:6379/0{known_as}"

    try:
        shown = repr(parse_address(url))
    except AddressInvalid as fault:
        shown = "".join(traceback.format_exception(fault))

    assert "hunter2" not in shown
