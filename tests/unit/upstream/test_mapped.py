"""Every way in which the pool can fail is one of ours, and none tells a caller where the upstream stands."""

from __future__ import annotations

from typing import get_args

import pytest

from plano.errors import (
    Overloaded,
    PlanoError,
    ShuttingDown,
    UpstreamBroke,
    UpstreamInvalid,
    UpstreamTimeout,
    UpstreamUnreachable,
)
from plano.http1 import failures
from plano.upstream.client import mapped

WHERE = "10.0.0.7:8443"

OF_CONNECTING: dict[failures.ConnectReason, type[PlanoError]] = {
    "refused": UpstreamUnreachable,
    "unreachable": UpstreamUnreachable,
    "dns": UpstreamUnreachable,
    "tls": UpstreamUnreachable,
    "untrusted": UpstreamUnreachable,
    "proxy": UpstreamUnreachable,
    "timeout": UpstreamTimeout,
    "busy": Overloaded,
    "exhausted": Overloaded,
    "closed": ShuttingDown,
}
OF_ANSWERS: dict[type[failures.Failure], type[PlanoError]] = {
    failures.ResetBeforeHead: UpstreamUnreachable,
    failures.Truncated: UpstreamBroke,
    failures.Garbage: UpstreamInvalid,
    failures.BrokenFraming: UpstreamBroke,
    failures.TooLarge: UpstreamInvalid,
}
OF_TIME = (failures.Silence, failures.Overdue)


def every_failure() -> list[tuple[failures.Failure, type[PlanoError]]]:
    said = f"{WHERE}: something was found"
    found: list[tuple[failures.Failure, type[PlanoError]]] = [
        (failures.ConnectFailed(said, reason=reason), ours) for reason, ours in OF_CONNECTING.items()
    ]
    found += [(leaf(said), ours) for leaf, ours in OF_ANSWERS.items()]
    phases: tuple[failures.Phase, ...] = get_args(failures.Phase)
    found += [(leaf(said, phase=phase), UpstreamTimeout) for leaf in OF_TIME for phase in phases]
    return found


def test_these_are_all_there_are() -> None:
    """A new failure or reason must be given a meaning here before it is given one in production."""
    assert {failures.ConnectFailed, *OF_ANSWERS, *OF_TIME} == set(failures.ALL)
    assert set(OF_CONNECTING) == set(get_args(failures.ConnectReason))


@pytest.mark.parametrize(("failure", "ours"), every_failure())
def test_a_failure_of_the_pool_is_one_of_ours(failure: failures.Failure, ours: type[PlanoError]) -> None:
    """What exhausts this machine is not the provider's fault; addresses are for the log alone."""
    error = mapped(failure)

    assert (type(error), error.detail, error.__cause__) == (ours, failure.message, failure)
    assert (WHERE in error.message, error.message[-1:]) == (False, ".")


def test_only_a_refused_certificate_is_beyond_trying_again() -> None:
    """Everything else may pass; a certificate has to be changed by somebody."""
    lasting = [failure for failure, _ in every_failure() if mapped(failure).is_lasting]

    assert [getattr(failure, "reason", None) for failure in lasting] == ["untrusted"]
