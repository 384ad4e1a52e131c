"""Policies priced over whole logs."""

from __future__ import annotations

import io
import json
import xml.etree.ElementTree as ET
from typing import Any

import pytest

from plano.catalog.names import ModelId
from plano.catalog.prices import Price
from plano.evaluation.replay.log import LogFile
from plano.evaluation.replay.picture import picture
from plano.evaluation.replay.policies import Defaults, default_policies, policy_named
from plano.evaluation.replay.replay import MOST_OPEN, QUIET_S, PolicyCost, Replay, Replayed, document
from tests.unit.evaluation.replay.sessions import GPT, MINI, SONNET, START, agent_log, line


class List:
    """Two that take the same, and one that takes less."""

    def rates(self, model: ModelId) -> Price | None:
        prices = {
            SONNET: Price(3.0, 15.0, 0.3, 3.75),
            GPT: Price(3.0, 15.0, 0.3),
            MINI: Price(0.25, 2.0),
        }
        return prices.get(model)


def replayed(log: bytes, *policies: str, seed: int = 0, most_open: int = MOST_OPEN) -> Replayed:
    asked = [policy_named(policy, Defaults()) for policy in policies] or default_policies(Defaults())
    replay = Replay(asked, List(), discount=0.1, seed=seed, resamples=200, most_open=most_open)
    return replay.run(LogFile("log.jsonl", io.BytesIO(log)).requests())


def request(at: float, model: str, tokens: int | None = 1_000_000, **facts: Any) -> bytes:
    known = {"session": "s", "is_user_turn": False, "output_tokens": 0, "status": 200} | facts
    return line(time=START + at, candidates=[model], chosen=model, input_tokens=tokens, **known)


def parts(each: PolicyCost) -> tuple[float, ...]:
    """Reads, writes, misses, output, all of them, in whole cents."""
    estimates = (each.cache_reads, each.cache_writes, each.misses, each.output, each.cost)
    return tuple(round(estimate.value + 1e-9, 2) for estimate in estimates)


def test_a_policys_cost_is_told_by_what_caches_held() -> None:
    """A, then B, which reads all of it again, then A: held but for what was said since."""
    log = request(0, GPT, is_user_turn=True) + request(9, SONNET, 1_100_000) + request(
        20, GPT, 1_200_000, output_tokens=100_000
    )  # fmt: skip

    redecide, pin = replayed(log, "redecide", "pin").policies

    assert parts(redecide) == (0.3, 3.68, 4.05, 1.5, 9.53)
    assert parts(pin) == (0.63, 3.6, 0.0, 1.5, 5.73)
    assert (redecide.switches.value, redecide.loop_switches.value, pin.switches.value) == (2, 2, 0)
    assert [redecide.as_routed.value, pin.as_routed.value] == pytest.approx([1, 2 / 3])


def test_a_switch_on_a_users_turn_is_in_no_loop() -> None:
    """What breaks an agent's work is a change between its calls."""
    log = request(0, GPT) + request(9, SONNET, is_user_turn=True) + request(20, GPT, is_user_turn=None)

    (redecide,) = replayed(log, "redecide").policies

    assert (redecide.switches.value, redecide.loop_switches.value) == (2, 0)


def test_the_same_log_and_seed_give_the_same_answer() -> None:
    """To the last bit; another seed moves the intervals alone."""
    log = agent_log(12)

    one, same, other = (json.dumps(document(replayed(log, seed=seed))) for seed in (0, 0, 1))

    assert one == same
    assert one != other
    assert replayed(log).policies[1].cost.value == replayed(log, seed=1).policies[1].cost.value


def test_a_policy_is_priced_alike_whatever_stands_beside_it() -> None:
    """Asked for alone or among others."""
    log = agent_log(12)

    alone, beside = replayed(log, "budget:5").policies[0], replayed(log, "pin", "budget:5").policies[1]

    assert (alone.cost, alone.switches) == (beside.cost, beside.switches)


def test_a_comparison_is_on_the_same_requests() -> None:
    """A session with a model that has no price is left out of every policy, not priced in parts."""
    log = request(0, GPT) + request(9, "mine/unpriced", session="t") + request(10, GPT, session="t")

    result = replayed(log, "redecide", "pin")

    assert [parts(each)[-1] for each in result.policies] == [3.0, 3.0]
    notes = result.notes
    assert (notes.priced, notes.sessions, notes.unpriced_sessions, notes.unpriced_requests) == (1, 1, 1, 2)
    assert notes.unpriced_models == {"mine/unpriced": 1}


def test_what_failed_or_has_no_size_changes_nothing() -> None:
    """A request that was refused is in no cache."""
    log = request(0, GPT) + request(5, SONNET, status=429) + request(6, SONNET, None) + request(9, GPT)

    result = replayed(log, "redecide")

    assert (parts(result.policies[0]), result.policies[0].switches.value) == ((0.3, 3.0, 0, 0, 3.3), 0)
    assert (result.notes.requests, result.notes.failed, result.notes.without_tokens) == (4, 1, 1)


def test_a_request_without_a_session_is_one_of_its_own() -> None:
    """Two of them share no cache."""
    log = request(0, GPT, session=None) + request(1, GPT, session=None)

    result = replayed(log, "redecide")

    assert (parts(result.policies[0])[-1], result.notes.sessions, result.notes.without_session) == (6.0, 2, 2)


def test_what_providers_report_is_held_against_what_was_worked_out() -> None:
    """Where the two differ much, nothing else here should be believed."""
    log = request(0, GPT, cached_tokens=0) + request(9, GPT, cached_tokens=900_000) + request(10, GPT)

    notes = replayed(log, "pin").notes

    assert (notes.reported_cached, notes.modelled_cached) == (900_000, 1_000_000)


def test_memory_does_not_grow_with_the_log() -> None:
    """Sessions are closed when a day has gone by, or when too many are open; what they cost is kept."""
    log = b"".join(request(number, GPT, session=f"s-{number}") for number in range(50))
    log += request(QUIET_S + 100, GPT, session="late")

    result = replayed(log, "redecide", most_open=10)

    assert [result.policies[0].cost.value, result.notes.sessions] == pytest.approx([51 * 3.0, 51])
    assert result.notes.closed_early == 40


def test_a_log_out_of_order_is_told_of() -> None:
    """Files put together in the wrong order; answers that took a while are none."""
    log = request(4000, GPT) + request(3900, GPT) + request(100, GPT)

    assert replayed(log).notes.out_of_order == 1


def test_the_picture_is_a_picture_and_says_what_the_table_says() -> None:
    """And what a file is called cannot break it."""
    result = replayed(agent_log(12))

    drawn = ET.fromstring(picture(result, "<odd>&\x00.jsonl", "a table, of 2026"))

    words = " ".join(drawn.itertext())
    assert drawn.tag == "{http://www.w3.org/2000/svg}svg"
    assert all(each.policy.name in words for each in result.policies)
    assert "<odd>&\\x00.jsonl: " in words


def test_nothing_drawn_leaves_the_picture() -> None:
    """Also when all is free."""
    free = replayed(request(0, GPT, 0) + request(1, GPT, 0, session="t"))

    for result in (free, replayed(agent_log(12))):
        drawn = ET.fromstring(picture(result, "log", "prices"))
        width = float(drawn.attrib["width"])
        for box in drawn.iter("{http://www.w3.org/2000/svg}rect"):
            assert 0 <= float(box.get("x", 0)) <= float(box.get("x", 0)) + float(box.attrib["width"]) <= width
