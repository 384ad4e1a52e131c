"""Who is let in, and how much they may have, by clocks that are handed in."""

from __future__ import annotations

from typing import Any

import pytest

from plano.catalog.gateway_keys import GatewayKey
from plano.catalog.names import ModelId
from plano.catalog.prices import Price
from plano.chat.usage import Usage
from plano.errors import KeyExhausted, QuotaExceeded, RateLimited, Unauthenticated
from plano.exchange.record import ExchangeRecord, FailedAttempt
from plano.keys.digests import digest_of, hash_of
from plano.keys.gate import Gate, SettlingRecorder, cost_usd
from plano.keys.opening import gate_for

SECRET = b"pk-a-key-that-nobody-else-has-0123456789abcd"
MODEL = ModelId("openai/gpt-4o")
PRICE = Price(2.0, 10.0, 1.0, 4.0)
MIDNIGHT = 86_400.0 * 20_000


class World:
    """Two clocks and a gate."""

    def __init__(self, **limits: Any) -> None:
        self.now = 50.0
        self.today = MIDNIGHT - 3600.0
        self.gate = self.gate_like(None, **limits)

    def gate_like(self, before: Gate | None, **limits: Any) -> Gate:
        self.key = GatewayKey("research", digest_of(SECRET), "team", **limits)
        return gate_for(
            [self.key],
            counts=None if before is None else before.counts,
            prices={MODEL: PRICE}.get,
            now=lambda: self.now,
            today=lambda: self.today,
        )

    def begin(self) -> ExchangeRecord:
        record = ExchangeRecord(request_id="r", method="POST", path="/", at=0.0, started=0.0)
        self.gate.admit(self.key, record)
        return record

    def ask(self, usage: Usage | None = None) -> None:
        record = self.begin()
        record.chosen = MODEL
        record.usage = usage
        self.gate.settle(record)

    def refusal(self) -> tuple[type[KeyExhausted], float]:
        with pytest.raises(KeyExhausted) as caught:
            self.begin()
        return type(caught.value), caught.value.retry_after_s


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({b"authorization": b"Bearer " + SECRET}, id="bearer"),
        pytest.param({b"authorization": b"bearer  " + SECRET}, id="scheme in any case"),
        pytest.param({b"x-api-key": SECRET}, id="x-api-key"),
        pytest.param({b"authorization": b"Bearer other", b"x-api-key": SECRET}, id="both, one for another"),
    ],
)
def test_a_key_is_found_where_clients_put_it(fields: dict[bytes, bytes]) -> None:
    """OpenAI's clients send the one, Anthropic's either or both."""
    world = World()

    assert world.gate.key_of(fields) == world.key


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({}, id="none"),
        pytest.param({b"authorization": b"Bearer "}, id="empty"),
        pytest.param({b"authorization": SECRET}, id="no scheme"),
        pytest.param({b"authorization": b"Basic " + SECRET}, id="another scheme"),
        pytest.param({b"x-api-key": SECRET[:-1]}, id="cut"),
        pytest.param({b"x-api-key": SECRET + b", " + SECRET}, id="sent twice"),
        pytest.param({b"x-api-key": hash_of(SECRET.decode()).encode()}, id="the hash of it"),
        pytest.param({b"api-key": SECRET}, id="another field"),
    ],
)
def test_what_is_no_key_is_refused_and_not_repeated(fields: dict[bytes, bytes]) -> None:
    """A key that was mistyped is still most of a key."""
    with pytest.raises(Unauthenticated) as caught:
        World().gate.key_of(fields)

    assert SECRET.decode()[:20] not in caught.value.message


def test_requests_of_a_minute() -> None:
    """What was refused does not count, so that who hammers is let in when the minute is over."""
    world = World(requests_per_minute=2)
    world.ask()
    world.now += 10.0
    world.ask()
    world.now += 20.0

    refused = [world.refusal(), world.refusal()]
    world.now += 30.0
    world.ask()

    assert refused == [(RateLimited, 30.0)] * 2


def test_tokens_are_counted_when_the_answer_has_ended() -> None:
    """The request that crosses the limit is answered; the next one waits."""
    world = World(tokens_per_minute=10)
    world.ask(Usage(6, 3))
    world.ask(Usage(6, 3))

    assert world.refusal() == (RateLimited, 60.0)


def test_tokens_that_nobody_has_counted_are_none() -> None:
    """Unknown is not zero, and not a guess either."""
    world = World(tokens_per_minute=1)
    world.ask(None)
    world.ask(Usage())

    world.begin()


def test_money_of_a_day_until_midnight() -> None:
    """Of UTC, an hour later."""
    world = World(max_usd_per_day=0.01)
    world.ask(Usage(0, 1000))

    refused = world.refusal()
    world.today = MIDNIGHT
    world.ask()

    assert refused == (QuotaExceeded, 3600.0)


def test_an_attempt_that_failed_and_was_counted_is_paid_for() -> None:
    """Whoever answers after it."""
    world = World(tokens_per_minute=2000, max_usd_per_day=0.01)
    record = world.begin()
    record.chosen, record.usage = MODEL, Usage(0, 500)
    record.failed = (
        FailedAttempt(MODEL, "upstream_broke", 1.0, usage=Usage(0, 600)),
        FailedAttempt(ModelId("lab/unpriced"), "upstream_broke", 1.0, usage=Usage(400, 0)),
        FailedAttempt(MODEL, "upstream_timeout", 1.0),
    )

    world.gate.settle(record)

    assert record.usd == pytest.approx(0.011)
    assert world.refusal()[0] is QuotaExceeded


def test_requests_under_way() -> None:
    """One that has ended, whichever way, makes room."""
    world = World(max_concurrent=1)
    first = world.begin()

    refused = world.refusal()
    world.gate.settle(first)
    world.begin()

    assert refused == (RateLimited, 1.0)


def test_one_that_was_refused_is_not_ended() -> None:
    """It never began."""
    world = World(max_concurrent=1)
    world.begin()
    refused = ExchangeRecord(request_id="r", method="POST", path="/", at=0.0, started=0.0)
    with pytest.raises(RateLimited):
        world.gate.admit(world.key, refused)

    world.gate.settle(refused)

    assert (world.refusal()[0], refused.key) == (RateLimited, "research")


def test_what_a_key_has_had_outlives_its_configuration() -> None:
    """Else whoever reloads every minute has no limits."""
    world = World(requests_per_minute=2)
    under_way = world.begin()
    before = world.gate
    world.gate = world.gate_like(before, requests_per_minute=2, max_concurrent=1)

    full = world.refusal()
    before.settle(under_way)
    world.ask()

    assert (full[0], world.refusal()[0]) == (RateLimited, RateLimited)


def test_a_record_that_ends_ends_the_request() -> None:
    """Every request is recorded once, on every way out."""
    world = World(max_concurrent=1)
    told: list[ExchangeRecord] = []

    class Recorder:
        def record(self, record: ExchangeRecord) -> None:
            told.append(record)

    first = world.begin()
    SettlingRecorder(world.gate, Recorder()).record(first)
    world.begin()

    assert told == [first]


@pytest.mark.parametrize(
    ("usage", "price", "usd"),
    [
        pytest.param(Usage(1_000_000, 100_000), PRICE, 3.0, id="in and out"),
        pytest.param(
            Usage(1_000_000, 0, 400_000, 100_000), PRICE, 1.0 + 0.4 + 0.4, id="cached input is included"
        ),
        pytest.param(Usage(1_000_000, 0, 500_000, 500_000), Price(2.0, 1.0), 2.0, id="cache prices unknown"),
    ],
)
def test_what_an_answer_costs(usage: Usage, price: Price, usd: float) -> None:
    """Cached tokens billed twice have cost people 4 to 11 times too much elsewhere."""
    assert cost_usd(usage, price) == pytest.approx(usd)


def test_a_request_that_cannot_be_priced_ends_and_is_recorded_all_the_same() -> None:
    """Else one answer that nobody can reckon with would shut its key until the next start."""
    world = World(max_concurrent=1)
    world.gate = gate_for(
        [world.key], counts=None, prices=_nobody_knows, now=lambda: 0.0, today=lambda: MIDNIGHT
    )
    record = world.begin()
    record.chosen, record.usage = MODEL, Usage(1, 1)
    told: list[ExchangeRecord] = []

    class Recorder:
        def record(self, record: ExchangeRecord) -> None:
            told.append(record)

    with pytest.raises(OverflowError):
        SettlingRecorder(world.gate, Recorder()).record(record)

    assert (told, world.begin().key) == ([record], "research")


def _nobody_knows(model: ModelId) -> Price:
    raise OverflowError(model)
