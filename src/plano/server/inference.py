"""The three proxied paths: a request as it came, turned into an exchange."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping, Sequence
from functools import partial
from typing import Any

import msgspec

from plano.catalog.gateway_keys import GatewayKey
from plano.chat.dialect import Dialect
from plano.errors import InvalidAffinityId, InvalidRequest, PlanoError, UnsupportedEncoding
from plano.exchange.ask import Ask, Telling
from plano.exchange.errand import Errand
from plano.exchange.exchange import Exchange
from plano.exchange.record import ExchangeRecord
from plano.exchange.sessions import Claim
from plano.http1.reply import Reply
from plano.http1.request import Request
from plano.keys.gate import Gate
from plano.routing.affinity import LONGEST_ID, is_session_id, is_tenant
from plano.routing.budget import read_pct
from plano.routing.decision_object import trace_id_of
from plano.server.problems import AFFINITY

TRACE = b"traceparent"
TRACE_STATE = b"tracestate"
FORWARDED = frozenset(
    (
        b"anthropic-beta",
        b"anthropic-version",
        b"idempotency-key",
        b"openai-beta",
        TRACE,
        TRACE_STATE,
    )
)
"""Client headers that travel on, byte for byte."""
CREDENTIALS = (b"authorization", b"x-api-key", b"api-key")
"""Where clients keep their key; forwarded only to models with `passthrough_auth`."""
CACHE = b"x-plano-cache"
"""`off`: the session is not to be known by how it began."""
SPEND = b"x-plano-max-switch-spend-pct"
DEBUG = b"x-plano-debug"


class Sessions(msgspec.Struct, frozen=True):
    """What of a head tells sessions apart, as configured."""

    tenant_header: bytes | None = None
    """In lower case; None: there are no tenants."""
    are_implicit: bool = False
    """Whether there are sessions that nobody named."""

    def claim(self, request: Request, owner: str | None = None) -> Claim | None:
        """What the head says of its session; None: the request stands alone. Raises InvalidAffinityId.
        `owner`: of the key it came with, who is its tenant then."""
        fields = request.fields
        named, pct = fields.get(AFFINITY), _spend(fields.get(SPEND))
        if named is not None:
            _check_affinity(named, doubled=AFFINITY in request.repeated)
            return Claim(named.decode("ascii"), owner or self._tenant(request), pct)
        if fields.get(CACHE, b"").lower() == b"off" or not (self.are_implicit or pct is not None):
            return None
        return Claim(None, owner or self._tenant(request), pct)

    def _tenant(self, request: Request) -> str | None:
        """Nothing is guessed about whose session it is: another's answer might come of it."""
        header = self.tenant_header
        if header is None:
            return None
        tenant = request.fields.get(header, b"").decode("latin-1")
        if header in request.repeated or not (tenant == "" or is_tenant(tenant)):
            raise InvalidAffinityId(
                f"{header.decode('ascii')} says whose session this is; expected one value of 1 to "
                f"{LONGEST_ID} visible ASCII characters."
            )
        return tenant


class Facts(msgspec.Struct, frozen=True):
    """What an exchange gets to know of a head."""

    forwarded: Sequence[tuple[bytes, bytes]]
    credential: Callable[[], Sequence[tuple[bytes, bytes]]]
    claim: Claim | None
    """What it says of the session."""
    is_debugged: bool
    """The decision is to be told in full, beside the answer."""
    read_for: Sessions
    """Who has read it: what another configuration has read of the same head does not hold."""
    key: GatewayKey | None
    """The key it came with; None: nobody asks for one."""


class Inference:
    """One proxied path, or the decision endpoint beside it: the same, stopped before anything is sent."""

    def __init__(
        self,
        dialect: Dialect,
        exchange: Exchange,
        record_of: Callable[[Request], ExchangeRecord],
        new_id: Callable[[], str],
        sessions: Sessions,
        *,
        gate: Gate | None = None,
        only_decides: bool = False,
    ) -> None:
        """`new_id` gives 32 hex digits; `gate`: None where anybody may ask."""
        self._gate = gate
        self._sessions = sessions
        self._dialect = dialect
        self._exchange = exchange
        self._record_of = record_of
        self._new_id = new_id
        self._only_decides = only_decides

    def __call__(self, request: Request, reply: Reply) -> Coroutine[Any, Any, None] | Errand:
        """Answers it. Raises PlanoError when the head alone is at fault, or its key has had enough."""
        facts = self._facts(request)
        record = self._record_of(request)
        record.dialect = self._dialect
        record.bytes_in = len(request.body)
        ask = Ask(
            self._dialect,
            request.body,
            request.query,
            facts.forwarded,
            facts.credential,
            b"x-request-id: %b\r\n" % record.request_id.encode("ascii"),
            record,
            facts.claim,
        )
        if self._only_decides or facts.is_debugged:
            trace_id = trace_id_of(request.fields) or self._new_id()
            ask.telling = Telling(trace_id, is_all=self._only_decides)
        key, gate = facts.key, self._gate
        if key is not None and gate is not None:
            ask.allowance = key.allowance
            ask.admission = gate.admit(key, record)
        return self._exchange.answer(ask, reply)

    def _facts(self, request: Request) -> Facts:
        """What the head says; worked out once for a head that is known again."""
        known = request.known
        if known is not None:
            notes = known.notes
            if isinstance(notes, Facts) and notes.read_for is self._sessions:
                return notes
        facts = facts_of(request, self._sessions, self._gate)
        if known is not None:
            known.notes = facts
        return facts


def _forwarded(request: Request) -> Sequence[tuple[bytes, bytes]]:
    fields = request.fields
    if FORWARDED.isdisjoint(fields):
        return ()
    names = FORWARDED.intersection(fields)
    if TRACE in request.repeated:
        # Two parents are none, and the state belongs to the parent (W3C Trace Context §3.2, §4.3).
        names -= {TRACE, TRACE_STATE}
    return [(name, fields[name]) for name in sorted(names)]


def _credential(fields: Mapping[bytes, bytes]) -> Sequence[tuple[bytes, bytes]]:
    return [(name, fields[name]) for name in CREDENTIALS if name in fields]


def facts_of(request: Request, sessions: Sessions, gate: Gate | None = None) -> Facts:
    """What the head says. Raises PlanoError for what cannot be read or must not be guessed, before the body
    is looked at; who asks comes before everything else."""
    fields = request.fields
    key = None if gate is None else gate.key_of(fields)
    coding = fields.get(b"content-encoding")
    if coding is not None and coding.strip().lower() not in (b"", b"identity"):
        raise _unread_coding(coding)
    return Facts(
        _forwarded(request),
        partial(_credential, fields),
        sessions.claim(request, None if key is None else key.owner),
        fields.get(DEBUG, b"").lower() == b"true",
        sessions,
        key,
    )


def _unread_coding(coding: bytes) -> PlanoError:
    return UnsupportedEncoding(
        f"The request body has content-encoding {coding.decode('latin-1')!r}; expected none. "
        "Send the body uncompressed."
    )


def _spend(written: bytes | None) -> float | None:
    if written is None:
        return None
    pct = read_pct(written.decode("latin-1"))
    if pct is None:
        raise InvalidRequest(
            f"{SPEND.decode('ascii')} is {written[:32].decode('latin-1')!r}; expected a number from 0 to 100."
        )
    return pct


def _check_affinity(value: bytes, *, doubled: bool) -> None:
    if doubled:
        raise InvalidAffinityId("X-Model-Affinity was sent more than once; expected one value.")
    if not 1 <= len(value) <= LONGEST_ID:
        raise InvalidAffinityId(f"X-Model-Affinity has {len(value)} bytes; expected 1 to {LONGEST_ID}.")
    if not is_session_id(value.decode("latin-1")):
        raise InvalidAffinityId(
            "X-Model-Affinity holds a space, a control or a non-ASCII byte; expected visible ASCII."
        )
