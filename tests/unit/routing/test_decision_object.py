"""A decision for programs: the shape of the contract, and a field that fits into a head."""

from __future__ import annotations

import json

import pytest

from plano.catalog.names import RouteName
from plano.routing.decision import Candidate, Decision, Reason
from plano.routing.decision_object import decision_object, trace_id_of
from tests.unit.routing.test_preference import LARGE, SMALL

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
DECISION = Decision(
    tuple(Candidate(each, each.upstream_model, each.id) for each in (LARGE, SMALL)),
    "preference",
    (
        Reason("explicit", "abstained", "no model named"),
        Reason(
            "preference",
            "chose",
            "fits",
            RouteName("Übersetzen"),
            0.812345,
            0.2,
            "embedded",
            elapsed_ms=1.23456,
        ),
    ),
    RouteName("Übersetzen"),
    session_id="s",
    is_pinned=True,
)


def test_the_object_has_the_contracts_keys_in_its_order() -> None:
    """Programs of others read it."""
    rendered = decision_object(DECISION, trace_id=TRACE, elapsed_ms=1.4).as_json()

    assert json.loads(rendered) == {
        "models": ["openai/large", "openai/small"],
        "route": "Übersetzen",
        "trace_id": TRACE,
        "session_id": "s",
        "pinned": True,
        "switched": False,
        "decision": "preference",
        "reasons": [
            {"step": "explicit", "outcome": "abstained", "because": "no model named", "elapsed_ms": 0.0},
            {
                "step": "preference",
                "outcome": "chose",
                "because": "fits",
                "route": "Übersetzen",
                "score": 0.8123,
                "margin": 0.2,
                "router": "embedded",
                "elapsed_ms": 1.235,
            },
        ],
        "elapsed_ms": 1.4,
    }
    assert list(json.loads(rendered))[:4] == ["models", "route", "trace_id", "session_id"]


def test_nobody_is_called_none() -> None:
    """As the original says it."""
    nobody = decision_object(Decision((), None, ()), trace_id=TRACE, elapsed_ms=0.0)

    assert (nobody.models, nobody.route, nobody.decision) == (("none",), None, None)


def test_the_field_is_visible_ascii_and_the_same_object() -> None:
    """A header field carries nothing else."""
    rendered = decision_object(DECISION, trace_id=TRACE, elapsed_ms=1.4)

    field = rendered.as_field()

    assert all(0x20 <= byte < 0x7F for byte in field)
    assert json.loads(field) == json.loads(rendered.as_json())


@pytest.mark.parametrize(
    ("parent", "trace"),
    [
        pytest.param(f"00-{TRACE}-00f067aa0ba902b7-01", TRACE, id="valid"),
        pytest.param(f"01-{TRACE}-00f067aa0ba902b7-01-more", TRACE, id="a later version may have more"),
        pytest.param(f"00-{TRACE}-00f067aa0ba902b7-01-more", None, id="version 00 may not"),
        pytest.param(f"ff-{TRACE}-00f067aa0ba902b7-01", None, id="version ff is none"),
        pytest.param(f"00-{'0' * 32}-00f067aa0ba902b7-01", None, id="all zeros"),
        pytest.param(f"00-{TRACE.upper()}-00f067aa0ba902b7-01", None, id="upper case"),
        pytest.param(f"00-{TRACE[:-1]}-00f067aa0ba902b7-01", None, id="too short"),
        pytest.param("", None, id="empty"),
    ],
)
def test_the_trace_is_the_callers_when_it_has_one(parent: str, trace: str | None) -> None:
    """W3C Trace Context §3.2."""
    assert trace_id_of({b"traceparent": parent.encode()}) == trace
