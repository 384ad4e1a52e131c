"""What makes requests one session: the key under which its pin is kept, and the pin.

A pin says which model a session stays on. It is written as JSON that every replica, and the original
system, can read; what cannot be read is no pin, for a stated reason, and never an exception. Where pins
are kept is a store's affair (`ports.AffinityStore`); whether a pin still holds is the ladder's.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Literal

import msgspec

KEY_PREFIX = "plano:affinity:"
LONGEST_ID = 256
"""Of a session's id and of a tenant, in bytes."""
MOST_VALUE_BYTES = 4096
"""Of a pin as it is written."""
LONGEST_MODEL_NAME = 512
"""In characters. The longest names of providers have about 100."""
LONGEST_ROUTE_NAME = 512
MOST_WARM_MODELS = 8
"""Models whose warm context a session remembers; of more, those read last."""
VERSION = 1

_VISIBLE = re.compile(rf"[\x21-\x7e]{{1,{LONGEST_ID}}}")


# --- the key ---


def is_session_id(text: str) -> bool:
    """Whether `x-model-affinity` may say this: 1 to 256 visible ASCII characters."""
    return _VISIBLE.fullmatch(text) is not None


def is_tenant(text: str) -> bool:
    """Whether the tenant header may say this: the same."""
    return _VISIBLE.fullmatch(text) is not None


def session_key(tenant: str | None, session_id: str) -> str:
    """`plano:affinity:{id}` where no tenant header is configured (`tenant` is None), else
    `plano:affinity:{tenant}:{id}`; a request that leaves the header out has the tenant "".

    Between tenants no two pairs share a key. The first colon after the prefix ends the tenant, because one
    inside a tenant is written `%3A` (and `%` is written `%25`), so that `a:b` with `c` is not `a` with `b:c`.
    Ids stand as they are. A gateway with a tenant header and one without could meet in a key (`a` with `b`
    there, `a:b` here): they should not share a Redis database.
    """
    if tenant is None:
        return KEY_PREFIX + session_id
    return f"{KEY_PREFIX}{tenant.replace('%', '%25').replace(':', '%3A')}:{session_id}"


# --- the pin ---


@dataclass(frozen=True, slots=True)
class Warm:
    """What one provider's prompt cache is believed to hold of a session."""

    tokens: int
    """Of the session's context, from its beginning."""
    at: int
    """When they were read or written last, in seconds since 1970: replicas compare it."""


@dataclass(frozen=True, slots=True)
class Spending:
    """What a session's context has cost, for judging whether it may change models."""

    first_model: str
    """The model that the session started on: what never switching is measured by."""
    never_switching_usd: float = 0.0
    """What the context read so far would have cost on `first_model` alone."""
    switches_usd: float = 0.0
    """What changing models has cost so far."""
    switches: int = 0
    context_tokens: int | None = None
    """The context of the latest answered request, as its provider counted; None: not known."""
    context_bytes: int | None = None
    """The size of that request's body, by which the next one's tokens can be estimated."""
    warm: Mapping[str, Warm] = field(default_factory=dict)
    """By model, at most `MOST_WARM_MODELS`."""


@dataclass(frozen=True, slots=True)
class Pin:
    """Which model a session stays on."""

    model_name: str
    """`provider/model` in full, as it was sent upstream."""
    route_name: str | None = None
    """The route that chose it; None: none did."""
    spending: Spending | None = None
    """None where no routing budget is kept, and in what the original wrote."""


@dataclass(frozen=True, slots=True)
class Unreadable:
    """Bytes that are no pin."""

    because: str
    """A clause without a word of what was found: whoever wrote it is not known."""


@dataclass(frozen=True, slots=True)
class Unwritable:
    """A pin that the others would not read."""

    because: str


def render(pin: Pin) -> bytes | Unwritable:
    """The pin as it is stored: JSON of at most 4 KiB that `read_pin` reads. What does not fit of the warm
    context is left out, the oldest first."""
    stored = _stored(pin)
    warm = stored.spending.warm if stored.spending else {}
    try:
        rendered = _encode(stored)
        while len(rendered) > MOST_VALUE_BYTES and warm:
            warm.popitem()
            rendered = _encode(stored)
    except UnicodeEncodeError:
        return Unwritable("a name in the pin holds half a character")
    match read_pin(rendered):
        case Unreadable(because):
            return Unwritable(f"nobody could read the pin: {because}")
        case _:
            return rendered


def read_pin(value: bytes) -> Pin | Unreadable:
    """What `render` wrote, here, in another replica or in a version to come that only adds members; and
    what the original writes, which has no version."""
    if len(value) > MOST_VALUE_BYTES:
        return Unreadable(f"the value has more than {MOST_VALUE_BYTES} bytes")
    try:
        value.decode()  # what the decoder skips it does not look at
        stored = _decode(value)
    except msgspec.ValidationError:
        return Unreadable("the value is JSON but no pin")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return Unreadable("the value is not JSON")
    if stored.version != VERSION:
        return Unreadable(f"the value has a version other than {VERSION}")
    return _pin(stored)


# --- as it is written ---

_ModelName = Annotated[str, msgspec.Meta(min_length=1, max_length=LONGEST_MODEL_NAME)]
_RouteName = Annotated[str, msgspec.Meta(max_length=LONGEST_ROUTE_NAME)]
_Count = Annotated[int, msgspec.Meta(ge=0, le=2**53)]
_Usd = Annotated[float, msgspec.Meta(ge=0)]


class _StoredWarm(msgspec.Struct):
    tokens: _Count
    at: _Count


class _StoredSpending(msgspec.Struct, omit_defaults=True):
    first_model: _ModelName
    never_switching_usd: _Usd = 0.0
    switches_usd: _Usd = 0.0
    switches: _Count = 0
    context_tokens: _Count | None = None
    context_bytes: _Count | None = None
    warm: Annotated[dict[_ModelName, _StoredWarm], msgspec.Meta(max_length=MOST_WARM_MODELS)] = {}


class _Stored(msgspec.Struct):
    model_name: _ModelName
    route_name: _RouteName | None = None
    version: int = VERSION
    spending: _StoredSpending | msgspec.UnsetType = msgspec.UNSET


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(_Stored, strict=True).decode


def _stored(pin: Pin) -> _Stored:
    spent = pin.spending
    if spent is None:
        return _Stored(pin.model_name, pin.route_name)
    newest = sorted(spent.warm.items(), key=lambda each: each[1].at, reverse=True)[:MOST_WARM_MODELS]
    spending = _StoredSpending(
        spent.first_model,
        spent.never_switching_usd,
        spent.switches_usd,
        spent.switches,
        spent.context_tokens,
        spent.context_bytes,
        {model: _StoredWarm(warm.tokens, warm.at) for model, warm in newest},
    )
    return _Stored(pin.model_name, pin.route_name, spending=spending)


def _pin(stored: _Stored) -> Pin:
    found = stored.spending
    if found is msgspec.UNSET:
        return Pin(stored.model_name, stored.route_name)
    warm = {model: Warm(each.tokens, each.at) for model, each in found.warm.items()}
    spending = Spending(
        found.first_model,
        found.never_switching_usd,
        found.switches_usd,
        found.switches,
        found.context_tokens,
        found.context_bytes,
        warm,
    )
    return Pin(stored.model_name, stored.route_name, spending)


# --- what a store answers ---


@dataclass(frozen=True, slots=True)
class NoPin:
    """The store has none under this key."""


@dataclass(frozen=True, slots=True)
class Unavailable:
    """The store cannot say: there is no affinity for this request, and nothing else is lost."""

    because: str
    """A clause that carries nothing secret and nothing a stranger wrote."""


@dataclass(frozen=True, slots=True)
class StoreState:
    """How a store is doing, for readiness and metrics."""

    status: Literal["ok", "degraded"] = "ok"
    because: str = ""
    """What is wrong, when something is."""
